//! `cargo xtask edge cost`: the month's bill of the edge, from what the tests counted.

mod bill;
mod counters;
mod page;
mod scale;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};

use self::{
    bill::{Bill, Prices},
    counters::Counters,
};
use crate::workspace::Workspace;

/// The page that the model of the defaults makes.
const PAGE: &str = "docs/edge-cost.md";
const PRICES: &str = include_str!("prices.toml");
/// What a month of the defaults' model may cost, in dollars.
const BOUND: f64 = 1_400.0;

/// Compute the month's bill of the edge for a number of users and what they do.
///
/// Rows and requests of each operation are those that the tests counted on the local runtime (tests/edge_counters.toml). Times and
/// sizes are estimates, which flags change. Examples:
///
///   cargo xtask edge cost --users 200000 --connects 5
///   cargo xtask edge cost --hours 12 --prices my-prices.toml
#[derive(clap::Args, Clone)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    model: Model,
    /// Prices in the form of xtask/src/edge/cost/prices.toml, which has those of November 2026.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Write docs/edge-cost.md, whose model is that of the defaults.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Fail when docs/edge-cost.md is not what `--write` would write.
    #[arg(long)]
    check: bool,
}

/// What users do, and what is estimated.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Model {
    /// Users that connect on a day.
    #[arg(long, default_value_t = 1_000_000.0)]
    users: f64,
    /// Connects of such a user a day.
    #[arg(long, default_value_t = 2.0)]
    connects: f64,
    /// Tokens that it is issued a day.
    #[arg(long, default_value_t = 1.0)]
    tokens: f64,
    /// Hours that a connection stays open.
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// Forced logouts of such a user a day.
    #[arg(long, default_value_t = 0.0)]
    logouts: f64,
    /// Status calls a second.
    #[arg(long, default_value_t = 10.0)]
    status: f64,
    /// Users that a status call is about.
    #[arg(long, default_value_t = 100.0)]
    status_users: f64,
    /// Messages of a connection that wake its object, over its life; constant pings do not.
    #[arg(long, default_value_t = 0.0)]
    messages: f64,
    /// `presence.audit_seconds`.
    #[arg(long, default_value_t = 21_600.0)]
    audit_seconds: f64,
    /// `message_center.retention_days`.
    #[arg(long, default_value_t = 30.0)]
    retention_days: f64,
    /// `audit.retention_days`.
    #[arg(long, default_value_t = 180.0)]
    audit_retention_days: f64,
    /// `audit.max_rows`.
    #[arg(long, default_value_t = 10_000_000.0)]
    audit_max_rows: f64,
    /// `presence.directory_shards`.
    #[arg(long, default_value_t = 64.0)]
    shards: f64,
    /// Isolates of the entry at the same time; each asks for the cutoff once a second. Estimated.
    #[arg(long, default_value_t = 20.0)]
    isolates: f64,
    /// Milliseconds that an object is awake for a call. Estimated.
    #[arg(long, default_value_t = 5.0)]
    call_ms: f64,
    /// Milliseconds of the entry's processor time for a request, and a fifth of one for each user of a status call. Estimated.
    #[arg(long, default_value_t = 3.0)]
    entry_ms: f64,
    /// The part of the entry's requests whose line the platform keeps: `head_sampling_rate`, and 0 with `ROLLCALL_LOG = "warn"`.
    #[arg(long, default_value_t = 1.0)]
    logged: f64,
    /// Bytes of a record in its shard, entries of indexes included. Estimated.
    #[arg(long, default_value_t = 800.0)]
    record_bytes: f64,
    /// Bytes of a user's object. Estimated.
    #[arg(long, default_value_t = 40_000.0)]
    user_bytes: f64,
}

/// Prints the bill, or writes or checks the page.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let counters = Counters::read(&workspace.root.join(counters::FILE))?;
    let prices = match &args.prices {
        Some(file) => Prices::read(&read(file)?)?,
        None => Prices::read(PRICES)?,
    };
    if !args.write && !args.check {
        let bill = Bill::of(&args.model, &counters, &prices);
        print!("{}\n{}", bill.table(), scale::section(&args.model, &counters));
        return Ok(ExitCode::SUCCESS);
    }
    let file = workspace.root.join(PAGE);
    let page = page::of(&args.model, &counters, &prices);
    if args.write {
        fs::write(&file, page).with_context(|| file.display().to_string())?;
    } else if read(&file)? != page {
        bail!("{PAGE} is not what the counters come to; write it with `cargo xtask edge cost --write`");
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn defaults() -> (Model, Counters, Prices) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let model = Cli::parse_from(["cost"]).args.model;
        (model, Counters::read(&root.join(counters::FILE)).unwrap(), Prices::read(PRICES).unwrap())
    }

    #[test]
    fn the_page_is_what_the_counters_come_to() {
        let (model, counters, prices) = defaults();
        let page = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE)).unwrap();
        assert!(
            page == page::of(&model, &counters, &prices),
            "write it with `cargo xtask edge cost --write`"
        );
    }

    /// A million users a day, two connects of an hour and one token each, ten status calls a second about a hundred users: dollars.
    #[test]
    fn the_model_costs_no_more_than_it_may() {
        let (model, counters, prices) = defaults();
        let bill = Bill::of(&model, &counters, &prices);
        assert!(bill.modelled() <= BOUND, "{}", bill.table());
    }

    #[test]
    fn what_is_included_is_free_and_the_rest_has_its_price() {
        let (model, counters, prices) = defaults();
        let nobody = Model { users: 0.0, status: 0.0, shards: 0.0, isolates: 0.0, ..model.clone() };
        let bill = Bill::of(&nobody, &counters, &prices);
        assert!((bill.modelled() - prices.month).abs() < 1e-9, "{}", bill.table());
        let twice = Model { users: 2.0 * model.users, ..model.clone() };
        let (one, two) = (Bill::of(&model, &counters, &prices), Bill::of(&twice, &counters, &prices));
        assert!(two.modelled() > 1.5 * one.modelled());
    }
    #[test]
    fn entries_of_the_audit_are_read_twice_a_day_up_to_those_that_a_tenant_keeps() {
        let (model, counters, prices) = defaults();
        let read = |logouts, audit_max_rows| {
            let model = Model { logouts, audit_max_rows, ..model.clone() };
            Bill::of(&model, &counters, &prices).number("rows read")
        };
        for (logouts, kept) in [(0.0, 0.0), (0.01, 1_800_000.0), (1.0, 10_000_000.0)] {
            let counted = read(logouts, 10_000_000.0) - read(logouts, 0.0);
            assert!((counted - 60.0 * kept).abs() < 1.0, "{logouts}: {counted}");
        }
    }
}
