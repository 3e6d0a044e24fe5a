//! The standard library for wasm32-unknown-unknown, which `rust-toolchain.toml` names.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::run;

/// The only target of the worker.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Makes sure that the running toolchain compiles for the target.
pub(crate) fn ensure() -> Result<String> {
    if is_there() {
        return Ok("there".to_owned());
    }
    let advice = "add the target to this toolchain, by rustup or from the packages of your system";
    run::passed_through(Command::new("rustup").args(["target", "add", TARGET]), advice)?;
    if !is_there() {
        bail!("rustup added {TARGET}, and yet rustc does not find it: {advice}");
    }
    Ok("added".to_owned())
}

fn is_there() -> bool {
    let libdir = run::answer(Command::new("rustc").args(["--target", TARGET, "--print", "target-libdir"]));
    libdir.and_then(|libdir| fs::read_dir(Path::new(&libdir)).ok()).is_some_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}
