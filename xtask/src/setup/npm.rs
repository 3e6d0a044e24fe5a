//! The npm packages of `package-lock.json`: wrangler with the real runtime, Node.js 22, esbuild, binaryen. And those of
//! `tests/clients`: the clients that applications ship; and of `console`: what the console is built and tested with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::debian;
use crate::run;
use crate::workspace::Workspace;

/// The oldest Node.js that wrangler runs on.
const OLDEST_NODE: (u32, u32) = (22, 12);

/// Makes sure that `node_modules` holds the versions that `package.json` names, by `npm ci`.
pub(crate) fn ensure(workspace: &Workspace) -> Result<String> {
    let _alone = workspace.alone("npm")?;
    install(&workspace.root, "devDependencies", &[])?;
    let (node, version) = node(workspace)?;
    let origin = if node.starts_with(workspace.node_module("")) { "its own" } else { "the machine's" };
    Ok(format!("there, run by {origin} Node.js {version}"))
}

/// Makes sure that `tests/clients/node_modules` holds the clients. None of their packages needs a script to be installed.
pub(crate) fn ensure_clients(workspace: &Workspace) -> Result<String> {
    let _alone = workspace.alone("npm-clients")?;
    install(&workspace.clients(), "dependencies", &["--ignore-scripts"])?;
    Ok("there".to_owned())
}

/// Makes sure that `console/node_modules` holds what the console is built and tested with. None of its packages needs a script to
/// be installed.
pub(crate) fn ensure_console(workspace: &Workspace) -> Result<String> {
    let _alone = workspace.alone("npm-console")?;
    install(&workspace.console(), "devDependencies", &["--ignore-scripts"])?;
    Ok("there".to_owned())
}

/// Runs `npm ci` in a folder where something that its `package.json` names is missing.
fn install(folder: &Path, kind: &str, more: &[&str]) -> Result<()> {
    if missing(folder, kind)?.is_empty() {
        return Ok(());
    }
    if run::answer(Command::new("npm").arg("--version")).is_none() {
        debian::install(&["npm"])?;
    }
    let advice = "it needs npm (Debian: `apt-get install npm`) and the npm registry";
    let mut command = Command::new("npm");
    command.args(["ci", "--no-audit", "--no-fund"]).args(more).current_dir(folder);
    run::passed_through(&mut command, advice)?;
    let still = missing(folder, kind)?;
    if !still.is_empty() {
        bail!("`npm ci` left out {}: delete node_modules and try again", still.join(", "));
    }
    Ok(())
}

/// The Node.js that runs wrangler and wasm-opt: the one in `node_modules`, else one that is new enough.
pub(crate) fn node(workspace: &Workspace) -> Result<(PathBuf, String)> {
    for candidate in [workspace.node_module("node/bin/node"), PathBuf::from("node")] {
        let Some(version) = run::answer(Command::new(&candidate).arg("--version")) else { continue };
        if parse_version(&version).is_some_and(|found| found >= OLDEST_NODE) {
            return Ok((candidate, version));
        }
    }
    let (major, minor) = OLDEST_NODE;
    bail!(
        "no Node.js {major}.{minor} or newer: the npm package `node` brings one when npm may run its install \
         script (`npm rebuild node`), or install it from your system's packages"
    )
}

/// The packages whose installed version is not the one that `package.json` names; of one that lies in the folder itself,
/// whether it is there.
fn missing(folder: &Path, kind: &str) -> Result<Vec<String>> {
    let manifest = read_json(&folder.join("package.json"))?;
    let wanted = manifest.get(kind).and_then(Value::as_object);
    let wanted = wanted.with_context(|| format!("package.json names no {kind}"))?;
    let mut missing = Vec::new();
    for (name, version) in wanted {
        let version = version.as_str().unwrap_or_default();
        let local = version.starts_with("file:");
        // A package under another name: `npm:NAME@VERSION`.
        let version = version.rsplit_once('@').map_or(version, |(_, version)| version);
        let installed = read_json(&folder.join("node_modules").join(name).join("package.json"));
        let same = installed
            .is_ok_and(|package| local || package.get("version").and_then(Value::as_str) == Some(version));
        if !same {
            missing.push(name.clone());
        }
    }
    Ok(missing)
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// Major and minor of `v22.23.3`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_compare_by_number() {
        assert_eq!(parse_version("v22.23.3\n"), Some((22, 23)));
        assert!(parse_version("v22.9.0") < Some(OLDEST_NODE));
        assert!(parse_version("v24.0.0") > Some(OLDEST_NODE));
        assert_eq!(parse_version("node"), None);
    }
}
