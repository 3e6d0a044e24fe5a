//! A user with very many watchers: no other answer waits until all of them are notified.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};

use super::watcher::Watcher;
use crate::{
    cases::{Case, cases},
    check::{at, holds, same},
    http::Connection,
    proto,
    size::size,
    subject::Kind,
    world::{STATUS, World, post},
    ws::{SIGN_OF_LIFE, Socket},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Crowd, "crowd":
        a_user_with_very_many_watchers_holds_up_nobody within 900 alone "it measures answers",
    ]
}

/// What an answer may take in any case, and how many times the longest answer before.
const LEAST: Duration = Duration::from_millis(500);
/// See [`LEAST`].
const CALM: u32 = 5;

/// Connections over which the suite asks at a time.
const CLIENTS: usize = 16;

/// Each watcher is a user of its own with a connection of its own. The suite and the server have 20,000 descriptors each on
/// one machine, and the local edge opens a file for each object. While all of them are told that the user came, and went
/// from device to device, statuses of others and answers to the user itself are asked for without a pause and timed.
async fn a_user_with_very_many_watchers_holds_up_nobody(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let many = match world.kind() {
        Kind::Origin => size(400, 16_000),
        Kind::Edge | Kind::Running => size(200, 1_000),
    };
    let star = world.user("star");
    let begun = Instant::now();
    let mut watchers = assemble(&quiet, &star, many).await?;
    let assembled = begun.elapsed();
    let other = world.user("other");
    let (_, _other) = quiet.login(&other, 5).await?;

    let calm = Ask::begin(&quiet, &other).await?.times(200).await?;
    let told = AtomicBool::new(false);
    let begun = Instant::now();
    let (token, mut first) = quiet.login(&star, 5).await?;
    let logged_in = begun.elapsed();
    let act = async {
        // Sets that follow each other while the first is still being told.
        let second = quiet.open(&star, 5, &token).await?;
        let (_, android) = quiet.login(&star, 2).await?;
        let (_, ios) = quiet.login(&star, 1).await?;
        android.close().await?;
        anyhow::Ok((second, ios))
    };
    let listen = async {
        let pushes =
            try_join_all(watchers.iter_mut().map(|watcher| watcher.pushed_at_last(&star, &[1, 5]))).await;
        told.store(true, Ordering::Relaxed);
        let pushes = pushes?;
        anyhow::Ok((begun.elapsed(), pushes.iter().max().copied(), pushes.iter().sum::<usize>()))
    };
    let ask = async { Ask::begin(&quiet, &other).await?.until(&told).await };
    let converse = converse(&mut first, &star, &told);
    let ((acted, heard), (during, own)) = try_join(try_join(act, listen), try_join(ask, converse)).await?;
    let (all_told, most, pushes) = heard;
    // On a busy machine both controls grow: what an answer takes while no watcher is told, and what telling takes. An
    // answer that waits for the telling waits for a whole set of the four.
    let bound = LEAST + calm.longest * CALM + all_told / 4;

    for watcher in watchers.iter_mut().step_by(many / 100) {
        watcher.socket.alive().await.context("nothing else is pushed")?;
    }
    world.figure(format!(
        "{many} watchers, subscribed in {assembled:.1?}: login answered after {logged_in:.1?}, all told the last of four sets \
         after {all_told:.1?} with {pushes} pushes, at most {most:?} each; statuses of others {during} (before: {calm}), \
         the user's own answers {own}"
    ));
    for (what, longest) in [("a status of another user", during.longest), ("an own answer", own.longest)] {
        holds(longest < bound, || format!("{what} took {longest:?} while watchers were told"))?;
    }
    holds(logged_in < bound, || format!("the login took {logged_in:?}"))?;

    let (second, ios) = acted;
    let begun = Instant::now();
    for socket in [first, second, ios] {
        socket.close().await?;
    }
    try_join_all(watchers.iter_mut().map(|watcher| watcher.pushed_at_last(&star, &[]))).await?;
    world.figure(format!("all told that the user left after {:.1?}", begun.elapsed()));
    Ok(())
}

async fn assemble(world: &World, star: &str, many: usize) -> Result<Vec<Watcher>> {
    let portions = (0..CLIENTS).map(|client| async move {
        let mut watchers: Vec<Watcher> = Vec::new();
        let mut quiet_since = Instant::now();
        for index in (client..many).step_by(CLIENTS) {
            // Their control pings are not read yet.
            if quiet_since.elapsed() > SIGN_OF_LIFE {
                for watcher in &mut watchers {
                    watcher.socket.send_text(r#"{"type":"pong"}"#).await?;
                }
                quiet_since = Instant::now();
            }
            let mut watcher = Watcher::login(world, &format!("w{index}")).await?;
            watcher.follow(star, &[]).await?;
            watchers.push(watcher);
        }
        anyhow::Ok(watchers)
    });
    Ok(try_join_all(portions).await?.into_iter().flatten().collect())
}

/// The times of some answers.
struct Times {
    many: usize,
    median: Duration,
    longest: Duration,
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {:.1?}, at most {:.1?}", self.many, self.median, self.longest)
    }
}

impl From<Vec<Duration>> for Times {
    fn from(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let nth = |index: usize| all.get(index).copied().unwrap_or_default();
        Self { many: all.len(), median: nth(all.len() / 2), longest: all.last().copied().unwrap_or_default() }
    }
}

/// A client that asks for a status again and again.
struct Ask {
    connection: Connection,
    admin: String,
    user: String,
}

impl Ask {
    async fn begin(world: &World, user: &str) -> Result<Self> {
        let connection = Connection::open(world.address()).await?;
        Ok(Self { connection, admin: world.admin_token().await?, user: user.to_owned() })
    }

    async fn once(&mut self) -> Result<Duration> {
        let body = json!({"userIDs": [self.user]}).to_string();
        let begun = Instant::now();
        let answer = self.connection.send(&post(STATUS, Some(&self.admin), &body)).await?;
        let took = begun.elapsed();
        let answer: Value = serde_json::from_slice(&answer.body)?;
        same(at(&answer, "/data/0/status")?, &json!(1), "the status of a user who is online")?;
        Ok(took)
    }

    async fn times(mut self, many: usize) -> Result<Times> {
        let mut all = Vec::with_capacity(many);
        for _ in 0..many {
            all.push(self.once().await?);
        }
        Ok(all.into())
    }

    async fn until(mut self, done: &AtomicBool) -> Result<Times> {
        let mut all = Vec::new();
        while !done.load(Ordering::Relaxed) {
            all.push(self.once().await?);
        }
        Ok(all.into())
    }
}

/// The user itself asks and is answered.
async fn converse(socket: &mut Socket, user: &str, done: &AtomicBool) -> Result<Times> {
    let mut all = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let begun = Instant::now();
        socket.ask(1001, user, Some(&proto::user_only(user))).await?;
        all.push(begun.elapsed());
    }
    Ok(all.into())
}
