//! `rollcall-bench run`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    figures::{FIGURES, Setup},
    machine, report,
};

/// Measure an origin, print the table, and say whether every figure was reached
///
/// Example: rollcall-bench run --origin target/dist/rollcall --quick --only status
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server's program, in cargo's folder of the profile that it was built with
    #[arg(long, value_name = "FILE")]
    origin: PathBuf,
    /// Fewer connections and shorter times: for finding out whether something is wrong, not for figures
    #[arg(long)]
    quick: bool,
    /// Only these figures; see --list
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many connections, in place of 18,000
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Write the table and its notes to this file, in Markdown
    #[arg(long, value_name = "FILE")]
    section: Option<PathBuf>,
    /// Name the figures, and measure nothing
    #[arg(long)]
    list: bool,
}

/// The profile by which cargo built both programs: the name of the folder that they are in.
fn profile(origin: &Path) -> Result<String> {
    let folder = |program: &Path| Some(program.parent()?.file_name()?.to_string_lossy().into_owned());
    let (server, own) = (folder(origin), folder(&std::env::current_exe()?));
    if server != own {
        bail!("the server was built with the profile {server:?} and this tool with {own:?}");
    }
    server.context("--origin has no folder")
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        FIGURES.iter().for_each(|figure| println!("{:<10} {}", figure.name, figure.what));
        return Ok(ExitCode::SUCCESS);
    }
    let known = |name: &String| FIGURES.iter().any(|figure| figure.name == name.as_str());
    if let Some(name) = args.only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        bail!("there is no figure {name}; there are: {}", names.join(", "));
    }
    let origin = std::path::absolute(&args.origin)?;
    let profile = profile(&origin)?;
    let setup = Setup::new(origin, args.quick, args.connections)?;
    let machine = machine::describe(setup.folder())?;
    let machine = format!("{machine}; both programs built with the profile `{profile}`");
    println!("{machine}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut figures = Vec::new();
    for figure in FIGURES {
        if !args.only.is_empty() && !args.only.iter().any(|name| name == figure.name) {
            continue;
        }
        println!("\n{}: {}", figure.name, figure.what);
        let found = runtime.block_on((figure.measure)(&setup)).with_context(|| figure.name.to_owned())?;
        print!("{}", report::table(&found));
        figures.extend(found);
    }
    println!("\n{}", report::table(&figures));
    if let Some(file) = &args.section {
        std::fs::write(file, report::section(&machine, &setup.describe(), &figures))?;
    }
    let missed = figures.iter().filter(|figure| !figure.reached).count();
    println!("{} of {} figures reached", figures.len() - missed, figures.len());
    Ok(ExitCode::SUCCESS)
}
