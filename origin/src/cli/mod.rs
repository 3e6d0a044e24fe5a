//! The command line.

mod backup;
mod client;
mod completions;
mod connect;
mod exit;
mod health;
mod import;
mod kick;
mod log;
mod ls;
mod serve;
mod show;
mod table;
mod token;
mod top;
mod who;

pub(crate) use exit::status;

use std::{io::Write as _, path::PathBuf};

use clap::{Parser, Subcommand};

/// Who is online, on which device, with which token - and off with them.
///
/// Without a subcommand it serves, with embedded defaults: REST and WebSocket on 127.0.0.1:10002, data in ./data.
#[derive(Parser)]
#[command(name = "rollcall", version)]
pub(crate) struct Cli {
    /// TOML file; ./rollcall.toml is read if it is there. Variables ROLLCALL__SECTION__KEY win over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Names the server for commands that talk to one.
const URL_VARIABLE: &str = "ROLLCALL_URL";

#[derive(Subcommand)]
enum Command {
    /// Serve until Ctrl-C or SIGTERM (the default)
    Serve,
    /// Make a token and print it: through the server at --url, else the one that runs here, else in its store
    Token(token::Token),
    /// Connect as a client and print what arrives, until the socket is closed
    Connect(connect::Connect),
    /// Print the effective configuration as TOML, secrets redacted
    Config,
    /// Show users' live connections: platform, background, token
    Who(who::Who),
    /// List connections that are or were, filtered and sorted
    Ls(ls::Ls),
    /// Take users offline: connections end, tokens are refused
    Kick(kick::Kick),
    /// Bring in the records of another system
    Import(import::Import),
    /// Ask whether the server is well
    Health(health::Health),
    /// Watch what the server does now: who is online, what comes and goes, how long it takes
    Top(top::Top),
    /// Copy the store, whether a server uses it or not
    Backup(backup::Backup),
    /// Print a shell's completions
    Completions(completions::Completions),
}

/// Begins to log; to be called once.
pub(crate) fn log() {
    log::begin();
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let settings = rollcall_origin::configuration::load(self.config.as_deref())?;
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(settings),
            Command::Token(token) => token::make(&settings, &token),
            Command::Connect(client) => connect::connect(&client),
            Command::Config => show::config(&settings),
            Command::Who(asked) => who::who(&settings, &asked),
            Command::Ls(asked) => ls::ls(&settings, &asked),
            Command::Kick(asked) => kick::kick(&settings, &asked),
            Command::Import(asked) => import::import(&settings, &asked),
            Command::Health(asked) => health::health(&settings, &asked),
            Command::Top(asked) => top::top(&settings, &asked),
            Command::Backup(asked) => backup::back_up(&settings, &asked),
            Command::Completions(asked) => completions::completions(&asked),
        }
    }
}

/// Says what went wrong, cause by cause.
pub(crate) fn complain(error: &anyhow::Error) {
    if exit::is_hung_up(error) {
        return;
    }
    // Nothing is left to be done when stderr is gone too.
    let _ = writeln!(std::io::stderr(), "rollcall: {error:#}");
}

/// Prints a line on stdout.
fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
