//! Set-up of a fresh machine. Each part looks first, does only what is missing, and says what to do
//! where a thing cannot be had.

pub(crate) mod components;
pub(crate) mod debian;
pub(crate) mod deny;
pub(crate) mod npm;
pub(crate) mod wasm_target;

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

/// What every native build needs: a C compiler, rustfmt and clippy.
pub(crate) fn native() -> Result<()> {
    timed("C compiler", debian::c_compiler)?;
    timed("rustfmt and clippy", components::ensure)
}

/// What the build of the fuzz targets needs on top of that.
pub(crate) fn fuzzing() -> Result<()> {
    timed("C++ compiler", debian::cpp_compiler)
}

/// The npm packages: those of the edge, the clients of the tests with stock clients, and those of the console.
pub(crate) fn npm_packages(workspace: &Workspace) -> Result<()> {
    timed("npm packages", || npm::ensure(workspace))?;
    timed("stock clients", || npm::ensure_clients(workspace))?;
    timed("console", || npm::ensure_console(workspace))
}

/// The browser of the tests with stock clients and of the console's.
pub(crate) fn chromium() -> Result<PathBuf> {
    let mut chromium = PathBuf::new();
    timed("Chromium", || {
        chromium = debian::chromium()?;
        Ok(chromium.display().to_string())
    })?;
    Ok(chromium)
}

/// The engine of the tests that keep the origin's data in PostgreSQL.
pub(crate) fn postgres() -> Result<()> {
    timed("PostgreSQL", || debian::postgres().map(|programs| programs.display().to_string()))
}

/// What a build for the edge needs on top of that.
pub(crate) fn edge(workspace: &Workspace) -> Result<()> {
    workspace.require_edge()?;
    timed("C compiler", debian::c_compiler)?;
    timed("wasm target", wasm_target::ensure)?;
    timed("npm packages", || npm::ensure(workspace))
}

/// Everything that `cargo xtask test` needs.
pub(crate) fn everything(workspace: &Workspace) -> Result<()> {
    native()?;
    thread::scope(|scope| {
        let packages = scope.spawn(|| npm_packages(workspace));
        let browser = scope.spawn(|| chromium().map(drop));
        let engine = scope.spawn(postgres);
        let edge = edge(workspace);
        joined(packages)?;
        joined(browser)?;
        joined(engine)?;
        timed("cargo-deny", || deny::ensure(workspace).map(|program| program.display().to_string()))?;
        edge
    })
}

/// What came of a part that ran beside another one.
fn joined(part: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    part.join().unwrap_or_else(|_| bail!("a part of the set-up broke"))
}

/// Runs one part of the set-up and says what came of it and how long it took.
fn timed(what: &str, part: impl FnOnce() -> Result<String>) -> Result<()> {
    let start = Instant::now();
    let found = part()?;
    println!("set-up: {what}: {found} ({:.1} s)", start.elapsed().as_secs_f64());
    Ok(())
}
