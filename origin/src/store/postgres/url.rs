//! `store.url`.

use anyhow::{Context as _, bail, ensure};
use rollcall_core::secret::Secret;
use std::time::Duration;
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
    pub(super) config: Config,
    pub(super) is_encrypted: bool,
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
    Ok(Target { config, is_encrypted })
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
