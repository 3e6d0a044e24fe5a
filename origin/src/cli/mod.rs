//! The command line.

mod audit;
mod backup;
mod client;
mod completions;
mod connect;
mod console;
mod exit;
mod export;
mod health;
mod import;
mod kick;
mod log;
mod ls;
mod migrate;
mod nodes;
mod online;
mod orders;
mod output;
mod platform;
mod selection;
mod serve;
mod show;
mod table;
mod token;
mod top;
mod who;

pub(crate) use exit::status;

use std::{io::Write as _, path::PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand};

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

#[derive(Subcommand)]
enum Command {
    /// Serve until Ctrl-C or SIGTERM (the default)
    Serve,
    /// Make a token and print it: through the server at --url, else the one that runs here, else in its store
    Token(token::Token),
    /// Print a link that signs in to the web console as the first administrator; signing out there revokes its token
    Console(console::Console),
    /// Connect as a client and print what arrives, until the socket is closed
    Connect(connect::Connect),
    /// Check the configuration as `serve` does, and print what is in effect as TOML, secrets redacted
    Config,
    /// Show users' live connections: platform, background, token
    Who(who::Who),
    /// List connections that are or were, filtered and sorted
    Ls(ls::Ls),
    /// Take users offline: connections end, tokens are refused
    Kick(kick::Kick),
    /// Show orders to selections, and how far they are
    Orders(orders::Orders),
    /// Show who gave which order: when, from where, what it names and what it took
    Audit(audit::Audit),
    /// Write everything that moves to another server into a file: users, tokens without their texts, orders, records
    Export(export::Export),
    /// Bring in the records of another system, or what `export` wrote
    Import(import::Import),
    /// Ask whether the server is well
    Health(health::Health),
    /// Watch what the server does now: who is online, what comes and goes, how long it takes
    Top(top::Top),
    /// Copy the store, whether a server uses it or not
    Backup(backup::Backup),
    /// Move all data between the embedded store and PostgreSQL, once
    Migrate(migrate::Migrate),
    /// List the servers of the store: state, sign of life, sockets
    Nodes(nodes::Nodes),
    /// Print a shell's completions
    Completions(completions::Completions),
}

/// Starts logging. Call it once.
pub(crate) fn log() {
    log::begin();
}

impl Cli {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let settings = rollcall_origin::configuration::load(self.config.as_deref())?;
        match self.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(settings, self.config.as_deref()),
            Command::Token(token) => token::make(&settings, &token),
            Command::Console(args) => console::link(&settings, &args),
            Command::Connect(client) => connect::connect(&client),
            Command::Config => show::config(&settings),
            Command::Who(args) => who::who(&settings, &args),
            Command::Ls(args) => ls::ls(&settings, &args),
            Command::Kick(args) => kick::kick(&settings, &args),
            Command::Orders(args) => orders::orders(&settings, &args),
            Command::Audit(args) => audit::audit(&settings, &args),
            Command::Export(args) => export::export(&settings, &args),
            Command::Import(args) => import::import(&settings, &args),
            Command::Health(args) => health::health(&settings, &args),
            Command::Top(args) => top::top(&settings, &args),
            Command::Backup(args) => backup::back_up(&settings, &args),
            Command::Migrate(args) => migrate::migrate(&settings, &args),
            Command::Nodes(args) => nodes::nodes(&settings, &args),
            Command::Completions(args) => completions::completions(&args, &mut Self::command()),
        }
    }
}

/// Prints an error with its causes on stderr.
pub(crate) fn report_error(error: &anyhow::Error) {
    if exit::is_hung_up(error) {
        return;
    }
    // Nothing is left to do when stderr is closed too.
    let _ = writeln!(std::io::stderr(), "rollcall: {error:#}");
}
