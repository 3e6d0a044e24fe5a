//! The standard library for wasm32-unknown-unknown: rustup's, or Debian's compiler building its own.
//!
//! A release builds it from source in any case: the one that comes compiled is made for speed, and brings with it what
//! prints panics.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::debian;
use crate::run;

/// The only target of the worker.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's Rust for browsers: recent also in a stable release, and with its library's sources.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-clippy"];

/// Where Debian's compiler has its libraries.
const DEBIAN_RUSTLIB: &str = "/usr/lib/rustlib";
/// The sources of the standard library, below a compiler's folder.
const SOURCES: &str = "lib/rustlib/src/rust/library/std";

/// What of the standard library is built from source.
const STD: &str = "std,panic_abort";
/// Its smaller sorts, searches and number printers.
const STD_FEATURES: &str = "optimize_for_size";
/// A panic is a trap and says nothing. The runtime's glue takes the trap for what it is and makes a new instance.
const RELEASE_FLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort";

/// How this machine compiles for the edge.
pub(crate) enum WasmToolchain {
    /// The running toolchain has the target's standard library, compiled and as sources.
    Installed,
    /// Debian's compiler builds the standard library from source and links with this program.
    DebianBuildStd { linker: PathBuf },
}

/// Finds the target, or installs it: first by rustup, then from Debian's packages.
pub(crate) fn ensure() -> Result<WasmToolchain> {
    let found = match find() {
        Some(found) => found,
        None => install()?,
    };
    if let WasmToolchain::DebianBuildStd { .. } = found {
        // worker-build asks whether this folder exists, and never looks into it.
        let libdir = Path::new(DEBIAN_RUSTLIB).join(TARGET).join("lib");
        fs::create_dir_all(&libdir)
            .with_context(|| format!("cannot create {0}: run `sudo mkdir -p {0}`", libdir.display()))?;
    }
    Ok(found)
}

fn install() -> Result<WasmToolchain> {
    let Err(rustup_error) = by_rustup() else {
        return find().context("rustup added the wasm target and rust-src, and yet rustc does not find them");
    };
    eprintln!("warning: {rustup_error:#}");
    eprintln!("trying Debian's compiler instead, which builds the standard library for {TARGET} itself");
    let packages = DEBIAN_PACKAGES.join(" ");
    debian::install(&DEBIAN_PACKAGES).with_context(|| {
        format!("no standard library for {TARGET}: run `rustup target add {TARGET}`, or install {packages}")
    })?;
    debian_toolchain()
        .with_context(|| format!("installed {packages}, but found no linker for wasm: install Debian's lld"))
}

fn by_rustup() -> Result<()> {
    let add = |words: [&str; 3]| run::passed_through(Command::new("rustup").args(words), "not from rustup");
    add(["target", "add", TARGET])?;
    add(["component", "add", "rust-src"])
}

/// What this machine already has, without installing anything.
fn find() -> Option<WasmToolchain> {
    if has_compiled_std().unwrap_or(false) && has_sources().unwrap_or(false) {
        return Some(WasmToolchain::Installed);
    }
    debian_toolchain()
}

fn has_compiled_std() -> Option<bool> {
    let libdir = run::answer(Command::new("rustc").args(["--target", TARGET, "--print", "target-libdir"]))?;
    Some(has_std(Path::new(&libdir)))
}

fn has_sources() -> Option<bool> {
    let sysroot = run::answer(Command::new("rustc").args(["--print", "sysroot"]))?;
    Some(Path::new(&sysroot).join(SOURCES).exists())
}

fn has_std(libdir: &Path) -> bool {
    fs::read_dir(libdir).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with("libstd-") && name.to_string_lossy().ends_with(".rlib")
        })
    })
}

/// Debian's compiler, when it is there with its library's sources and a linker for wasm can be found.
fn debian_toolchain() -> Option<WasmToolchain> {
    let sources = Path::new("/usr").join(SOURCES).exists();
    let complete = sources && Path::new("/usr/bin/rustc").exists() && Path::new("/usr/bin/cargo").exists();
    if !complete {
        return None;
    }
    linker().map(|linker| WasmToolchain::DebianBuildStd { linker })
}

/// `rust-lld` of the running toolchain, else a `wasm-ld` of the system.
fn linker() -> Option<PathBuf> {
    let in_toolchain = run::answer(Command::new("rustc").args(["--print", "target-libdir"]))
        .and_then(|libdir| Some(Path::new(&libdir).parent()?.join("bin").join("rust-lld")));
    let candidates = in_toolchain.into_iter().chain([
        PathBuf::from("/usr/bin/rust-lld"),
        PathBuf::from("/usr/bin/wasm-ld"),
        PathBuf::from("/usr/bin/lld"),
    ]);
    candidates.into_iter().find(|path| path.exists())
}

impl WasmToolchain {
    /// One phrase for the set-up's report.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Installed => format!("{TARGET} is installed, with the library's sources"),
            Self::DebianBuildStd { linker } => {
                format!("Debian's rustc builds the standard library, linked by {}", linker.display())
            }
        }
    }

    /// Prepares a cargo or worker-build command so that it compiles for the edge with this toolchain.
    pub(crate) fn prepare(&self, command: &mut Command) -> Result<()> {
        // These replace the flags that .cargo/config.toml sets for the wasm target.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let Self::DebianBuildStd { linker } = self else { return Ok(()) };
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(PathBuf::from("/usr/bin")).chain(std::env::split_paths(&rest));
        command
            .env("PATH", std::env::join_paths(folders)?)
            .env("RUSTC", "/usr/bin/rustc")
            .env("CARGO", "/usr/bin/cargo")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", STD)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .env_remove("RUSTUP_TOOLCHAIN");
        Ok(())
    }

    /// The same for a release, which is to be small.
    pub(crate) fn prepare_release(&self, command: &mut Command) -> Result<()> {
        self.prepare(command)?;
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", STD)
            .env("CARGO_UNSTABLE_BUILD_STD_FEATURES", STD_FEATURES)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", RELEASE_FLAGS);
        Ok(())
    }

    /// The cargo that goes with it.
    pub(crate) fn cargo(&self, installed: Command) -> Command {
        let Self::DebianBuildStd { .. } = self else { return installed };
        let mut command = Command::new("/usr/bin/cargo");
        command.args(installed.get_args());
        if let Some(folder) = installed.get_current_dir() {
            command.current_dir(folder);
        }
        command
    }
}
