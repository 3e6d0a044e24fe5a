//! A user with very many watchers: no other answer waits until all of them are notified.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use futures_util::future::{try_join, try_join_all, try_join3};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::watcher::Watcher;
use crate::{
    cases::{Case, cases},
    check::{at, same},
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

/// An answer that takes no longer than this, and [`CALM`] times the longest answer before, waits for nothing.
const LEAST: Duration = Duration::from_millis(500);
/// See [`LEAST`].
const CALM: u32 = 5;

/// Watchers that one event of the edge notifies. Its local runtime has one thread for all objects, which takes no new
/// request before such an event is done; more watchers than these are needed to see an answer that waits for all of them.
const EDGE_PAGE: usize = 400;

/// A message that keeps a connection.
const PONG: &str = r#"{"type":"pong"}"#;

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
    let watchers = assemble(&quiet, &star, many).await?;
    let assembled = begun.elapsed();
    let other = world.user("other");
    let (_, mut other_socket) = quiet.login(&other, 5).await?;

    let telling = Arc::new(Telling::of(many));
    let calm = Ask::begin(&quiet, &other).await?.times(200, &telling).await?;
    let begun = Instant::now();
    // A task of its own: what is asked meanwhile does not wait until the suite has read a crowd's pushes.
    let mut listening = JoinSet::new();
    listening.spawn(listen(watchers, star.clone(), telling.clone()));
    let listen = async {
        let (sets, watchers) = listening.join_next().await.context("no task")???;
        anyhow::Ok((begun.elapsed(), sets, watchers))
    };
    let ask = async {
        let asked = async { Ask::begin(&quiet, &other).await?.until_over(&telling).await };
        anyhow::Ok(try_join(asked, stay(&mut other_socket, &telling)).await?.0)
    };
    let act = async {
        let ((token, mut first), logged_in) = telling.timed(quiet.login(&star, 5)).await?;
        // Sets that follow each other while the first is still being told.
        let others = async {
            let mut second = quiet.open(&star, 5, &token).await?;
            let (_, android) = quiet.login(&star, 2).await?;
            let (_, mut ios) = quiet.login(&star, 1).await?;
            android.close().await?;
            try_join(stay(&mut second, &telling), stay(&mut ios, &telling)).await?;
            anyhow::Ok([second, ios])
        };
        let ([second, ios], own) = try_join(others, converse(&mut first, &star, &telling)).await?;
        anyhow::Ok((logged_in, own, [first, second, ios]))
    };
    let ((all_told, sets, mut watchers), during, (logged_in, own, sockets)) =
        try_join3(listen, ask, act).await?;

    for watcher in watchers.iter_mut().step_by(many / 100) {
        watcher.socket.alive().await.context("nothing else is pushed")?;
    }
    world.figure(format!(
        "{many} watchers, subscribed in {assembled:.1?}: login answered after {:.1?}, all told the last of four sets \
         after {all_told:.1?} with {} pushes, at most {sets:?} each; statuses of others {during} (before: {calm}), \
         the user's own answers {own}",
        logged_in.took,
        telling.pushes.load(Ordering::Relaxed),
    ));
    // A busy machine makes every answer take long. One that waits for the telling sees a whole set of the four go by.
    let longest = LEAST + calm.longest().took * CALM;
    let most = match world.kind() {
        Kind::Origin => many * 3 / 4,
        Kind::Edge | Kind::Running => EDGE_PAGE.max(many * 3 / 4),
    };
    let waits = |answer: &Answer| answer.took > longest && answer.pushes > most;
    let logins = Answers(vec![logged_in]);
    for (what, answers) in
        [("the login", &logins), ("a status of another user", &during), ("an own answer", &own)]
    {
        if let Some(Answer { took, pushes }) = answers.0.iter().find(|answer| waits(answer)) {
            bail!("{what} took {took:?}, in which {pushes} pushes to {many} watchers came");
        }
    }

    let begun = Instant::now();
    for socket in sockets {
        socket.close().await?;
    }
    try_join_all(watchers.iter_mut().map(|watcher| watcher.pushed_at_last(&star, &[], &telling.pushes)))
        .await?;
    world.figure(format!("all told that the user left after {:.1?}", begun.elapsed()));
    Ok(())
}

async fn assemble(world: &World, star: &str, many: usize) -> Result<Vec<Watcher>> {
    let gate = &Gate::of(CLIENTS);
    let portions = (0..CLIENTS).map(|client| async move {
        let mut watchers: Vec<Watcher> = Vec::new();
        let mut quiet_since = Instant::now();
        for index in (client..many).step_by(CLIENTS) {
            // Their control pings are not read yet.
            if quiet_since.elapsed() > SIGN_OF_LIFE {
                sign_of_life(&mut watchers).await?;
                quiet_since = Instant::now();
            }
            let mut watcher = Watcher::login(world, &format!("w{index}")).await?;
            watcher.follow(star, &[]).await?;
            watchers.push(watcher);
        }
        gate.arrived();
        while timeout(SIGN_OF_LIFE.saturating_sub(quiet_since.elapsed()), gate.opened()).await.is_err() {
            sign_of_life(&mut watchers).await?;
            quiet_since = Instant::now();
        }
        anyhow::Ok(watchers)
    });
    Ok(try_join_all(portions).await?.into_iter().flatten().collect())
}

async fn sign_of_life(watchers: &mut [Watcher]) -> Result<()> {
    for watcher in watchers {
        watcher.socket.send_text(PONG).await?;
    }
    Ok(())
}

/// Reads what every watcher is pushed up to the last set. Returns the most pushes to one.
async fn listen(
    mut watchers: Vec<Watcher>,
    star: String,
    telling: Arc<Telling>,
) -> Result<(Option<usize>, Vec<Watcher>)> {
    let pushes = try_join_all(watchers.iter_mut().map(|watcher| told(watcher, &star, &telling))).await?;
    Ok((pushes.into_iter().max(), watchers))
}

/// Reads the pushes up to the last set, and then stays until every watcher has it.
async fn told(watcher: &mut Watcher, star: &str, telling: &Telling) -> Result<usize> {
    let pushes = watcher.pushed_at_last(star, &[1, 5], &telling.pushes).await?;
    telling.over.arrived();
    stay(&mut watcher.socket, telling).await?;
    Ok(pushes)
}

/// Keeps a connection until the telling is over.
async fn stay(socket: &mut Socket, telling: &Telling) -> Result<()> {
    while timeout(SIGN_OF_LIFE, telling.over.opened()).await.is_err() {
        socket.send_text(PONG).await?;
    }
    Ok(())
}

/// Opens when all have arrived.
struct Gate {
    missing: AtomicUsize,
    is_open: watch::Sender<bool>,
}

impl Gate {
    fn of(many: usize) -> Self {
        Self { missing: AtomicUsize::new(many), is_open: watch::Sender::new(many == 0) }
    }

    fn arrived(&self) {
        if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.is_open.send_replace(true);
        }
    }

    async fn opened(&self) {
        // The sender lives as long as this, so that there is no other end.
        _ = self.is_open.subscribe().wait_for(|is_open| *is_open).await;
    }
}

/// What watchers have heard so far.
struct Telling {
    /// Pushes that came to any of them.
    pushes: AtomicUsize,
    /// Opens when every watcher has the last set.
    over: Gate,
}

impl Telling {
    fn of(watchers: usize) -> Self {
        Self { pushes: AtomicUsize::new(0), over: Gate::of(watchers) }
    }

    /// What one question takes, and how many pushes come meanwhile.
    async fn timed<T>(&self, question: impl Future<Output = Result<T>>) -> Result<(T, Answer)> {
        let (begun, before) = (Instant::now(), self.pushes.load(Ordering::Relaxed));
        let answer = question.await?;
        Ok((answer, Answer { took: begun.elapsed(), pushes: self.pushes.load(Ordering::Relaxed) - before }))
    }

    fn is_over(&self) -> bool {
        *self.over.is_open.borrow()
    }
}

/// What a question took, and the pushes to watchers that came before its answer.
#[derive(Clone, Copy, Default)]
struct Answer {
    took: Duration,
    pushes: usize,
}

struct Answers(Vec<Answer>);

impl Answers {
    fn longest(&self) -> Answer {
        self.0.iter().copied().max_by_key(|answer| answer.took).unwrap_or_default()
    }
}

impl std::fmt::Display for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut took: Vec<Duration> = self.0.iter().map(|answer| answer.took).collect();
        took.sort_unstable();
        let median = took.get(took.len() / 2).copied().unwrap_or_default();
        let most = self.0.iter().map(|answer| answer.pushes).max().unwrap_or(0);
        write!(f, "{} in {median:.1?}, at most {:.1?} and {most} pushes", took.len(), self.longest().took)
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

    async fn once(&mut self) -> Result<()> {
        let body = json!({"userIDs": [self.user]}).to_string();
        let answer = self.connection.send(&post(STATUS, Some(&self.admin), &body)).await?;
        let answer: Value = serde_json::from_slice(&answer.body)?;
        same(at(&answer, "/data/0/status")?, &json!(1), "the status of a user who is online")
    }

    async fn times(mut self, many: usize, telling: &Telling) -> Result<Answers> {
        let mut all = Vec::with_capacity(many);
        for _ in 0..many {
            all.push(telling.timed(self.once()).await?.1);
        }
        Ok(Answers(all))
    }

    async fn until_over(mut self, telling: &Telling) -> Result<Answers> {
        let mut all = Vec::new();
        while !telling.is_over() {
            all.push(telling.timed(self.once()).await?.1);
        }
        Ok(Answers(all))
    }
}

/// The user itself asks and is answered.
async fn converse(socket: &mut Socket, user: &str, telling: &Telling) -> Result<Answers> {
    let mut all = Vec::new();
    while !telling.is_over() {
        all.push(telling.timed(socket.ask(1001, user, Some(&proto::user_only(user)))).await?.1);
    }
    Ok(Answers(all))
}
