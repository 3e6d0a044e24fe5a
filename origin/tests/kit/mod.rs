//! A server process on its own data directory, for tests that need more than the black-box suite: a second life on
//! the same data, a store that cannot write, a death at a bad moment.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
};

use rollcall_conformance::{
    settings::Settings,
    subject::Kind,
    transcript::Recorder,
    world::{Shared, World},
};

pub const SECRET: &str = "openIM123-of-32-bytes-and-some-more";

/// A running `rollcall`. Killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts on `data_dir`, with `more` appended to the configuration.
    pub fn start(data_dir: &Path, more: &str) -> Self {
        let config = data_dir.with_extension("toml");
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\n[auth]\nsecret = '{SECRET}'\n{more}",
            data_dir.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .env("ROLLCALL_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("listening on http://")?.1.parse().ok())
            .expect("the server ended before it listened");
        // What it prints afterwards must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The suite's view of it.
    pub fn world(&self) -> World {
        let settings = Settings { secret: Some(SECRET.to_owned()), ..Settings::default() };
        let shared = Shared::new(self.address, Kind::Origin, settings, false);
        World::new(Arc::new(shared), "origin", Recorder::silent())
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended in most tests.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
