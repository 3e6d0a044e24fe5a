//! Faults of single objects: sockets that the runtime refuses or that no code reads, calls that are lost or hang.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::time::sleep;

use super::{
    bindings::{self, counted},
    directory::get,
    probe::{self, break_it, open_and_ended},
    setup::Setup,
    variables::GRACE,
};
use crate::{
    check::{holds, same, text_at},
    console::api::{Api, LIST},
    profile::Profile,
    world::{STATUS, World},
    ws::Handshake,
};

/// Users whose name is a number have records.
const UNREADABLE: &str = "1000000000000101";
const REFUSED: &str = "1000000000000102";
const HANGING: &str = "1000000000000103";
const LOST: &str = "1000000000000104";
const REJECTED: &str = "1000000000000105";
const UNSET: &str = "1000000000000106";

/// How long a call to an object may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// An isolate remembers a cutoff for a second.
const PAST_CACHES: Duration = Duration::from_millis(1_100);
const ROUNDS: usize = 3;
const REQUESTS: usize = 40;
/// The metric of alarms that went wrong.
pub(super) const FAULTS: &str = "rollcall_alarm_faults_total";

pub(super) async fn a_socket_whose_attachment_does_not_read_is_closed_and_its_record_ends(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Console.settings()).await?;
    let world = runtime.world();
    let api = Api::without_fixture(&world)?;
    let console = api.fixture().user(101).to_string();
    let mut sockets = vec![world.upgraded(&api.handshake("user-101", "d")).await?];
    let (token, socket) = world.login(UNREADABLE, 5).await?;
    sockets.push(socket);
    let users = [console.as_str(), UNREADABLE];
    for (user, socket) in users.into_iter().zip(&mut sockets) {
        same(open(&world, user).await?, 1, "open records")?;
        break_it(&world, user, "garble").await?;
        socket.alive().await?;
    }
    // A panic takes every instance along and leaves the sockets, as new code does.
    let before = probe::look(&world, UNREADABLE).await?.instance;
    probe::panic(&world, UNREADABLE).await?;
    let is_new =
        || async { Ok(probe::look(&world, UNREADABLE).await.is_ok_and(|seen| seen.instance < before)) };
    world.eventually("a new memory", is_new, &true).await?;

    for (user, mut socket) in users.into_iter().zip(sockets) {
        same(world.platforms(user).await?, Vec::<i64>::new(), "platforms online")?;
        socket.closed(1012).await?;
        world.eventually("open records", || open(&world, user), &0).await?;
    }
    world.open(UNREADABLE, 5, &token).await?.alive().await?;
    runtime.stop().await?;
    Ok("a client and a console were closed by the first event, and the client is back".to_owned())
}

pub(super) async fn a_connection_whose_socket_is_refused_leaves_no_open_record(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, mut replaced) = world.login(REFUSED, 5).await?;
    world.eventually("records", || open_and_ended(&world, REFUSED), &(1, 0)).await?;
    break_it(&world, REFUSED, "refuse_sockets").await?;
    world.refused_both_ways(&Handshake::new(REFUSED, 5, &token), 500, "").await?;
    same(open(&world, REFUSED).await?, 0, "open records right after the answer")?;
    // What the opening replaced is closed all the same.
    replaced.ended_silently().await?;
    world.eventually("records", || open_and_ended(&world, REFUSED), &(0, 3)).await?;
    break_it(&world, REFUSED, "take_sockets").await?;
    world.open(REFUSED, 5, &token).await?.alive().await?;
    runtime.stop().await?;
    Ok("2 openings were refused after their commit, 3 records ended".to_owned())
}

pub(super) async fn an_object_that_does_not_answer_could_not_be_asked(setup: Setup) -> Result<String> {
    let setup = setup.with_manifest(&bindings::manifest())?;
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut socket) = world.login(HANGING, 5).await?;
    world.eventually("records", || open_and_ended(&world, HANGING), &(1, 0)).await?;
    // The control: the same questions, on this machine at this moment.
    let begun = Instant::now();
    world.status(&world.user("control")).await?;
    get(&world, LIST).await?;
    let control = begun.elapsed();
    break_it(&world, HANGING, "hang").await?;
    let begun = Instant::now();
    let order = json!({"userIDs": [HANGING]});
    let asked = world.as_admin(STATUS, &order);
    let target = format!("{LIST}?online=true");
    // The rows of the list were confirmed above, so a detail asks instead.
    let detail = format!("{LIST}/{HANGING}");
    let (answer, detail) = tokio::join!(asked, get(&world, &detail));
    let took = begun.elapsed();
    answer?.envelope_with(500)?.refusal(500)?;
    holds(took >= PATIENCE && took < PATIENCE * 2 + control * 10, || {
        format!("they answered after {took:?}, ordinary questions after {control:?}")
    })?;
    // *Could not ask* is not *offline*.
    same(detail?.pointer("/data/online"), Some(&json!(true)), "online, in the detail")?;
    same(text_at(&get(&world, &target).await?, "/data/total")?, "1".to_owned(), "records online")?;
    break_it(&world, HANGING, "go_on").await?;
    same(world.platforms(HANGING).await?, vec![5], "platforms once it answers")?;
    socket.alive().await?;
    runtime.stop().await?;
    let given_up = counted(&setup.log()?, "rollcall_unanswered_calls_total", "users");
    holds(given_up >= 2, || format!("{given_up} calls without an answer are counted"))?;
    Ok(format!("{given_up} calls given up after {:.1} s", took.as_secs_f32()))
}

pub(super) async fn a_call_and_an_upgrade_that_the_runtime_loses_are_made_again(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let token = world.issue(LOST, 5).await?;
    break_it(&world, LOST, "lose").await?;
    same(world.platforms(LOST).await?, Vec::<i64>::new(), "platforms, asked twice")?;
    break_it(&world, LOST, "lose").await?;
    let mut socket = world.open(LOST, 5, &token).await?;
    socket.alive().await?;
    same(world.platforms(LOST).await?, vec![5], "platforms after an upgrade in two tries")?;
    runtime.stop().await?;
    let tries = setup.log()?.matches("an object is asked a second time").count();
    same(tries, 2, "second tries in the log")?;
    Ok("1 question and 1 upgrade in 2 tries each".to_owned())
}

pub(super) async fn an_alarm_that_the_runtime_rejects_is_set_once_more(setup: Setup) -> Result<String> {
    let setup = setup.with(GRACE, 1).with_manifest(&bindings::manifest())?;
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, socket) = world.login(REJECTED, 5).await?;
    world.eventually("records", || open_and_ended(&world, REJECTED), &(1, 0)).await?;
    break_it(&world, REJECTED, "reject_alarm").await?;
    // The alarm also looks for tokens that have expired, which fails.
    probe::change_user(&world, REJECTED, "ALTER TABLE user RENAME TO other").await?;
    socket.close().await?;
    // Nothing but the alarm releases the end: the user is not asked for.
    world.eventually("records", || open_and_ended(&world, REJECTED), &(0, 1)).await?;
    runtime.stop().await?;
    let log = setup.log()?;
    let rejected = log.matches("an alarm was rejected and is set once more").count();
    same(rejected, 1, "rejected alarms in the log")?;
    same(counted(&log, FAULTS, "rejected"), 1, "rejected alarms that are counted")?;
    let failed = counted(&log, FAULTS, "failed");
    holds(failed > 0, || "no failed alarm is counted".to_owned())?;
    Ok("the end of a connection was released all the same".to_owned())
}

pub(super) async fn an_alarm_that_the_runtime_rejects_twice_is_counted_and_set_by_the_next_command(
    setup: Setup,
) -> Result<String> {
    let setup = setup.with(GRACE, 1).with_manifest(&bindings::manifest())?;
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, socket) = world.login(UNSET, 5).await?;
    world.eventually("records", || open_and_ended(&world, UNSET), &(1, 0)).await?;
    break_it(&world, UNSET, "reject_alarm_twice").await?;
    socket.close().await?;
    let unset = || async { Ok(setup.log()?.matches("an alarm could not be set").count()) };
    world.eventually("alarms that could not be set, in the log", unset, &1).await?;
    // The end is held back, and nothing would release it.
    same(open_and_ended(&world, UNSET).await?, (1, 0), "records without an alarm")?;
    world.open(UNSET, 5, &token).await?.close().await?;
    world.eventually("records", || open_and_ended(&world, UNSET), &(0, 2)).await?;
    runtime.stop().await?;
    let log = setup.log()?;
    for (fault, times) in [("rejected", 1), ("unset", 1)] {
        same(counted(&log, FAULTS, fault), times, fault)?;
    }
    Ok("1 end waited for the next command".to_owned())
}

pub(super) async fn requests_at_the_same_time_share_one_question_about_the_cutoff(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let token = world.issue("sharing", 5).await?;
    let mut fewest = u64::MAX;
    // A busy machine may take longer for one answer than others wait for it, so the best round counts.
    for _ in 0..ROUNDS {
        // No event tells that a cache is over.
        sleep(PAST_CACHES).await;
        let before = probe::questions_about_the_cutoff(&world).await?;
        try_join_all((0..REQUESTS).map(|_| world.verdict(&token))).await?;
        fewest = fewest.min(probe::questions_about_the_cutoff(&world).await? - before);
    }
    holds((1..=REQUESTS as u64 / 8).contains(&fewest), || {
        format!("{fewest} questions for {REQUESTS} requests")
    })?;
    runtime.stop().await?;
    Ok(format!("{REQUESTS} requests, {fewest} questions"))
}

/// The open records in a user's own object.
async fn open(world: &World, user: &str) -> Result<usize> {
    let records = probe::own_records(world, user).await?;
    Ok(records.iter().filter(|record| record.ended_at.is_none()).count())
}
