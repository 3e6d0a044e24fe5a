//! `cargo xtask bench`: the origin under load, and what comes of it in `docs/performance.md`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::run;
use crate::workspace::Workspace;

/// What stands around the section that this command writes.
const BEGIN: &str = "<!-- bench: written by `cargo xtask bench` -->\n";
const END: &str = "<!-- /bench -->\n";

/// Measure the origin under load beside baseline servers, print the table of figures, and write it to
/// docs/performance.md.
///
/// Takes about half an hour, and a machine on which nothing else runs. With --quick or --only nothing is written,
/// since figures of one table must come from one run. Examples:
///
///   cargo xtask bench --quick
///   cargo xtask bench --only status --only off
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Fewer connections and shorter times: a few minutes, for finding out whether something is wrong.
    #[arg(long)]
    quick: bool,
    /// Only this figure; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many connections, in place of 18,000.
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Name the figures, and measure nothing.
    #[arg(long)]
    list: bool,
}

/// The profile of what is shipped.
const PROFILE: &str = "dist";

/// Builds both programs as they are shipped and runs the load tool.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let mut build = workspace.cargo(["build", "--profile", PROFILE, "--locked"]);
    run::passed_through(build.args(["--package", "rollcall", "--package", "rollcall-bench"]), "")?;
    let built = workspace.target.join(PROFILE);
    let section = workspace.target.join("bench.md");
    let mut tool = std::process::Command::new(built.join("rollcall-bench"));
    tool.current_dir(&workspace.root).arg("run").arg("--origin").arg(built.join("rollcall"));
    for (name, given) in [("--quick", args.quick), ("--list", args.list)] {
        if given {
            tool.arg(name);
        }
    }
    for name in &args.only {
        tool.args(["--only", name]);
    }
    if let Some(connections) = args.connections {
        tool.arg("--connections").arg(connections.to_string());
    }
    let whole = !args.quick && !args.list && args.only.is_empty() && args.connections.is_none();
    if whole {
        tool.arg("--section").arg(&section);
    }
    run::passed_through(&mut tool, "")?;
    if whole {
        let document = document(workspace);
        let text = fs::read_to_string(&document).context("docs/performance.md")?;
        let written = replaced(&text, &fs::read_to_string(&section)?)?;
        fs::write(&document, written).context("docs/performance.md")?;
        println!("written to docs/performance.md");
    }
    Ok(ExitCode::SUCCESS)
}

fn document(workspace: &Workspace) -> PathBuf {
    workspace.root.join("docs").join("performance.md")
}

/// The document with another section between the marks, and everything else as it was.
fn replaced(document: &str, section: &str) -> Result<String> {
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.context("docs/performance.md has lost the marks of its bench section")?;
    Ok(format!("{before}{BEGIN}\n{}\n\n{END}{after}", section.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document = format!("# Performance\n\n{BEGIN}old\n{END}\n## More\n");
        let written = replaced(&document, "| new |\n").unwrap();
        assert_eq!(written, format!("# Performance\n\n{BEGIN}\n| new |\n\n{END}\n## More\n"));
        assert_eq!(replaced(&written, "| new |\n").unwrap(), written);
        replaced("# Performance\n", "| new |").unwrap_err();
    }

    #[test]
    fn the_document_has_the_marks() {
        replaced(include_str!("../../docs/performance.md"), "new").unwrap();
    }
}
