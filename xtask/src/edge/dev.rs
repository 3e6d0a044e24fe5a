//! `cargo xtask edge dev`: the worker under the Workers runtime on this machine.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use super::build::{self, Variant};
use super::health::{self, Health};
use super::manifest::Manifest;
use super::runtime::{self, Event, Runtime};
use super::variables;
use crate::workspace::Workspace;

/// Serve the worker locally under the real Workers runtime, with the origin's configuration.
///
/// Builds, starts the runtime, and prints `listening on http://ADDR:PORT` once it answers. Logs go to
/// standard error. Ctrl-C or SIGTERM stops it; `kill -9` of this command is a crash of the whole runtime.
///
///   cargo xtask edge dev --config rollcall.toml --persist ./edge-data
///
/// The worker gets the text of FILE as the variable ROLLCALL_CONFIG, and every ROLLCALL__SECTION__KEY of
/// the environment. Without --config it also gets what `.dev.vars` says, if that file exists.
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
    /// Take the bindings from this file in place of wrangler.toml.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Serve what was built before, as it is.
    #[arg(long)]
    no_build: bool,
    /// Serve what another checkout built into this folder, for tests.
    #[arg(long, value_name = "DIR", hide = true, requires = "no_build")]
    from: Option<PathBuf>,
    /// The same for the shards of the directory alone: they run other code than the rest, as while a deploy is under way.
    #[arg(long, value_name = "DIR", hide = true, requires = "no_build")]
    shards_from: Option<PathBuf>,
    /// Serve the tests' variant, which lets anybody look into objects and break their calls.
    #[arg(long)]
    probe: bool,
}

/// Serves until a signal, or until the runtime ends.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    workspace.require_edge()?;
    // First of all, so that no signal from here on leaves a folder behind.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("cannot watch for signals")?;
    let variant = Variant::of(args.probe);
    if !args.no_build {
        build::run(workspace, variant)?;
    }
    let manifest = Manifest::read(workspace, args.manifest.as_deref())?;
    let mut variables = variables::collect(workspace, &manifest, args.config.as_deref())?;
    if let Some(jurisdiction) = variables::take_jurisdiction(&mut variables) {
        eprintln!(
            "warning: the local runtime has no jurisdictions: edge.jurisdiction = \"{jurisdiction}\" is left out"
        );
    }
    let folder = TempDir::with_prefix("rollcall-edge-").context("cannot create a temporary folder")?;
    let storage = match &args.persist {
        Some(storage) => std::path::absolute(storage)?,
        None => folder.path().join("storage"),
    };
    std::fs::create_dir_all(&storage).with_context(|| format!("cannot create {}", storage.display()))?;
    let build = args.from.clone().unwrap_or_else(|| variant.folder(workspace));
    let shards = args.shards_from.as_deref();
    let config =
        runtime::prepare(&manifest, folder.path(), &build, shards, args.listen, &storage, &variables)?;
    // Declared after the folder, so that nothing writes to it any more when it is deleted.
    let mut runtime = Runtime::start(workspace, &config, &variables)?;
    let sender = runtime.sender();
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let _ = sender.send(Event::Stop);
        }
    });
    let Some(port) = runtime.listening()? else { return Ok(ExitCode::SUCCESS) };
    let address = SocketAddr::new(args.listen.ip(), port);
    match health::ask(address)? {
        Health::Serving => {}
        Health::Refusing { status, body } => {
            bail!("the worker refuses to serve: GET /health answered {status}: {}", body.trim());
        }
    }
    println!("listening on http://{address}");
    std::io::stdout().flush().context("nobody reads our output")?;
    runtime.until_stopped()?;
    Ok(ExitCode::SUCCESS)
}
