//! worker-build and wasm-bindgen, compiled once into `.tools/`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::debian;
use crate::run;
use crate::workspace::Workspace;

/// The same minor version as the `worker` crate.
const WORKER_BUILD: &str = "0.8.7";

/// wasm-bindgen of a lock file that does not name one.
const WASM_BINDGEN: &str = "0.2.129";

/// Makes sure that `.tools/bin/worker-build` is there in the right version.
pub(crate) fn worker_build(workspace: &Workspace) -> Result<String> {
    ensure(workspace, "worker-build", "worker-build", WORKER_BUILD)
}

/// Makes sure that `.tools/bin/wasm-bindgen` is there, in exactly the version of the library in `Cargo.lock`.
pub(crate) fn wasm_bindgen(workspace: &Workspace) -> Result<String> {
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let version = locked_version(&lock, "wasm-bindgen")?.unwrap_or_else(|| WASM_BINDGEN.to_owned());
    ensure(workspace, "wasm-bindgen-cli", "wasm-bindgen", &version)
}

fn ensure(workspace: &Workspace, package: &str, program: &str, version: &str) -> Result<String> {
    let tools = workspace.tools();
    let record = fs::read_to_string(tools.join(".crates.toml")).unwrap_or_default();
    if workspace.tool(program).exists() && is_installed(&record, package, version) {
        return Ok(format!("{version} is installed"));
    }
    debian::openssl()?;
    println!("compiling {package} {version} once; on two cores this takes some minutes");
    let spec = format!("{package}@{version}");
    let mut command = workspace.cargo(["install", "--locked", "--force", "--root"]);
    command.arg(&tools).arg(&spec);
    let start = std::time::Instant::now();
    run::passed_through(&mut command, "it needs crates.io, a C compiler, pkg-config and libssl-dev")?;
    let seconds = Duration::as_secs(&start.elapsed());
    if !workspace.tool(program).exists() {
        bail!("{} is not there after installing {package}", workspace.tool(program).display());
    }
    Ok(format!("{version} compiled in {seconds} s"))
}

/// Whether cargo's own record says that this version of a package is installed.
fn is_installed(record: &str, package: &str, version: &str) -> bool {
    let start = format!("\"{package} {version} (");
    record.lines().any(|line| line.trim_start().starts_with(&start))
}

/// The version of a package in the text of a `Cargo.lock`.
fn locked_version(lock: &str, package: &str) -> Result<Option<String>> {
    let lock: toml::Table = toml::from_str(lock).context("Cargo.lock is not TOML")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let found = packages
        .into_iter()
        .flatten()
        .find(|entry| entry.get("name").and_then(toml::Value::as_str).is_some_and(|name| name == package));
    Ok(found.and_then(|entry| entry.get("version")).and_then(toml::Value::as_str).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_the_installed_one() {
        let record = "[v1]\n\"worker-build 0.8.7 (registry+https://example.org)\" = [\"worker-build\"]\n";
        assert!(is_installed(record, "worker-build", "0.8.7"));
        assert!(!is_installed(record, "worker-build", "0.8.70"));
        assert!(!is_installed(record, "worker", "0.8.7"));
    }

    #[test]
    fn the_locked_version_is_read_from_the_lock_file() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.129\"\n";
        assert_eq!(locked_version(lock, "wasm-bindgen").unwrap().as_deref(), Some("0.2.129"));
        assert_eq!(locked_version(lock, "b").unwrap(), None);
        assert!(locked_version("=", "b").is_err());
    }
}
