//! The answer to a subscription request, and the users that are followed afterwards.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::watcher::Watcher;
use crate::{
    cases::{Case, cases},
    check::{at, holds, same, text_at},
    proto,
    world::World,
    ws::request,
};

/// The most users that a connection follows.
const MOST: usize = 3_000;

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        an_answer_shows_each_id_in_order_and_repeated_ones_again,
        what_is_taken_back_is_told_no_more,
        an_id_in_both_lists_is_followed,
        a_payload_that_does_not_read_is_an_error_and_no_end,
        following_again_shows_what_is_true_by_then,
        a_connection_follows_3000_and_lets_the_oldest_go within 600 alone "it keeps the one thread of the edge's runtime busy",
        requests_are_answered_in_their_order_one_at_a_time,
        one_long_request_waits_and_more_are_refused,
    ]
}

async fn an_answer_shows_each_id_in_order_and_repeated_ones_again(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let (on, off) = (world.user("on"), world.user("off"));
    let (_, _web) = world.login(&on, 5).await?;
    let (_, _android) = world.login(&on, 2).await?;
    let (_, _again) = world.login(&on, 5).await?;
    let too_long = "x".repeat(257);
    let answer = watcher.ask(&[&off, &on, "", &off, &too_long, &on], &[]).await?;
    let is = |user: &str, platforms: &[u64]| (user.to_owned(), platforms.to_vec());
    let wanted = vec![
        is(&off, &[]),
        is(&on, &[2, 5]),
        is("", &[]),
        is(&off, &[]),
        is(&too_long, &[]),
        is(&on, &[2, 5]),
    ];
    same(answer, wanted, "the answer")?;
    same(watcher.ask(&[], &[]).await?, Vec::new(), "the answer to a request for nobody")
}

async fn what_is_taken_back_is_told_no_more(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let (left, kept) = (world.user("left"), world.user("kept"));
    watcher.ask(&[&left, &kept], &[]).await?;
    watcher.leave(&left).await?;
    let (_, _left) = world.login(&left, 5).await?;
    let (_, _kept) = world.login(&kept, 5).await?;
    watcher.pushed(&kept, &[5]).await?;
    watcher.leave("nobody-at-all").await?;
    watcher.follow(&left, &[5]).await?;
    let (_, _second) = world.login(&left, 2).await?;
    watcher.pushed(&left, &[2, 5]).await
}

async fn an_id_in_both_lists_is_followed(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    same(watcher.ask(&[&user], &[&user]).await?, vec![(user.clone(), vec![])], "the answer")?;
    let (_, _web) = world.login(&user, 5).await?;
    watcher.pushed(&user, &[5]).await?;
    // Now it was followed before.
    same(watcher.ask(&[&user], &[&user]).await?, vec![(user.clone(), vec![5])], "the answer")?;
    let (_, _android) = world.login(&user, 2).await?;
    watcher.pushed(&user, &[2, 5]).await
}

async fn a_payload_that_does_not_read_is_an_error_and_no_end(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let answer = watcher.socket.ask(2005, &watcher.user, Some(b"\x0a\x05ab")).await?;
    same(at(&answer, "/errCode")?, &json!(1001), "errCode")?;
    same(at(&answer, "/data")?, &json!(null), "data")?;
    watcher.socket.alive().await
}

async fn following_again_shows_what_is_true_by_then(world: World) -> Result<()> {
    let mut watcher = Watcher::login(&world, "watcher").await?;
    let user = world.user("a");
    watcher.follow(&user, &[]).await?;
    let (_, socket) = world.login(&user, 5).await?;
    watcher.pushed(&user, &[5]).await?;
    watcher.follow(&user, &[5]).await?;
    socket.close().await?;
    watcher.pushed(&user, &[]).await?;
    watcher.leave(&user).await?;
    let (_, _again) = world.login(&user, 2).await?;
    world.until_platforms(&user, &[2]).await?;
    watcher.follow(&user, &[2]).await
}

/// The first of 3,001 goes, in whichever request it came; asking for it again makes it the newest.
async fn a_connection_follows_3000_and_lets_the_oldest_go(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let mut watcher = Watcher::login(&quiet, "watcher").await?;
    let [oldest, again, early, late] = ["oldest", "again", "early", "late"].map(|role| world.user(role));
    watcher.ask(&[&again, &oldest], &[]).await?;
    // Followed anew, it is the youngest.
    watcher.follow(&again, &[]).await?;
    // Short names, since all of them have to fit a message.
    let others: Vec<String> = (0..MOST - 2).map(|n| format!("f{n}")).collect();
    // One more than is read, of which one stands twice: with what was followed before they are one more than there may be.
    let mut long = vec![early.as_str(), "f7"];
    long.extend(others.iter().map(String::as_str));
    long.push(&late);
    let answer = watcher.ask(&long, &[]).await?;
    same(answer.len(), MOST, "elements in the answer")?;
    same(answer.last(), Some(&(late.clone(), vec![])), "the last of them")?;
    let mut sockets = Vec::new();
    for (user, is_followed) in [(&oldest, false), (&again, true), (&early, false), (&late, true)] {
        sockets.push(quiet.login(user, 5).await?);
        if is_followed {
            watcher.pushed(user, &[5]).await?;
        }
    }
    Ok(())
}

/// A request whose answer has this label.
fn labelled(user: &str, label: &str, subscribe: &[&str], unsubscribe: &[&str]) -> String {
    let mut asked = request(2005, user, Some(&proto::subscription(subscribe, unsubscribe)));
    if let Some(fields) = asked.as_object_mut() {
        fields.insert("msgIncr".to_owned(), json!(label));
    }
    asked.to_string()
}

/// The next frame, which must be an answer: its label and its code.
async fn answered(watcher: &mut Watcher) -> Result<(String, i64)> {
    let answer: Value = serde_json::from_str(&watcher.socket.binary().await?)?;
    same(at(&answer, "/reqIdentifier")?, &json!(2005), "reqIdentifier")?;
    let code = at(&answer, "/errCode")?.as_i64().context("errCode is no number")?;
    Ok((text_at(&answer, "/msgIncr")?.to_owned(), code))
}

/// A short request behind a long one waits for it, whatever it costs itself.
async fn requests_are_answered_in_their_order_one_at_a_time(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let mut watcher = Watcher::login(&quiet, "watcher").await?;
    let users: Vec<String> = (0..200).map(|n| world.user(&format!("f{n}"))).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let (long, short) = (users.as_slice(), users.get(..1).unwrap_or_default());
    let requests =
        [("a", long, short), ("b", short, short), ("c", &[], short), ("d", short, &[]), ("e", &[], &[])];
    for (label, subscribe, unsubscribe) in requests {
        let asked = labelled(&watcher.user, label, subscribe, unsubscribe);
        watcher.socket.send_binary(asked).await?;
    }
    for (label, ..) in requests {
        same(answered(&mut watcher).await?, (label.to_owned(), 0), "the next answer")?;
    }
    let (_, _socket) = quiet.login(short.first().context("a user")?, 5).await?;
    watcher.pushed(short.first().context("a user")?, &[5]).await
}

/// A third request is answered at once with an error, or in its turn where the others are done by then.
async fn one_long_request_waits_and_more_are_refused(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let mut watcher = Watcher::login(&quiet, "watcher").await?;
    let users: Vec<String> = (0..200).map(|n| world.user(&format!("f{n}"))).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let nobody = vec!["n"; MOST];
    let rest = ["c", "d", "e", "f", "g"];
    let asked = [("a", users.as_slice(), &[] as &[&str]), ("b", &[], nobody.as_slice())];
    for (label, subscribe, unsubscribe) in
        asked.into_iter().chain(rest.map(|label| (label, users.as_slice(), &[] as &[&str])))
    {
        let asked = labelled(&watcher.user, label, subscribe, unsubscribe);
        watcher.socket.send_binary(asked).await?;
    }
    let mut done = Vec::new();
    for _ in 0..asked.len() + rest.len() {
        let (label, code) = answered(&mut watcher).await?;
        match code {
            0 => done.push(label),
            500 => holds(rest.contains(&label.as_str()), || format!("{label} is refused"))?,
            other => bail!("{label} is answered with {other}"),
        }
    }
    let order: Vec<&str> =
        ["a", "b"].into_iter().chain(rest).filter(|label| done.iter().any(|one| one == label)).collect();
    same(done.iter().map(String::as_str).collect::<Vec<_>>(), order, "what was carried out")?;
    watcher.socket.alive().await
}
