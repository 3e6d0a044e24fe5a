//! worker-build and wasm-bindgen, compiled once into `.tools/`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::debian;
use crate::run;
use crate::workspace::Workspace;

/// The same minor version as the `worker` crate.
const WORKER_BUILD: &str = "0.8.7";

/// A program that is compiled from crates.io.
struct Tool {
    package: &'static str,
    program: &'static str,
    version: String,
    /// Further arguments of `cargo install`.
    args: &'static [&'static str],
}

/// Makes sure that `.tools/bin` has worker-build, and wasm-bindgen in exactly the version of the library in `Cargo.lock`.
pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    let _alone = workspace.alone("cargo-tools")?;
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let bindgen = locked_version(&lock, "wasm-bindgen")?.context("Cargo.lock names no wasm-bindgen")?;
    let tools = [
        // Its web server for tests needs no TLS.
        Tool {
            package: "wasm-bindgen-cli",
            program: "wasm-bindgen",
            version: bindgen,
            args: &["--no-default-features"],
        },
        Tool {
            package: "worker-build",
            program: "worker-build",
            version: WORKER_BUILD.to_owned(),
            args: &[],
        },
    ];
    let record = fs::read_to_string(workspace.tools().join(".crates.toml")).unwrap_or_default();
    let missing = |tool: &&Tool| {
        !workspace.tool(tool.program).exists() || !is_installed(&record, tool.package, &tool.version)
    };
    let missing: Vec<_> = tools.iter().filter(missing).collect();
    if missing.is_empty() {
        return Ok("there".to_owned());
    }
    debian::openssl()?;
    println!("compiling {} tools once; on two cores this takes two or three minutes", missing.len());
    // One folder for both, which have many libraries in common.
    let parts = workspace.target.join("tools");
    for tool in &missing {
        install(workspace, tool, &parts)?;
    }
    // A gigabyte that nothing reads again.
    fs::remove_dir_all(&parts).with_context(|| format!("cannot remove {}", parts.display()))?;
    Ok("compiled".to_owned())
}

fn install(workspace: &Workspace, tool: &Tool, parts: &Path) -> Result<()> {
    let Tool { package, program, version, args } = tool;
    let mut command = workspace.cargo(["install", "--locked", "--force", "--debug"]);
    // A run of theirs takes a second without optimisation, compiling them with it takes minutes.
    command.args(["--config", "profile.dev.debug=false", "--config", "profile.dev.incremental=false"]);
    command.args(["--bin", program]).args(*args).arg("--root").arg(workspace.tools());
    command.arg("--target-dir").arg(parts).arg(format!("{package}@{version}"));
    run::passed_through(&mut command, "it needs crates.io, a C compiler, pkg-config and libssl-dev")?;
    if !workspace.tool(program).exists() {
        bail!("{} is not there after installing {package}", workspace.tool(program).display());
    }
    Ok(())
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
