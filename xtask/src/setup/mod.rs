//! Set-up of a fresh machine. Each part looks first, does only what is missing, and says what to do
//! where a thing cannot be had.

pub(crate) mod cargo_tools;
pub(crate) mod components;
pub(crate) mod debian;
pub(crate) mod deny;
pub(crate) mod npm;
pub(crate) mod wasm_target;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use crate::workspace::Workspace;

/// What every native build needs: compilers for C and C++, rustfmt and clippy.
pub(crate) fn native() -> Result<()> {
    timed("C and C++ compilers", debian::c_compilers)?;
    timed("rustfmt and clippy", components::ensure)
}

/// The npm packages: those of the edge, and the clients of the tests with stock clients.
pub(crate) fn npm_packages(workspace: &Workspace) -> Result<()> {
    timed("npm packages", || npm::ensure(workspace))?;
    timed("stock clients", || npm::ensure_clients(workspace))
}

/// The browser of the tests with stock clients.
pub(crate) fn chromium() -> Result<PathBuf> {
    let mut chromium = PathBuf::new();
    timed("Chromium", || {
        chromium = debian::chromium()?;
        Ok(chromium.display().to_string())
    })?;
    Ok(chromium)
}

/// What a build for the edge needs on top of that.
pub(crate) fn edge(workspace: &Workspace) -> Result<()> {
    workspace.require_edge()?;
    edge_tools(workspace)
}

/// The same without asking for a worker to build.
pub(crate) fn edge_tools(workspace: &Workspace) -> Result<()> {
    timed("C and C++ compilers", debian::c_compilers)?;
    timed("wasm target", || wasm_target::ensure().map(|toolchain| toolchain.describe()))?;
    timed("npm packages", || npm::ensure(workspace))?;
    timed("worker-build", || cargo_tools::worker_build(workspace))?;
    timed("wasm-bindgen", || cargo_tools::wasm_bindgen(workspace))
}

/// Runs one part of the set-up and says what came of it and how long it took.
fn timed(what: &str, part: impl FnOnce() -> Result<String>) -> Result<()> {
    let start = Instant::now();
    let found = part()?;
    println!("set-up: {what}: {found} ({:.1} s)", start.elapsed().as_secs_f64());
    Ok(())
}
