//! A server process under measurement.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{baseline::Layer, process::Process};

/// The secret of every origin that this tool starts.
pub(crate) const SECRET: &str = "of-the-load-tool-and-of-nobody-else";

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) process: Process,
    /// Its sockets before the first client connected.
    pub(crate) own_sockets: usize,
}

impl Server {
    /// An origin with the default configuration, and its data in `home`.
    pub(crate) fn origin(program: &Path, home: &Path) -> Result<Self> {
        let config = home.join("bench.toml");
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\n[auth]\nsecret = '{SECRET}'\n",
            home.join("data").display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(&config).env("ROLLCALL_LOG", "warn");
        Self::start(command, "the origin")
    }

    /// A baseline server that stops at `layer`.
    pub(crate) fn baseline(layer: Layer) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("baseline").arg("--layer").arg(layer.name());
        Self::start(command, "the baseline server")
    }

    fn start(mut command: Command, what: &str) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{what} cannot be started"))?;
        let stdout = child.stdout.take().context("a server without an output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on http://")?.1.parse().ok())
            .with_context(|| format!("{what} ended before it listened"))?;
        // Later output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let process = Process(child.id());
        let own_sockets = process.sockets()?;
        Ok(Self { child, address, process, own_sockets })
    }

    /// Waits until no client is connected and the server is idle.
    pub(crate) async fn quiet(&self) -> Result<()> {
        self.process.quiet(self.own_sockets).await
    }

    /// Waits until at most `sockets` clients are connected and the server is idle.
    pub(crate) async fn quiet_with(&self, sockets: usize) -> Result<()> {
        self.process.quiet(self.own_sockets + sockets).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
