//! What the worker's start-up costs: processor time of the runtime until it listens, beyond that with an empty worker.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::manifest::Manifest;
use super::runtime::{self, Runtime};
use crate::workspace::Workspace;

/// More than this is worth a look. The platform refuses a worker above one second.
const BOUND: Duration = Duration::from_millis(100);
/// What the platform grants.
const LIMIT: Duration = Duration::from_secs(1);

/// How often each of both is started; the median counts.
const ROUNDS: usize = 3;

/// A worker that does nothing, with the names that the configuration asks for.
const EMPTY: &str = "import { DurableObject, WorkerEntrypoint } from \"cloudflare:workers\";
export class UserObject extends DurableObject {}
export class DirectoryObject extends DurableObject {}
export class CutoffObject extends DurableObject {}
export default class extends WorkerEntrypoint {}
";
/// A module without anything in it.
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Measures, prints, and fails above what the platform grants.
pub(crate) fn report(workspace: &Workspace, build: &Path) -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("start-up: measured on Linux only");
        return Ok(());
    }
    let empty = TempDir::new().context("cannot create a temporary folder")?;
    fs::write(empty.path().join("index.js"), EMPTY)?;
    fs::write(empty.path().join("index_bg.wasm"), EMPTY_MODULE)?;
    let (mut own, mut bare) = (Vec::new(), Vec::new());
    // Taking turns, so that a busy moment of the machine meets both.
    for _ in 0..ROUNDS {
        bare.push(once(workspace, empty.path())?);
        own.push(once(workspace, build)?);
    }
    let cost = median(own).saturating_sub(median(bare));
    println!("start-up: {} ms of processor time (bound {} ms)", cost.as_millis(), BOUND.as_millis());
    if cost > LIMIT {
        bail!("the worker's start-up takes longer than the platform grants ({} ms)", LIMIT.as_millis());
    }
    if cost > BOUND {
        eprintln!("warning: the worker's start-up is over its bound, unless this machine is busy");
    }
    Ok(())
}

/// The processor time that a runtime has used when it listens.
fn once(workspace: &Workspace, build: &Path) -> Result<Duration> {
    let manifest = Manifest::read(workspace, None)?;
    let folder = TempDir::new().context("cannot create a temporary folder")?;
    let storage = folder.path().join("storage");
    fs::create_dir(&storage)?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = runtime::prepare(&manifest, folder.path(), build, None, listen, &storage, &[])?;
    let mut runtime = Runtime::start(workspace, &config, &[])?;
    runtime.listening()?;
    used(runtime.id())
}

/// The processor time of all threads of a process, in nanoseconds as the kernel counts it.
fn used(process: u32) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in
        fs::read_dir(format!("/proc/{process}/task")).context("the kernel does not tell of the runtime")?
    {
        // A thread may end between the two reads.
        let text = match fs::read_to_string(thread?.path().join("schedstat")) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            text => text?,
        };
        let nanoseconds = text.split_ascii_whitespace().next().context("an empty schedstat")?;
        total += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(total)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
