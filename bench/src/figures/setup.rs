//! The setup that every figure starts from: an origin on fresh data, and clients with tokens.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    baseline::Layer,
    clients::{Endpoint, Heartbeat, LoadClients},
    openim::Admin,
    server::Server,
};

/// Connections of a whole run: with them a server stays below 20,000 descriptors.
const CONNECTIONS: usize = 18_000;
/// Connections of a quick run.
const QUICK: usize = 3_000;
/// Seconds between two heartbeats of a client.
pub(super) const BEAT_SECONDS: u64 = 24;
/// Clients that connect concurrently, except in a reconnect storm.
pub(super) const AT_ONCE: usize = 256;

/// The parameters of a run, and the folder of its data.
pub(crate) struct Setup {
    origin: PathBuf,
    folder: TempDir,
    /// Whether speed matters more than exactness.
    pub(super) quick: bool,
    /// The number of connections.
    pub(super) size: usize,
}

/// A running origin, and its clients, unconnected at first.
pub(super) struct Fixture {
    pub(super) server: Server,
    pub(super) admin: Admin,
    pub(super) clients: LoadClients,
    /// The data folder, removed with the fixture.
    _home: TempDir,
}

impl Setup {
    pub(crate) fn new(origin: PathBuf, quick: bool, connections: Option<usize>) -> Result<Self> {
        let size = connections.unwrap_or(if quick { QUICK } else { CONNECTIONS });
        // Not in /tmp, which may be memory: a commit has to reach a disk.
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(origin.parent().unwrap_or(Path::new(".")))?;
        Ok(Self { origin, folder, quick, size })
    }

    /// The folder of the run's data.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The description of the run, for the report.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.quick { "A quick run, for finding out whether something is wrong. " } else { "" };
        format!(
            "{kind}{} connections, one a user, each with a heartbeat every {BEAT_SECONDS} s. Both servers and their \
             clients run on this machine, rounds alternate (baseline, origin, baseline, origin, …), medians are shown. The baseline \
             server accepts and upgrades with the same libraries and buffers, its JSON handler reads and writes the \
             published forms; neither looks anything up.",
            self.size
        )
    }

    /// `quick` in a quick run, else `whole`.
    pub(super) fn pick<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }

    /// An origin on fresh data, with `size` clients that have tokens.
    pub(super) async fn fixture(&self, size: usize) -> Result<Fixture> {
        let home = tempfile::tempdir_in(self.folder())?;
        let server = Server::origin(&self.origin, home.path())?;
        let admin = Admin::of(server.address).await?;
        let clients = LoadClients::new(admin.endpoints(0..size).await?).await?;
        Ok(Fixture { server, admin, clients, _home: home })
    }

    /// The same with a process that has only started: another process issued the tokens.
    pub(super) async fn fresh_fixture(&self, size: usize) -> Result<Fixture> {
        let home = tempfile::tempdir_in(self.folder())?;
        let before = Server::origin(&self.origin, home.path())?;
        let mut endpoints = Admin::of(before.address).await?.endpoints(0..size).await?;
        before.quiet().await?;
        drop(before);
        let server = Server::origin(&self.origin, home.path())?;
        let admin = Admin::of(server.address).await?;
        endpoints.iter_mut().for_each(|endpoint| endpoint.address = server.address);
        Ok(Fixture { server, admin, clients: LoadClients::new(endpoints).await?, _home: home })
    }

    /// A baseline server with `size` clients, whose requests are as long as those to the origin.
    pub(super) async fn baseline(&self, layer: Layer, size: usize) -> Result<(Server, LoadClients)> {
        let server = Server::baseline(layer)?;
        let target = format!("/?padding={}", "x".repeat(300));
        let endpoint = Endpoint { address: server.address, target, greets: false };
        let clients = LoadClients::new(vec![endpoint; size]).await?;
        Ok((server, clients))
    }
}

/// Connects every client, starts the heartbeats, and waits until each client has sent one.
pub(super) async fn settle(server: &Server, clients: &mut LoadClients) -> Result<()> {
    let count = clients.all().len();
    clients.set_heartbeat(BEAT_SECONDS, Heartbeat::Text).await?;
    clients.open_all(clients.all(), AT_ONCE).await?;
    server.quiet_with(count + 8).await?;
    tokio::time::sleep(Duration::from_secs(BEAT_SECONDS + 1)).await;
    Ok(())
}
