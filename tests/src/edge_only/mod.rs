//! What only the edge can do wrong: tests on the real Workers runtime that look into its objects.
//!
//! They need a build of the worker with its probe, which tells how often an object was constructed and woken
//! and breaks its calls at wish. What both runtimes promise alike is a case of the suite instead.

mod chores;
mod consoles;
mod crash;
mod directory;
mod grace;
mod hibernation;
mod layout;
mod outbox;
mod panics;
mod pings;
mod probe;
mod races;
mod refusal;
mod secrets;
mod stand;
mod zones;

use std::{
    io::{Write as _, stdout},
    pin::Pin,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use tempfile::TempDir;
use tokio::time::timeout;

use self::stand::Stand;
use crate::{
    mask::Masks,
    runner::Counts,
    subject::{LOG, tail},
};

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// The command that serves the edge; `--config`, `--listen` and `--persist` are appended.
    pub command: Vec<String>,
    /// Only tests whose name contains this.
    pub only: Option<String>,
}

/// A test under way. What it returns is said behind its name.
type Running = Pin<Box<dyn Future<Output = Result<String>> + Send>>;

struct Test {
    name: &'static str,
    bound: Duration,
    run: fn(Stand) -> Running,
}

macro_rules! tests {
    ($($module:ident: $name:ident within $seconds:literal),+ $(,)?) => {
        vec![$(Test {
            name: stringify!($name),
            bound: Duration::from_secs($seconds),
            run: |stand| Box::pin($module::$name(stand)),
        }),+]
    };
}

fn all() -> Vec<Test> {
    tests![
        refusal: it_refuses_to_serve_without_a_secret within 120,
        refusal: it_refuses_to_serve_in_a_time_zone_that_is_none within 120,
        zones: clocks_show_what_the_iana_database_says within 120,
        pings: constant_pings_wake_nobody within 120,
        hibernation: hibernation_is_invisible within 180,
        panics: a_panic_costs_its_own_request_and_nothing_else within 120,
        consoles: an_idle_console_wakes_nobody_and_hears_of_an_order within 120,
        races: upgrades_racing_under_policy_1_leave_one_connection within 240,
        outbox: an_outbox_whose_directory_call_fails_is_delivered_later within 120,
        outbox: a_force_off_that_the_directory_cannot_hear_of_stands_and_can_be_repeated within 120,
        outbox: a_force_off_does_not_wait_long_for_a_directory_that_hangs within 120,
        outbox: a_record_whose_id_is_taken_gets_another within 120,
        grace: an_end_shows_after_the_grace_period_with_its_true_date within 120,
        grace: coming_back_within_the_grace_period_shows_end_and_opening_together within 120,
        layout: another_number_of_shards_is_refused_by_the_name_of_its_key within 180,
        chores: the_audit_ends_what_a_crash_left_open within 180,
        chores: records_that_ended_long_ago_are_deleted within 120,
        directory: a_row_that_its_user_does_not_know_ends_when_somebody_looks within 120,
        directory: an_order_to_a_tenant_goes_on_after_a_crash within 180,
        secrets: nothing_secret_is_left_on_disk_or_in_logs within 120,
        crash: after_a_crash_everything_is_there_and_nobody_is_online within 180,
        crash: no_moment_of_death_brings_a_kicked_token_back within 420,
    ]
}

/// Runs the tests one after the other, each on a runtime of its own, and prints as it goes.
pub async fn run(options: Options) -> Result<Counts> {
    let mut counts = Counts::default();
    for test in all() {
        if options.only.as_ref().is_some_and(|pattern| !test.name.contains(pattern.as_str())) {
            continue;
        }
        let begun = Instant::now();
        let outcome = one(&test, &options.command).await;
        let took = begun.elapsed().as_secs_f32();
        match outcome {
            Ok(note) => {
                counts.passed += 1;
                say(&format!("ok     {} {took:.1} s ({note})", test.name))?;
            }
            Err(error) => {
                counts.failed += 1;
                say(&format!("FAILED {} {took:.1} s: {error:#}", test.name))?;
            }
        }
    }
    let Counts { passed, failed, skipped, .. } = counts;
    say(&format!("edge-only: {passed} passed, {failed} failed, {skipped} skipped"))?;
    Ok(counts)
}

/// Runs a test in a folder of its own. The error of one that failed ends with what the runtime said last.
async fn one(test: &Test, command: &[String]) -> Result<String> {
    let home = TempDir::with_prefix("rollcall-edge-only-")?;
    let stand = Stand::new(test.name, command.to_vec(), home.path().to_owned());
    // A task of its own, so that a panic is the failure of one test.
    let mut task = tokio::spawn((test.run)(stand));
    let outcome = match timeout(test.bound, &mut task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(broken)) => Err(anyhow!("{broken}")),
        Err(_) => {
            task.abort();
            Err(anyhow!("did not end within {:?}", test.bound))
        }
    };
    outcome.map_err(|error| {
        let said = Masks::default().apply(&tail(&home.path().join(LOG), 15));
        let indented: Vec<String> = said.lines().map(|line| format!("         {line}")).collect();
        anyhow!("{error:#}\n{}", indented.join("\n"))
    })
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
