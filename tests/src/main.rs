//! Checks a Rollcall server from outside.
#![forbid(unsafe_code)]

use std::{
    env, fs,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use rollcall_conformance::{
    cases, compare, edge_only,
    postgres::Postgres,
    runner::{self, Counts, Options},
    self_check,
    settings::Settings,
    subject::{Launch, address_of},
};
use tokio::signal::unix::{SignalKind, signal};

/// The black-box conformance suite of Rollcall.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the cases against a subject.
    Run(Run),
    /// Runs the tests that only the edge can pass or fail.
    EdgeOnly(EdgeOnly),
    /// Shows that a changed answer turns the comparison of transcripts red.
    SelfCheck {
        /// The native binary.
        #[arg(long, env = "ROLLCALL_ORIGIN_BIN", value_name = "PATH")]
        origin_bin: PathBuf,
    },
    /// Compares two transcripts; fails when a case differs or is missing on one side.
    Compare {
        /// The transcript of one subject.
        left: PathBuf,
        /// The transcript of the other.
        right: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// The subject that the suite starts, once for each profile with fresh data.
    #[arg(long, value_enum, default_value = "origin", conflicts_with = "base_url")]
    subject: SubjectKind,
    /// The native binary; by default the release build if there is one, else the debug build.
    #[arg(long, env = "ROLLCALL_ORIGIN_BIN", value_name = "PATH")]
    origin_bin: Option<PathBuf>,
    /// The command that serves the edge subject; `--config`, `--listen` and `--persist` are appended.
    #[arg(long, default_value = "target/debug/xtask edge dev", value_name = "COMMAND")]
    edge_cmd: String,
    /// A server that is already running, on the loopback interface.
    #[arg(long, requires = "config", value_name = "URL")]
    base_url: Option<String>,
    /// The configuration that the running server was started with.
    #[arg(long, requires = "base_url", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Runs only cases whose name contains this.
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Lists the cases and runs none.
    #[arg(long)]
    list: bool,
    /// The number of cases that run at the same time; by default 4 at the edge and 8 elsewhere.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Seconds after which a case counts as hanging, unless it names a longer time.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// Writes what was said, one JSON object a case.
    #[arg(long, value_name = "FILE")]
    transcript: Option<PathBuf>,
    /// Keeps the output of the subjects in this directory.
    #[arg(long, value_name = "DIR")]
    keep_logs: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct EdgeOnly {
    /// The command that serves the edge, built with its probe; `--config`, `--listen` and `--persist` are appended.
    #[arg(long, default_value = "target/debug/xtask edge dev --probe", value_name = "COMMAND")]
    edge_cmd: String,
    /// The origin's program, for tests about both runtimes.
    #[arg(long, env = "ROLLCALL_ORIGIN_BIN", default_value = "target/debug/rollcall", value_name = "PATH")]
    origin_bin: PathBuf,
    /// Runs only tests whose name contains this.
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// The number of tests that run at the same time.
    #[arg(long, default_value_t = 4, value_name = "N")]
    jobs: usize,
    /// The folder of a worker of the version before, which the present one is deployed over.
    #[arg(long, value_name = "DIR")]
    earlier: Option<PathBuf>,
    /// Writes down what operations cost, in place of comparing it with what is recorded.
    #[arg(long)]
    record: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SubjectKind {
    /// The native binary.
    Origin,
    /// The native binary with its data in a PostgreSQL, which is started too.
    Postgres,
    /// Three servers over one PostgreSQL, each connection to one at random.
    Nodes,
    /// The same service on the edge runtime.
    Edge,
}

fn main() -> ExitCode {
    match Cli::parse().command.execute() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::from(2)
        }
    }
}

impl Command {
    fn execute(self) -> Result<bool> {
        match self {
            Self::Run(run) if run.list => list(run.only.as_deref()),
            Self::Run(run) => until_interrupted(runner::run(run.options()?)),
            Self::EdgeOnly(EdgeOnly { edge_cmd, origin_bin, only, jobs, earlier, record }) => {
                until_interrupted(edge_only::run(edge_only::Options {
                    command: words(&edge_cmd)?,
                    origin: origin_bin,
                    only,
                    jobs,
                    earlier: earlier.map(std::path::absolute).transpose()?,
                    record,
                }))
            }
            Self::SelfCheck { origin_bin } => {
                // The server is started in a directory of its own.
                let binary = origin_bin.canonicalize().context("--origin-bin names no file")?;
                until_interrupted(self_check::run(binary))
            }
            Self::Compare { left, right } => compare_files(&left, &right),
        }
    }
}

/// Runs; when the suite is told to stop, what it started is stopped with it.
fn until_interrupted(suite: impl Future<Output = Result<Counts>>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            counts = suite => Ok(counts?.clean()),
            _ = terminate.recv() => bail!("terminated"),
            _ = interrupt.recv() => bail!("interrupted"),
        }
    })
}

/// The words of a command line, as a shell splits it.
fn words(line: &str) -> Result<Vec<String>> {
    shlex::split(line).with_context(|| format!("a quote is not closed: {line}"))
}

impl Run {
    fn options(self) -> Result<Options> {
        let (launch, settings) = match (&self.base_url, &self.config) {
            (Some(url), Some(config)) => {
                let text = fs::read_to_string(config).with_context(|| config.display().to_string())?;
                (Launch::Running(address_of(url)?), Some(Settings::from_toml(&text)?))
            }
            _ => (self.launch()?, None),
        };
        Ok(Options {
            settings,
            jobs: self.jobs.unwrap_or(if matches!(launch, Launch::Edge(_)) { 4 } else { 8 }),
            only: self.only,
            launch,
            case_timeout: Duration::from_secs(self.timeout),
            transcript: self.transcript,
            keep_logs: self.keep_logs,
        })
    }

    fn launch(&self) -> Result<Launch> {
        match self.subject {
            SubjectKind::Edge => words(&self.edge_cmd).map(Launch::Edge),
            SubjectKind::Origin | SubjectKind::Postgres | SubjectKind::Nodes => {
                let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
                let built = ["release/rollcall", "debug/rollcall"].map(|name| target.join(name));
                let mut candidates = self.origin_bin.iter().chain(&built);
                let Some(binary) = candidates.find(|path| path.is_file()) else {
                    bail!("no server binary: build it, or name it with --origin-bin");
                };
                if self.origin_bin.as_ref().is_some_and(|named| named != binary) {
                    bail!("--origin-bin names no file");
                }
                // The server is started in a directory of its own.
                let binary = binary.canonicalize()?;
                Ok(match self.subject {
                    SubjectKind::Postgres => Launch::OnPostgres(binary, Postgres::shared()?),
                    SubjectKind::Nodes => Launch::Nodes(binary, Postgres::shared()?),
                    _ => Launch::Origin(binary),
                })
            }
        }
    }
}

fn list(only: Option<&str>) -> Result<bool> {
    let mut out = stdout().lock();
    for case in cases::all() {
        if only.is_none_or(|pattern| case.name.contains(pattern)) {
            writeln!(out, "{}", case.name)?;
        }
    }
    Ok(true)
}

fn compare_files(left: &Path, right: &Path) -> Result<bool> {
    let read = |path: &Path| -> Result<_> {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        compare::read(&text).with_context(|| path.display().to_string())
    };
    let (a, b) = (read(left)?, read(right)?);
    let name = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let verdict = compare::compare((&name(left), &a), (&name(right), &b));
    let mut out = stdout().lock();
    for difference in &verdict.differences {
        writeln!(out, "{difference}")?;
    }
    writeln!(out, "transcripts: {} cases equal, {} differ", verdict.equal, verdict.differences.len())?;
    Ok(verdict.differences.is_empty() && verdict.equal > 0)
}
