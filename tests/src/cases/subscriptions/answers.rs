//! The answer to a subscription request, and the users that are followed afterwards.

use anyhow::Result;
use serde_json::json;

use super::watcher::Watcher;
use crate::{
    cases::{Case, cases},
    check::{at, same},
    world::World,
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
        a_connection_follows_3000_and_lets_the_oldest_go within 300,
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
    let [oldest, second, third] = ["oldest", "second", "third"].map(|role| world.user(role));
    watcher.ask(&[&oldest, &second, &third], &[]).await?;
    watcher.follow(&second, &[]).await?;
    // Short names, since all of them have to fit a message.
    let others: Vec<String> = (0..MOST - 2).map(|n| format!("f{n}")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let answer = watcher.ask(&others, &[]).await?;
    same(answer.len(), others.len(), "elements in the answer")?;
    let (_, _first) = quiet.login(&oldest, 5).await?;
    let (_, _third) = quiet.login(&third, 5).await?;
    watcher.pushed(&third, &[5]).await?;
    let (_, _second) = quiet.login(&second, 5).await?;
    watcher.pushed(&second, &[5]).await?;
    // And within one request: of a longer list the last ones count.
    let mut long = vec![second.as_str()];
    long.extend(&others);
    long.extend([third.as_str(), oldest.as_str()]);
    let answer = watcher.ask(&long, &[]).await?;
    same(answer.len(), MOST, "elements in the answer to a longer list")?;
    same(answer.last(), Some(&(oldest.clone(), vec![5])), "the last of them")?;
    let (_, _second_too) = quiet.login(&second, 2).await?;
    let (_, _first_too) = quiet.login(&oldest, 2).await?;
    watcher.pushed(&oldest, &[2, 5]).await
}
