//! Where things are: the workspace's root, its target folder, and the tools that set-up puts beside them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The checkout that this command works on.
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the environment puts it.
    pub(crate) target: PathBuf,
    /// This program, as found at start: a later `cargo test` may put a new file in its place.
    pub(crate) exe: PathBuf,
    /// Whether `worker/` is a member. Without it there is nothing to build for the edge.
    pub(crate) has_edge: bool,
}

impl Workspace {
    /// Finds the workspace that this program was built from, by `cargo metadata`.
    pub(crate) fn find() -> Result<Self> {
        let exe = std::env::current_exe().context("cannot find out which program this is")?;
        let manifest_dir =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Self::at(Path::new(&manifest_dir), exe)
    }

    /// Finds the workspace of a package in this folder, for a command that this program starts.
    pub(crate) fn at(folder: &Path, exe: PathBuf) -> Result<Self> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .output()
            .context("cannot run cargo: install Rust from https://rustup.rs")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
        let path = |key: &str| {
            metadata
                .get(key)
                .and_then(Value::as_str)
                .map(PathBuf::from)
                .with_context(|| format!("cargo metadata has no {key}"))
        };
        let root = path("workspace_root")?;
        let target = path("target_directory")?;
        let worker = root.join("worker").join("Cargo.toml");
        let has_edge = metadata
            .get("packages")
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|package| manifest_of(package) == Some(worker.as_path())));
        Ok(Self { root, target, exe, has_edge })
    }

    /// A `cargo` command in the workspace's root, which builds into the workspace's target.
    pub(crate) fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(cargo());
        command.args(args).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        // `cargo xtask` describes this program to it. A build script that looks at the same names would be run anew, and all that
        // stands on it compiled anew, between a build by hand and one from here.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR")
            {
                command.env_remove(name);
            }
        }
        command
    }

    /// A `cargo` command whose compiler of the workspace's own crates is clippy: it compiles as rustc does and lints on the way, so
    /// that lints need no pass of their own.
    pub(crate) fn linting_cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = self.cargo(args);
        command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
        command
    }

    /// What each step of `cargo xtask test` printed.
    pub(crate) fn test_logs(&self) -> PathBuf {
        self.target.join("test-logs")
    }

    /// Waits until nobody else does this in the workspace, and keeps others waiting until the answer is dropped.
    pub(crate) fn alone(&self, what: &str) -> Result<File> {
        let folder = self.target.join("locks");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(what);
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }

    /// Where set-up puts programs that no package manager installs for the whole machine.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    /// A path inside `node_modules`.
    pub(crate) fn node_module(&self, path: &str) -> PathBuf {
        self.root.join("node_modules").join(path)
    }

    /// The web console, an npm package of its own.
    pub(crate) fn console(&self) -> PathBuf {
        self.root.join("console")
    }

    /// The tests with stock clients, an npm package of its own.
    pub(crate) fn clients(&self) -> PathBuf {
        self.root.join("tests").join("clients")
    }

    /// `worker/build`, which `wrangler.toml` names.
    pub(crate) fn worker_build(&self) -> PathBuf {
        self.root.join("worker").join("build")
    }

    /// The PATH under which npm tools find the Node.js that came with them, ahead of the machine's own.
    pub(crate) fn path_with_node(&self) -> Result<OsString> {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.node_module(".bin")).chain(std::env::split_paths(&rest));
        std::env::join_paths(folders).context("the path of this checkout contains a colon: move it elsewhere")
    }

    /// Fails where the workspace has no worker.
    pub(crate) fn require_edge(&self) -> Result<()> {
        if !self.has_edge {
            bail!(
                "the edge is not part of this workspace: worker/ is not a member of {}",
                self.root.display()
            );
        }
        Ok(())
    }
}

/// The cargo that started this program, so that its toolchain stays the same all the way down.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn manifest_of(package: &Value) -> Option<&Path> {
    package.get("manifest_path").and_then(Value::as_str).map(Path::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_builds_into_the_target_of_its_workspace() {
        let [root, target, exe] = ["/source", "/elsewhere", "/xtask"].map(PathBuf::from);
        let cargo = Workspace { root, target, exe, has_edge: true }.cargo(["build"]);
        let named = cargo.get_envs().find(|(name, _)| *name == "CARGO_TARGET_DIR");
        assert_eq!(named.and_then(|(_, value)| value), Some("/elsewhere".as_ref()));
    }
}
