//! rustfmt and clippy, which a minimal toolchain lacks.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run;

/// Makes sure that `cargo fmt` and `cargo clippy` run.
pub(crate) fn ensure() -> Result<String> {
    let missing = || {
        let mut names = Vec::new();
        for (name, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
            if run::answer(Command::new("cargo").args([subcommand, "--version"])).is_none() {
                names.push(name);
            }
        }
        names
    };
    let names = missing();
    if names.is_empty() {
        return Ok("there".to_owned());
    }
    let advice = "add them to this toolchain by `rustup component add rustfmt clippy`";
    run::passed_through(Command::new("rustup").args(["component", "add"]).args(&names), advice)?;
    if !missing().is_empty() {
        bail!("still missing: {}: {advice}", missing().join(", "));
    }
    Ok(format!("added {}", names.join(", ")))
}
