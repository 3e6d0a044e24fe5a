//! What comes from Debian's packages: compilers for C and C++, a browser, and PostgreSQL.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;

/// The package and the program of the browser.
const CHROMIUM: &str = "chromium-headless-shell";

/// Makes sure that `cc` can compile: the embedded SQLite is C.
pub(crate) fn c_compiler() -> Result<String> {
    compiler("cc", &["gcc", "libc6-dev"])
}

/// Makes sure that `c++` can compile: libFuzzer is C++.
pub(crate) fn cpp_compiler() -> Result<String> {
    compiler("c++", &["g++", "libc6-dev"])
}

fn compiler(program: &str, packages: &[&str]) -> Result<String> {
    let version = || {
        let text = run::answer(Command::new(program).arg("--version"))?;
        Some(text.lines().next().unwrap_or_default().to_owned())
    };
    if let Some(found) = version() {
        return Ok(found);
    }
    install(packages)?;
    version()
        .with_context(|| format!("there is still no `{program}` after installing {}", packages.join(" ")))
}

/// Makes sure that Debian's Chromium without windows is there, and says where: the whole browser draws its own bars as pages, also
/// where there is no screen, and takes twice the processor time. Other builds lie elsewhere and bring launchers that change how it
/// runs, so that no other is looked for.
pub(crate) fn chromium() -> Result<PathBuf> {
    let program = Path::new("/usr/bin").join(CHROMIUM);
    if !program.exists() {
        install(&[CHROMIUM])?;
    }
    if !program.exists() {
        bail!("there is still no {} after installing {CHROMIUM}", program.display());
    }
    Ok(program)
}

/// Makes sure that PostgreSQL's programs are there, and says where the newest are. Tests run them with data of their own: Debian's
/// own cluster is not needed, and is not started.
pub(crate) fn postgres() -> Result<PathBuf> {
    let newest = || {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = versions.map(|version| version.path().join("bin"));
        programs
            .filter(|programs| programs.join("postgres").exists() && programs.join("initdb").exists())
            .max()
    };
    if newest().is_none() {
        install(&["postgresql"])?;
    }
    newest().context("there is still no PostgreSQL in /usr/lib/postgresql after installing postgresql")
}

/// Installs Debian packages, where there is apt and the right to use it.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("missing: {list} (Debian's names): install them with your system's package manager");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {list}: install them by `sudo apt-get install {list}`");
    }
    // apt waits for another one that installs, but not for one that reads the package lists.
    let path = std::env::temp_dir().join("rollcall-apt.lock");
    let alone = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    alone.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        // Whoever else installs something is waited for.
        command.args(["-o", "DPkg::Lock::Timeout=600"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
        // Packages with a service do not start it.
        command.env("RUNLEVEL", "1");
        command
    };
    // An old package list names files that are gone; a failing update may still leave a usable one.
    if let Err(error) = run::passed_through(&mut apt(&["update", "--quiet", "--quiet"]), "") {
        eprintln!("warning: {error:#}");
    }
    let mut args = vec!["install", "--yes", "--quiet", "--quiet", "--no-install-recommends"];
    args.extend_from_slice(packages);
    run::passed_through(&mut apt(&args), "install these packages by hand and try again")
}
