//! The Workers runtime itself, without a proxy before it: the program `workerd` that npm brings.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::Value;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;

use super::manifest::{Manifest, Module, Worker};
use crate::workspace::Workspace;

/// How long the runtime may take from its start until it listens. Only a broken one needs it.
const START: Duration = Duration::from_secs(90);

/// The worker's modules as they are built, behind one of our own.
const WORKER: &[Module] = &[
    Module { name: "front.js", file: "front.js", kind: "esModule" },
    Module { name: "index.js", file: "index.js", kind: "esModule" },
    Module { name: "index_bg.wasm", file: "index_bg.wasm", kind: "wasm" },
];

/// Those of another build, for the directory's shards alone.
const SHARDS: &[Module] = &[
    Module { name: "index.js", file: "shards/index.js", kind: "esModule" },
    Module { name: "index_bg.wasm", file: "shards/index_bg.wasm", kind: "wasm" },
];

/// The class of the directory's shards.
const SHARD: &str = "DirectoryObject";

/// What happens to a running runtime.
pub(crate) enum Event {
    /// It listens on this port.
    Listening(u16),
    /// It has ended, or closed the pipe on which it tells of itself.
    Ended,
    /// A signal asks for the end.
    Stop,
}

/// Writes everything that the runtime reads into a folder: the modules from where they were built, those of the directory's shards
/// from elsewhere if `shards` says so, and the configuration, whose path is the answer.
pub(crate) fn prepare(
    manifest: &Manifest,
    folder: &Path,
    build: &Path,
    shards: Option<&Path>,
    listen: SocketAddr,
    storage: &Path,
    variables: &[(OsString, OsString)],
) -> Result<PathBuf> {
    fs::write(folder.join("front.js"), include_str!("front.js"))?;
    fs::write(folder.join("local.js"), include_str!("local.js"))?;
    let mut workers = vec![Worker { name: "worker", modules: WORKER, takes: None }];
    copy(build, folder)?;
    if let Some(shards) = shards {
        copy(shards, &folder.join("shards"))?;
        workers.push(Worker { name: "shards", modules: SHARDS, takes: Some(SHARD) });
    }
    let names: Vec<&str> = variables.iter().filter_map(|(name, _)| name.to_str()).collect();
    let config = folder.join("config.capnp");
    fs::write(&config, manifest.runtime_config(listen, storage, &workers, &names)?)?;
    Ok(config)
}

fn copy(build: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for file in ["index.js", "index_bg.wasm"] {
        let built = build.join(file);
        fs::copy(&built, folder.join(file))
            .with_context(|| format!("cannot copy {}: run `cargo xtask edge build`", built.display()))?;
    }
    Ok(())
}

/// A runtime that was started, and is killed when this is dropped.
pub(crate) struct Runtime {
    child: Child,
    events: Receiver<Event>,
    sender: Sender<Event>,
}

impl Runtime {
    /// Starts it. Its output goes to our standard error: standard output is for the line that says where it listens.
    pub(crate) fn start(
        workspace: &Workspace,
        config: &Path,
        variables: &[(OsString, OsString)],
    ) -> Result<Self> {
        let (told, tells) = pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")?;
        fcntl_setfd(&tells, FdFlags::empty()).context("cannot hand a pipe on")?;
        let child = Command::new(&workspace.exe)
            .args(["edge", "guard", "--parent", &std::process::id().to_string(), "--"])
            .arg(program(workspace)?)
            .args(["serve", "--experimental"])
            .arg(format!("--control-fd={}", tells.as_raw_fd()))
            .arg(config)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            // Signals are for us, who stop it in turn.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()))
            .spawn()
            .context("cannot start the runtime")?;
        // The pipe ends when the runtime does.
        drop(tells);
        let (sender, events) = mpsc::channel();
        let tell = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(std::fs::File::from(told)).lines() {
                if let Some(port) = line.ok().and_then(|line| listening(&line)) {
                    let _ = tell.send(Event::Listening(port));
                }
            }
            let _ = tell.send(Event::Ended);
        });
        Ok(Self { child, events, sender })
    }

    /// Where to report events of other sources.
    pub(crate) fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Waits until it listens, and says on which port; `None` when it is to stop before.
    pub(crate) fn listening(&mut self) -> Result<Option<u16>> {
        match self.events.recv_timeout(START) {
            Ok(Event::Listening(port)) => Ok(Some(port)),
            Ok(Event::Stop) => Ok(None),
            Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => self.ended(),
            Err(RecvTimeoutError::Timeout) => {
                bail!("the runtime did not listen within {} s; its messages are above", START.as_secs())
            }
        }
    }

    /// Waits until it is to stop; fails when it ends by itself.
    pub(crate) fn until_stopped(&mut self) -> Result<()> {
        loop {
            match self.events.recv() {
                Ok(Event::Stop) => return Ok(()),
                Ok(Event::Listening(_)) => {}
                Ok(Event::Ended) | Err(_) => return self.ended(),
            }
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn ended<T>(&mut self) -> Result<T> {
        let status = self.child.wait().context("waiting for the runtime")?;
        bail!("the runtime ended by itself with {status}; its messages are above")
    }
}

impl Drop for Runtime {
    /// At once: every answer that went out is on disk, and nothing else is owed to anybody.
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program for this machine; the one in `.bin` is a script that starts it.
fn program(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.node_module("@cloudflare");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} is missing", folder.display()))?;
    let programs = entries.flatten().map(|entry| entry.path().join("bin").join("workerd"));
    let found = programs.into_iter().find(|program| program.exists());
    found.with_context(|| format!("no workerd under {}: run `npm ci` on this machine", folder.display()))
}

/// The port, in a line by which the runtime says that a socket listens.
fn listening(line: &str) -> Option<u16> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event.get("event")?.as_str()? == "listen").then_some(())?;
    u16::try_from(event.get("port")?.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_in_the_line_about_a_socket() {
        assert_eq!(listening(r#"{"event":"listen","socket":"http","port":4711}"#), Some(4711));
        assert_eq!(listening(r#"{"event":"listen-inspector","port":1}"#), None);
        assert_eq!(listening("x"), None);
    }
}
