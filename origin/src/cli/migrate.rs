//! `rollcall migrate`: all data from the embedded store to PostgreSQL, or back.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use rollcall_core::{config::Settings, secret::Secret};
use rollcall_origin::{
    data_dir::{DataDir, read_secret, secret_path},
    store::{self, Moved, Progress},
};
use serde_json::{Value, json};

use super::{
    exit::CliError,
    output::{print_json, print_line},
};

const HELP: &str = "\
Examples:
  rollcall migrate --to \"postgres://rollcall@db1,db2/rollcall?sslmode=verify-full\"
  rollcall migrate --config node.toml --to          to its store.url, which no command line shows
  rollcall migrate --from \"$URL\"                    back, into server.data_dir

Stop the server first: nothing may use either side meanwhile. Everything that is stored moves: users, tokens in all states, orders,
records, subscriptions. auth.secret does not: the last line says what to do about it. store.schema and store.ca count as for a
server. Other users of this machine can read a command line: a URL with a password is better set as ROLLCALL__STORE__URL.

--to fills a schema that has no data yet, and is one transaction. Cut off before its commit, it leaves the embedded store as it was: start
the server, or run it again. Cut off while it waits for the commit, no server starts on the embedded store until the same command has
found out what became of it; to give the move up instead, drop that schema, and then remove the file migrated_to of the directory. When
it is done, every table was read back, and has the number and the sum of rows that it had, and the file of the embedded store is kept as
rollcall.sqlite3.migrated; a server without store.url refuses to start on that directory, so that nobody serves the old state.

--from fills a data directory that has no store. When it is done, no server starts on the schema any more. Cut off, it is begun anew, into
the same directory; what was moved elsewhere long ago is not moved again.

--json prints {\"kept\":\"…\",\"seconds\":N,\"tables\":{\"record\":N,…},\"to\":\"…\"}; tables is null where an earlier call had copied everything.

Exit status:
  0  done
  1  failed; the side that the data comes from is as it was, unless the error says otherwise
  2  the command line is wrong";

#[derive(Args)]
#[command(after_long_help = HELP, group(ArgGroup::new("direction").required(true)))]
pub(crate) struct Migrate {
    /// Move the store of server.data_dir to this database; without URL to that of store.url
    #[arg(long, value_name = "URL", group = "direction", num_args = 0..=1)]
    to: Option<Option<Secret<String>>>,
    /// Move the store of this database to server.data_dir; without URL that of store.url
    #[arg(long, value_name = "URL", group = "direction", num_args = 0..=1)]
    from: Option<Option<Secret<String>>>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn migrate(settings: &Settings, args: &Migrate) -> anyhow::Result<()> {
    let place = Path::new(&settings.server.data_dir);
    let begun = Instant::now();
    let mut shown = Shown::default();
    let moved = match (&args.to, &args.from) {
        (Some(url), _) => {
            let url = url_of(url.as_ref(), settings)?;
            // Asking makes no data directory.
            ensure!(
                place.exists(),
                "there is no data directory {}; name the one to move by server.data_dir",
                place.display()
            );
            refuse_other_secret(settings, place)?;
            let data_dir = DataDir::lock(place)?;
            run(|runtime| {
                store::to_postgres(runtime, &data_dir, &url, &settings.store, &mut |step| shown.show(step))
            })?
        }
        (None, Some(url)) => {
            let url = url_of(url.as_ref(), settings)?;
            ensure!(
                settings.auth.secret.is_some() || read_secret(&secret_path(place))?.is_some(),
                "auth.secret: set it as the servers of that database have it, or a start on {} makes a new one, and refuses every \
                 token",
                place.display()
            );
            let data_dir = DataDir::lock(place)?;
            run(|runtime| {
                store::from_postgres(runtime, &data_dir, &url, &settings.store, &mut |step| shown.show(step))
            })?
        }
        (None, None) => bail!(CliError::Usage("name a direction: --to URL or --from URL".to_owned())),
    };
    shown.bar.finish_and_clear();
    report(settings, args, &moved, begun.elapsed())
}

/// The URL that was given, or else the configured one.
fn url_of(given: Option<&Secret<String>>, settings: &Settings) -> anyhow::Result<Secret<String>> {
    // Of a variable that is not set, nobody knows what it was to name.
    let usage = |said: &str| CliError::Usage(said.to_owned());
    match given {
        Some(url) if url.expose().is_empty() => {
            bail!(usage("the URL is empty: is the variable set? Without a URL, store.url counts"))
        }
        Some(url) => Ok(url.clone()),
        None => {
            let missing = || usage("store.url is not set: give the URL of the database");
            Ok(settings.store.url.clone().ok_or_else(missing)?)
        }
    }
}

/// An error where servers of the new configuration would refuse the tokens of the old one.
fn refuse_other_secret(settings: &Settings, data_dir: &Path) -> anyhow::Result<()> {
    let path = secret_path(data_dir);
    let (Some(configured), Some(generated)) = (&settings.auth.secret, read_secret(&path)?) else {
        return Ok(());
    };
    let is_known = *configured == generated || settings.auth.previous_secrets.contains(&generated);
    ensure!(
        is_known,
        "auth.secret is not what {} holds: every token made by that one would be refused. Set auth.secret to it, or name it in \
         auth.previous_secrets; if no token was made by it, remove that file",
        path.display()
    );
    Ok(())
}

/// The engine's sessions are served by a thread of their own.
fn run(moving: impl FnOnce(&tokio::runtime::Handle) -> anyhow::Result<Moved>) -> anyhow::Result<Moved> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    moving(runtime.handle())
}

fn report(settings: &Settings, args: &Migrate, moved: &Moved, took: Duration) -> anyhow::Result<()> {
    if args.json {
        let table = |(name, rows): &(String, u64)| (name.clone(), Value::from(*rows));
        let tables = moved.tables.as_ref().map(|tables| Value::Object(tables.iter().map(table).collect()));
        let document =
            json!({"kept": moved.kept, "seconds": took.as_secs_f64(), "tables": tables, "to": moved.to});
        print_json(&document)?;
    } else {
        match &moved.tables {
            Some(tables) => {
                for (name, rows) in tables {
                    print_line(&format!("{name}: {rows} rows, with the same sum on both sides"))?;
                }
                let rows: u64 = tables.iter().map(|(_, rows)| rows).sum();
                print_line(&format!(
                    "{rows} rows were moved to {} in {:.1} s",
                    moved.to,
                    took.as_secs_f64()
                ))?;
            }
            None => print_line(&format!("everything had been moved to {} before", moved.to))?,
        }
        print_line(&format!("what was there before is kept: {}", moved.kept))?;
        print_line(&next(settings, args)?)?;
    }
    Ok(())
}

/// What is to be done next.
fn next(settings: &Settings, args: &Migrate) -> anyhow::Result<String> {
    if args.to.is_none() {
        return Ok("next: start the server without store.url, with the same auth.secret".to_owned());
    }
    let generated = secret_path(Path::new(&settings.server.data_dir));
    Ok(if settings.auth.secret.is_none() && read_secret(&generated)?.is_some() {
        format!(
            "next: set store.url, and auth.secret to what {} holds, and start the server",
            generated.display()
        )
    } else {
        "next: set store.url, keep auth.secret, and start the server".to_owned()
    })
}

/// A bar on a terminal, and nothing elsewhere.
struct Shown {
    bar: ProgressBar,
    rows: u64,
    is_comparing: bool,
}

impl Default for Shown {
    fn default() -> Self {
        let form = "{wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left, {msg}";
        let bar = ProgressBar::new(0);
        let bar = match ProgressStyle::with_template(form) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Self { bar, rows: 0, is_comparing: false }
    }
}

impl Shown {
    fn show(&mut self, step: Progress<'_>) {
        match step {
            Progress::Found(rows) => {
                self.rows = rows;
                self.bar.set_length(rows);
            }
            Progress::Copied(table, rows) => {
                self.bar.set_message(format!("copying {table}"));
                self.bar.inc(rows);
            }
            Progress::Compared(table, rows) => {
                if !std::mem::replace(&mut self.is_comparing, true) {
                    self.bar.reset();
                    self.bar.set_length(self.rows);
                }
                self.bar.set_message(format!("comparing {table}"));
                self.bar.inc(rows);
            }
            Progress::Analyzing => self.bar.set_message("the engine looks at the tables"),
        }
    }
}
