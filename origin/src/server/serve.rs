//! From settings to a serving process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use rollcall_core::{
    config::{Runtime, Settings},
    net::AllowedOrigins,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::{
    accept::accept, admission::Admission, connection::ConnectionServer, descriptors, lease, rate::Rates,
    requests, sweep, tls::Tls,
};
use crate::{
    backend::Origin,
    cluster, configuration,
    data_dir::DataDir,
    metrics::{self, Exposition, Metrics, Process, State},
    socket,
    store::{self, Store},
    users::Users,
};

/// Connections that the kernel queues until they are accepted.
const BACKLOG: u32 = 4096;

/// A running server.
pub struct Running {
    /// Its address.
    pub address: SocketAddr,
    /// Its ports.
    pub origin: Origin,
    pub(super) tls: Option<Tls>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) accepting: JoinHandle<()>,
    pub(super) connections: TaskTracker,
    pub(super) lease: JoinHandle<()>,
    pub(super) beats: AbortOnDropHandle<()>,
    pub(super) mailbox: JoinHandle<()>,
    pub(super) sweep: JoinHandle<()>,
    pub(super) metrics: Option<metrics::Listener>,
    /// Unlocked last, when everything else has ended.
    pub(super) _data_dir: DataDir,
}

/// Reads the files that the settings name, as [`start`] does, and keeps nothing of them.
///
/// # Errors
/// When a certificate or `store.url` does not read, or a store that others can reach would have a secret that only this machine
/// knows.
pub fn check(settings: &Settings) -> anyhow::Result<()> {
    Tls::load(&settings.server.tls)?;
    store::check(&settings.store)?;
    configuration::require_secret(settings)
}

/// Opens the store in `data_dir`, ends the records that a crash left open, and starts to serve.
///
/// # Errors
/// When a certificate, an allowed origin or a limit does not read, the store cannot be opened, or an address not be
/// bound.
pub async fn start(settings: Settings, mut data_dir: DataDir) -> anyhow::Result<Running> {
    let listen: SocketAddr = settings.server.listen.parse().context("server.listen")?;
    let header_timeout = Duration::from_secs(settings.server.header_timeout_seconds.into());
    let tls = Tls::load(&settings.server.tls)?;
    let allowed =
        AllowedOrigins::new(settings.server.allowed_origins.as_deref()).context("server.allowed_origins")?;
    if allowed.is_any() {
        tracing::warn!("server.allowed_origins is not set: pages of any origin may open sockets");
    }
    let rates = Rates::new(&settings)?;
    let admission = Admission::new(&settings);
    descriptors::raise(settings.server.max_connections);
    let users = open(settings, data_dir.path()).await?;
    let origin = Origin::new(users.clone())?;
    // A start may take longer than others wait for a sign of life.
    let beats = AbortOnDropHandle::new(tokio::spawn(cluster::keep(users.clone(), {
        let sessions = origin.sessions().clone();
        move || sessions.len()
    })));
    lease::take(users.store(), &data_dir).await?;
    users.enter();
    users.read_cutoffs().await?;
    users.count_unseen().await?;
    users.read_newest_opening().await?;
    users.resume_orders().await;
    let listener = bind(listen).with_context(|| format!("cannot listen on server.listen {listen}"))?;
    let address = listener.local_addr()?;
    let exposition = Exposition::new(users.metrics().clone(), {
        let (users, admission, bodies) = (users.clone(), admission.clone(), origin.bodies().clone());
        move || State {
            census: users.census(),
            tcp_connections: admission.open(),
            queued_commits: users.store().queued(),
            commit_failures: users.store().condition().failures(),
            body_bytes: bodies.held(),
            refused_bodies: bodies.refused(),
            unseen_users: users.unseen(),
            undelivered: users.undelivered_orders(),
            process: Process::look(),
        }
    });
    let metrics = match &users.settings().server.metrics_listen {
        Some(listen) => Some(
            metrics::Listener::start(listen, exposition)
                .await
                .with_context(|| format!("cannot listen on server.metrics_listen {listen}"))?,
        ),
        None => None,
    };
    data_dir.announce(&url(tls.as_ref(), address))?;
    let lease = tokio::spawn(lease::keep(users.store().clone()));
    let mailbox = tokio::spawn(cluster::keep_mailbox(users.clone()));
    let sweep = tokio::spawn(sweep::keep(users));
    let router = rollcall_api::router(origin.clone(), socket::routes(&origin, allowed));
    let router = requests::observed(router, &origin, rates);
    let (stop, stopping) = watch::channel(false);
    let counted = origin.users.metrics().clone();
    let server = Arc::new(ConnectionServer::new(router, header_timeout, tls.clone(), counted));
    let connections = TaskTracker::new();
    let accepting = tokio::spawn(accept(listener, server, admission, connections.clone(), stopping));
    Ok(Running {
        address,
        origin,
        tls,
        stop,
        accepting,
        connections,
        lease,
        beats,
        mailbox,
        sweep,
        metrics,
        _data_dir: data_dir,
    })
}

impl Running {
    /// Its URL.
    pub fn url(&self) -> String {
        url(self.tls.as_ref(), self.address)
    }

    /// The URL of its metrics, if they are served.
    pub fn metrics_url(&self) -> Option<String> {
        let listener = self.metrics.as_ref()?;
        Some(format!("http://{}{}", listener.address, metrics::PATH))
    }

    /// Reloads the certificate. An unreadable one is logged, and the old one stays in use.
    pub fn reload(&self) {
        match self.tls.as_ref().map(Tls::reload) {
            None => tracing::info!("there is nothing to read again: no TLS is configured"),
            Some(Ok(())) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => tracing::error!("the old certificate stays in use: {error:#}"),
        }
    }
}

fn url(tls: Option<&Tls>, address: SocketAddr) -> String {
    let scheme = if tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// The users of a store, without a server.
///
/// # Errors
/// When the store cannot be opened.
pub async fn open(settings: Settings, data_dir: &Path) -> anyhow::Result<Users> {
    let rules = settings.rules(Runtime::Origin).context("auth.secret is not set")?;
    let metrics = Metrics::new(settings.server.metrics_listen.is_some());
    let store = Store::open(&settings.store, &settings.cluster, data_dir, metrics.clone()).await?;
    Ok(Users::new(store, settings, rules, metrics))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
