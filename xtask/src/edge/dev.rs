//! `cargo xtask edge dev`: the worker under `wrangler dev`, which is the real Workers runtime.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::build::{self, Variant};
use super::ready::{self, Health};
use super::stage::Stage;
use crate::setup::npm;
use crate::workspace::Workspace;

/// How long the runtime may take from its start to its first answer.
const START: Duration = Duration::from_secs(90);

/// How long the guard may take to stop everything; it kills after 8 s itself.
const STOP: Duration = Duration::from_secs(12);

/// How often things are looked at.
const TICK: Duration = Duration::from_millis(50);

/// Serve the worker locally under the real Workers runtime, with the origin's configuration.
///
/// Builds, starts the runtime, and prints `listening on http://ADDR:PORT` once it answers. Logs go to
/// standard error. Ctrl-C or SIGTERM stops it; `kill -9` of this command is a crash of the whole runtime.
///
///   cargo xtask edge dev --config rollcall.toml --persist ./edge-data
///
/// The worker gets the text of FILE as the variable ROLLCALL_CONFIG, and every ROLLCALL__SECTION__KEY of
/// the environment. Without --config it gets what `.dev.vars` says, if that file exists.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The configuration, as for the origin.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:10002")]
    listen: SocketAddr,
    /// Keep the storage in this folder, also after a crash. Without it, storage ends with the command.
    #[arg(long, value_name = "DIR")]
    persist: Option<PathBuf>,
    /// Serve what was built before, as it is.
    #[arg(long)]
    no_build: bool,
    /// Serve the tests' variant, which lets anybody look into objects and break their calls.
    #[arg(long)]
    probe: bool,
}

/// Serves until a signal, or until the runtime ends.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    workspace.require_edge()?;
    // First of all, so that no signal from here on leaves a process or a folder behind.
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot watch for signals")?;
    }
    let variant = Variant::of(args.probe);
    if !args.no_build {
        build::run(workspace, variant)?;
    }
    let address = free(args.listen)?;
    let stage = Stage::prepare(workspace, &variant.folder(workspace), args.config.as_deref())?;
    let mut runtime = Runtime::start(workspace, args, address, &stage)?;
    let outcome = runtime.serve(address, &stop);
    runtime.stop();
    // Deletes the folder; only now does nothing write to it any more.
    drop(stage);
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The address with a port that nobody else answers on: another server there would look like ours.
fn free(listen: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    listener.local_addr().context("cannot find out the port")
}

/// The guard and, through it, wrangler with all that it starts.
struct Runtime {
    guard: Child,
}

impl Runtime {
    fn start(workspace: &Workspace, args: &Args, address: SocketAddr, stage: &Stage) -> Result<Self> {
        let (node, _) = npm::node(workspace)?;
        let persist = match &args.persist {
            // wrangler runs in another folder.
            Some(folder) => std::path::absolute(folder)?,
            None => stage.storage(),
        };
        std::fs::create_dir_all(&persist).with_context(|| format!("cannot create {}", persist.display()))?;
        let mut command = Command::new(&workspace.exe);
        command
            .args(["edge", "guard", "--"])
            .arg(node)
            .arg(workspace.node_module("wrangler/bin/wrangler.js"))
            .args(["dev", "--local", "--show-interactive-dev-session=false"])
            .args(["--ip", &address.ip().to_string(), "--port", &address.port().to_string()])
            .args(["--inspector-port", "0"])
            .arg("--config")
            .arg(stage.wrangler_config())
            .arg("--persist-to")
            .arg(&persist)
            .current_dir(stage.path())
            .env("PATH", workspace.path_with_node()?)
            .envs(stage.environment())
            .process_group(0)
            .stdin(Stdio::piped())
            // Standard output is for the one line that says where we listen.
            .stdout(Stdio::from(std::io::stderr()));
        let guard = command.spawn().context("cannot start the runtime's guard")?;
        Ok(Self { guard })
    }

    /// Waits for the first answer, announces it, and stays until a signal.
    fn serve(&mut self, address: SocketAddr, stop: &AtomicBool) -> Result<()> {
        let deadline = Instant::now() + START;
        while !stop.load(Ordering::Relaxed) {
            self.check()?;
            match ready::ask(address) {
                Health::Serving => break,
                Health::Refusing { status, body } => {
                    bail!("the worker refuses to serve: GET /health answered {status}: {}", body.trim());
                }
                Health::Silent if Instant::now() >= deadline => {
                    bail!("the runtime did not answer within {} s; its messages are above", START.as_secs());
                }
                Health::Silent => std::thread::sleep(TICK),
            }
        }
        if !stop.load(Ordering::Relaxed) {
            println!("listening on http://{address}");
            std::io::stdout().flush().context("nobody reads our output")?;
        }
        while !stop.load(Ordering::Relaxed) {
            self.check()?;
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    /// Fails when the runtime is gone.
    fn check(&mut self) -> Result<()> {
        match self.guard.try_wait()? {
            Some(_) => bail!("the runtime ended; its messages are above"),
            None => Ok(()),
        }
    }

    /// Asks for an orderly stop and waits for its end.
    fn stop(&mut self) {
        // Held open until the end: closing the pipe means a crash.
        let mut pipe = self.guard.stdin.take();
        if let Some(pipe) = &mut pipe {
            let _ = pipe.write_all(b"s");
        }
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if !matches!(self.guard.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(TICK);
        }
        drop(pipe);
        let _ = self.guard.wait();
    }
}
