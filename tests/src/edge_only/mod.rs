//! Tests of the edge alone: they look into the objects of the real Workers runtime.
//!
//! They need a build of the worker with its probe, which tells how often an object was constructed and woken
//! and breaks its calls at wish. What both runtimes promise alike is a case of the suite instead.

mod audit;
mod bindings;
mod chores;
mod consoles;
mod cost;
mod crash;
mod dates;
mod deliveries;
mod directory;
mod earlier;
mod faults;
mod grace;
mod health;
mod hibernation;
mod layout;
mod moving;
mod outbox;
mod panics;
mod pings;
mod probe;
mod races;
mod refusal;
mod reshard;
mod secrets;
mod selections;
mod setup;
mod shares;
mod sockets;
mod tables;
mod variables;
mod versions;
mod zones;

use std::{
    cmp::Reverse,
    io::{Write as _, stdout},
    path::PathBuf,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use futures_util::stream::{self, StreamExt as _};
use tempfile::TempDir;
use tokio::time::timeout;

use self::setup::Setup;
use crate::{
    mask::Masks,
    runner::Counts,
    subject::{LOG, tail},
};

/// The options of a run.
#[derive(Debug)]
pub struct Options {
    /// The command that serves the edge; `--config`, `--listen` and `--persist` are appended.
    pub command: Vec<String>,
    /// The origin's program, for tests about both runtimes.
    pub origin: PathBuf,
    /// Only tests whose name contains this.
    pub only: Option<String>,
    /// The number of tests that run at the same time.
    pub jobs: usize,
    /// The folder of a worker of the version before.
    pub earlier: Option<PathBuf>,
    /// Whether to record what operations cost.
    pub record: bool,
}

/// A test under way. What it returns is said behind its name.
type Running = Pin<Box<dyn Future<Output = Result<String>> + Send>>;

struct Test {
    name: &'static str,
    /// After this time it counts as hanging.
    bound: Duration,
    run: fn(Setup) -> Running,
}

macro_rules! tests {
    ($($module:ident: $name:ident within $seconds:literal),+ $(,)?) => {
        vec![$(Test {
            name: stringify!($name),
            bound: Duration::from_secs($seconds),
            run: |setup| Box::pin($module::$name(setup)),
        }),+]
    };
}

fn all() -> Vec<Test> {
    tests![
        refusal: it_refuses_to_serve_without_a_secret within 240,
        refusal: it_refuses_to_serve_in_a_time_zone_that_is_none within 240,
        refusal: a_variable_with_one_underscore_is_told_of_with_the_one_that_is_meant within 240,
        tables: an_object_has_a_version_and_one_of_a_newer_program_is_refused within 300,
        versions: a_shard_of_other_code_is_waited_for within 240,
        bindings: the_platforms_bindings_limit_log_and_count within 240,
        health: a_deep_health_check_finds_an_object_that_cannot_write within 240,
        zones: clocks_show_what_the_iana_database_says within 240,
        pings: constant_pings_wake_nobody within 240,
        cost: operations_cost_what_is_recorded within 240,
        hibernation: hibernation_is_invisible within 480,
        panics: a_panic_costs_its_own_request_and_nothing_else within 240,
        consoles: an_idle_console_wakes_nobody_and_hears_of_an_order within 420,
        races: upgrades_racing_under_policy_1_leave_one_connection within 420,
        outbox: an_outbox_whose_directory_call_fails_is_delivered_later within 240,
        outbox: a_force_off_that_the_directory_cannot_hear_of_stands_and_can_be_repeated within 240,
        outbox: a_force_off_does_not_wait_long_for_a_directory_that_hangs within 240,
        outbox: a_record_whose_id_is_taken_gets_another within 240,
        audit: an_entry_whose_directory_call_fails_survives_a_crash_and_is_delivered_later within 300,
        audit: an_entry_alone_is_delivered_by_its_alarm within 300,
        audit: an_order_that_is_repeated_for_a_lost_answer_has_one_entry within 240,
        audit: what_is_over_in_the_object_of_orders_is_swept_once_a_day within 240,
        audit: entries_are_found_after_the_number_of_shards_has_changed within 300,
        grace: an_end_shows_after_the_grace_period_with_its_true_date within 240,
        grace: coming_back_within_the_grace_period_shows_end_and_opening_together within 240,
        layout: a_directory_keeps_its_number_of_shards_whatever_is_configured within 300,
        reshard: every_list_is_exact_while_the_number_of_shards_changes within 420,
        chores: the_audit_ends_what_a_crash_left_open within 300,
        chores: records_that_ended_long_ago_are_deleted within 240,
        chores: the_oldest_records_make_room_for_the_next_one within 240,
        chores: expired_tokens_of_a_user_who_does_not_return_are_deleted_by_alarm within 240,
        directory: a_row_that_its_user_does_not_know_ends_when_somebody_looks within 240,
        directory: an_order_to_a_tenant_goes_on_after_a_crash within 300,
        directory: an_order_that_earlier_code_kept_in_a_shard_is_taken_over within 240,
        directory: orders_to_many_users_are_bounded_and_go_on_after_a_crash within 300,
        dates: a_user_that_comes_back_opens_nothing_before_its_last_end within 240,
        deliveries: deliveries_ask_48_users_at_a_time_and_show_their_progress within 240,
        chores: an_alarm_that_was_lost_is_set_again within 240,
        chores: a_backlog_of_old_records_is_deleted_at_once within 240,
        chores: a_walk_over_crowded_users_goes_on_where_it_was within 240,
        chores: a_shard_that_is_nearly_full_takes_connections_and_no_imports within 240,
        faults: a_socket_whose_attachment_does_not_read_is_closed_and_its_record_ends within 240,
        sockets: sockets_that_earlier_code_has_left_stay_and_hear_of_orders within 300,
        faults: a_connection_whose_socket_is_refused_leaves_no_open_record within 240,
        faults: an_object_that_does_not_answer_could_not_be_asked within 240,
        faults: a_call_and_an_upgrade_that_the_runtime_loses_are_made_again within 240,
        selections: an_order_is_answered_while_a_user_does_not_answer_and_once_when_its_own_answer_is_lost within 240,
        selections: an_order_is_cut_off_for_every_reader_only_when_none_shows_its_users within 240,
        faults: an_alarm_that_the_runtime_rejects_is_set_once_more within 240,
        faults: an_alarm_that_the_runtime_rejects_twice_is_counted_and_set_by_the_next_command within 240,
        shares: others_are_served_beside_a_long_request_to_follow_users within 300,
        faults: requests_at_the_same_time_share_one_question_about_the_cutoff within 240,
        secrets: nothing_secret_is_left_on_disk_or_in_logs within 240,
        earlier: objects_of_an_earlier_program_open_as_they_were within 240,
        moving: a_population_moves_to_the_edge_and_back within 300,
        crash: after_a_crash_everything_is_there_and_nobody_is_online within 300,
        crash: no_moment_of_death_brings_a_kicked_token_back within 600,
    ]
}

/// Runs the tests, each on a runtime of its own and several at a time, and prints as it goes.
pub async fn run(options: Options) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut tests = all();
    // The history has that worker, and building it takes minutes.
    if options.earlier.is_some() {
        tests.extend(tests![earlier: a_deploy_over_the_version_before_loses_nothing within 600]);
    }
    tests.retain(|test| options.only.as_ref().is_none_or(|pattern| test.name.contains(pattern.as_str())));
    // What takes longest begins first.
    tests.sort_by_key(|test| Reverse(test.bound));
    let running = stream::iter(tests).map(|test| {
        let options = &options;
        async move {
            let begun = Instant::now();
            let outcome = one(&test, options).await;
            (test.name, begun.elapsed().as_secs_f32(), outcome)
        }
    });
    let mut ended = pin!(running.buffer_unordered(options.jobs.max(1)));
    while let Some((name, took, outcome)) = ended.next().await {
        match outcome {
            Ok(note) => {
                counts.passed += 1;
                say(&format!("ok     {name} {took:.1} s ({note})"))?;
            }
            Err(error) => {
                counts.failed += 1;
                say(&format!("FAILED {name} {took:.1} s: {error:#}"))?;
            }
        }
    }
    let Counts { passed, failed, skipped, .. } = counts;
    say(&format!("edge-only: {passed} passed, {failed} failed, {skipped} skipped"))?;
    Ok(counts)
}

/// Runs a test in a folder of its own. The error of one that failed ends with what the runtime said last.
async fn one(test: &Test, options: &Options) -> Result<String> {
    let home = TempDir::with_prefix("rollcall-edge-only-")?;
    let setup = Setup::new(test.name, options, home.path().to_owned());
    // A task of its own, so that a panic is the failure of one test.
    let mut task = tokio::spawn((test.run)(setup));
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
