//! `store.url`.

use anyhow::{Context as _, bail, ensure};
use rollcall_core::secret::Secret;
use std::{net::SocketAddr, time::Duration};
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

/// The time within which a session is made, per address.
const CONNECT: Duration = Duration::from_secs(2);
/// The time after which the system gives up on a peer that acknowledges nothing.
const SILENCE: Duration = Duration::from_secs(3);

/// Where the engine is. Its `Debug` is not shown anywhere: the password is in it.
pub(super) struct Target {
    config: Config,
    /// The same for each host alone, in their order.
    pub(super) hosts: Vec<Config>,
    pub(super) is_encrypted: bool,
}

/// The configuration for each of several hosts alone: one that does not answer keeps nobody from the others.
fn each_host(all: &Config) -> Vec<Config> {
    let (hosts, addresses, ports) = (all.get_hosts(), all.get_hostaddrs(), all.get_ports());
    let of = |number: usize| {
        let mut one = Config::new();
        all.get_user().map(|user| one.user(user));
        all.get_password().map(|password| one.password(password));
        all.get_dbname().map(|name| one.dbname(name));
        all.get_options().map(|options| one.options(options));
        all.get_application_name().map(|name| one.application_name(name));
        all.get_connect_timeout().map(|time| one.connect_timeout(*time));
        all.get_tcp_user_timeout().map(|time| one.tcp_user_timeout(*time));
        all.get_keepalives_interval().map(|time| one.keepalives_interval(time));
        all.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
        one.ssl_mode(all.get_ssl_mode())
            .ssl_negotiation(all.get_ssl_negotiation())
            .keepalives(all.get_keepalives())
            .keepalives_idle(all.get_keepalives_idle())
            .target_session_attrs(all.get_target_session_attrs())
            .channel_binding(all.get_channel_binding())
            .load_balance_hosts(all.get_load_balance_hosts());
        match hosts.get(number) {
            Some(Host::Tcp(name)) => drop(one.host(name)),
            Some(Host::Unix(path)) => drop(one.host_path(path)),
            None => {}
        }
        addresses.get(number).map(|address| one.hostaddr(*address));
        // One port may stand for all hosts.
        ports.get(number).or(ports.first()).map(|port| one.port(*port));
        one
    };
    (0..hosts.len().max(addresses.len())).map(of).collect()
}

/// The configuration for each address of a host: one that does not answer keeps nobody from the others. Where its name is not known, the
/// attempt says so.
pub(super) async fn each_address(host: &Config) -> Vec<Config> {
    let ([Host::Tcp(name)], []) = (host.get_hosts(), host.get_hostaddrs()) else { return vec![host.clone()] };
    let port = host.get_ports().first().copied().unwrap_or_default();
    let found = tokio::net::lookup_host((name.as_str(), port)).await;
    let of = |address: SocketAddr| {
        let mut one = host.clone();
        one.hostaddr(address.ip());
        one
    };
    match found.map(|addresses| addresses.map(of).collect::<Vec<_>>()) {
        Ok(all) if !all.is_empty() => all,
        _ => vec![host.clone()],
    }
}

impl Target {
    /// The database and the hosts, without user and password.
    pub(super) fn place(&self) -> String {
        let of_config = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let mut hosts: Vec<String> = self.config.get_hosts().iter().map(of_config).collect();
        if hosts.is_empty() {
            hosts = self.config.get_hostaddrs().iter().map(ToString::to_string).collect();
        }
        // One port may stand for all hosts.
        let ports = self.config.get_ports();
        for (number, host) in hosts.iter_mut().enumerate() {
            if let Some(port) = ports.get(number).or(ports.first()) {
                host.push_str(&format!(":{port}"));
            }
        }
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("the database {database} at {}", hosts.join(","))
    }
}

/// Reads a URL such as `postgres://rollcall@db1,db2/rollcall?sslmode=verify-full`. Parameters are those of libpq.
///
/// Without `sslmode` the session is encrypted unless all hosts are this machine. A mode that asks for encryption checks the
/// certificate and the host's name, as `verify-full` does: what does not check them keeps no password.
///
/// # Errors
/// When it does not read. The error does not show it.
pub(super) fn read(url: &Secret<String>) -> anyhow::Result<Target> {
    let text = url.expose();
    ensure!(
        text.starts_with("postgres://") || text.starts_with("postgresql://"),
        "store.url: expected postgres://USER@HOST/DATABASE"
    );
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let (modes, others): (Vec<_>, Vec<_>) =
        query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("sslmode="));
    let rest = if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
    let mut config: Config = rest.parse().context("store.url")?;
    let is_local = config.get_hosts().iter().all(is_this_machine)
        && config.get_hostaddrs().iter().all(|ip| ip.is_loopback());
    ensure!(
        !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty(),
        "store.url: expected a host"
    );
    let is_encrypted = match modes.last().and_then(|mode| mode.strip_prefix("sslmode=")) {
        None => !is_local,
        Some("disable") => false,
        Some("require" | "verify-ca" | "verify-full") => true,
        Some(other) => {
            bail!("store.url: sslmode {other:?} may be stripped by a stranger; use verify-full or disable")
        }
    };
    config
        .ssl_mode(if is_encrypted { SslMode::Require } else { SslMode::Disable })
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .application_name("rollcall")
        .connect_timeout(CONNECT)
        .tcp_user_timeout(SILENCE);
    Ok(Target { hosts: each_host(&config), config, is_encrypted })
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        read(&Secret::from(url)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear_unless_the_url_says_so() {
        for (url, is_encrypted) in [
            ("postgres://a@127.0.0.1:5433/b", false),
            ("postgresql://a@localhost,[::1]/b", false),
            ("postgres://a@%2Frun%2Fpostgresql/b", false),
            ("postgres://a@db1,localhost/b", true),
            ("postgres://a@10.0.0.1/b?sslmode=disable", false),
            ("postgres://a@localhost/b?connect_timeout=9&sslmode=verify-full", true),
            ("postgres://a@db/b?sslmode=require&keepalives_idle=5", true),
        ] {
            assert_eq!(target(url).unwrap().is_encrypted, is_encrypted, "{url}");
        }
    }

    #[test]
    fn each_host_has_what_is_said_of_all() {
        let places = |url| {
            let hosts = target(url).unwrap().hosts;
            let place = |one: &Config| (one.get_hosts().to_vec(), one.get_ports().to_vec());
            assert!(hosts.iter().all(|one| one.get_dbname() == Some("b") && one.get_user() == Some("a")));
            assert!(hosts.iter().all(|one| one.get_password() == Some(b"c")));
            assert!(hosts.iter().all(|one| one.get_target_session_attrs() == TargetSessionAttrs::ReadWrite));
            hosts.iter().map(place).collect::<Vec<_>>()
        };
        let tcp = |name: &str| vec![Host::Tcp(name.to_owned())];
        let each = [(tcp("db1"), vec![5432]), (tcp("db2"), vec![5433])];
        assert_eq!(places("postgres://a:c@db1,db2:5433/b"), each);
        assert_eq!(places("postgres://a:c@db1/b"), [(tcp("db1"), vec![5432])]);
        let unix = vec![Host::Unix("/run/postgresql".into())];
        assert_eq!(places("postgres://a:c@%2Frun%2Fpostgresql/b"), [(unix, vec![5432])]);
    }

    #[tokio::test]
    async fn each_address_of_a_host_keeps_its_name() {
        let hosts = target("postgres://a:c@localhost:5433/b").unwrap().hosts;
        let all = each_address(&hosts[0]).await;
        assert!(!all.is_empty());
        for one in all {
            assert!(matches!(one.get_hostaddrs(), [ip] if ip.is_loopback()), "{one:?}");
            assert_eq!((one.get_hosts(), one.get_ports()), (hosts[0].get_hosts(), hosts[0].get_ports()));
        }
        let hosts = target("postgres://a@%2Frun%2Fpostgresql/b").unwrap().hosts;
        assert_eq!(each_address(&hosts[0]).await, hosts);
    }

    #[test]
    fn a_place_names_no_password() {
        for (url, place) in [
            ("postgres://a:hunter2@db1,db2/b?sslmode=disable", "the database b at db1:5432,db2:5432"),
            ("postgres://a:hunter2@[::1]:5433/b", "the database b at ::1:5433"),
            ("postgres://a:hunter2@%2Frun%2Fpostgresql", "the database a at /run/postgresql:5432"),
        ] {
            assert_eq!(target(url).unwrap().place(), place);
        }
    }

    #[test]
    fn what_does_not_read_is_refused_without_its_password() {
        for url in [
            "mysql://a:hunter2@db/b",
            "postgres://a:hunter2@db/b?sslmode=prefer",
            "postgres://a:hunter2@db/b?sslrootcert=/tmp/a.pem",
            "postgres://a:hunter2@db:none/b",
            "postgres:///b",
        ] {
            let error = target(url).err().unwrap();
            assert!(error.starts_with("store.url") && !error.contains("hunter2"), "{error}");
        }
    }
}
