//! Many queries while many sockets open and close.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use futures_util::future::{try_join, try_join_all};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Case, cases};
use crate::{
    check::{at, holds, same},
    http::Connection,
    size::size,
    world::{STATUS, UserStatus, World, post},
    ws::Socket,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base": queries_stay_right_while_sockets_come_and_go within 300]
}

struct Plan {
    users: Vec<(String, String)>,
    queries: usize,
    clients: usize,
    movers: usize,
}

async fn queries_stay_right_while_sockets_come_and_go(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    let (count, queries) = size((50, 800), (500, 20_000));
    let issued = (0..count).map(|index| {
        let user = world.user(&format!("u{index}"));
        let quiet = &quiet;
        async move { quiet.issue(&user, 5).await.map(|token| (user.clone(), token)) }
    });
    let mut users = Vec::with_capacity(count);
    // In portions: a thousand connections at once are not what this case is about.
    let mut issued: Vec<_> = issued.collect();
    while !issued.is_empty() {
        let rest = issued.split_off(issued.len().min(16));
        users.extend(try_join_all(issued).await?);
        issued = rest;
    }
    let plan = Plan { users, queries, clients: 16, movers: 25 };
    let stay = Mutex::new(HashMap::new());
    tokio::select! {
        done = try_join(ask(&quiet, &plan), move_about(&quiet, &plan, &stay)) => done.map(drop)?,
        error = keep_alive(&stay) => return Err(error),
    }
    judge(&quiet, &plan, &stay).await?;
    let health = world.send(&crate::http::Request::new("GET", "/health")).await?;
    same(health.response.status, 200, "health")
}

/// The queries, over connections that are kept.
async fn ask(world: &World, plan: &Plan) -> Result<()> {
    let token = world.admin_token().await?;
    let clients = (0..plan.clients).map(|client| {
        let (token, share) = (token.clone(), plan.queries / plan.clients);
        async move {
            let mut connection = Connection::open(world.address()).await?;
            let mut random = Random(client as u64 + 1);
            for _ in 0..share {
                let index = random.below(plan.users.len() + 20);
                let (user, wanted) = match plan.users.get(index) {
                    Some((user, token)) => (user.clone(), Some(token)),
                    None => (format!("nobody-{index}"), None),
                };
                let body = json!({"userIDs": [user]}).to_string();
                let response = connection.send(&post(STATUS, Some(&token), &body)).await?;
                plausible(&response.body, &user, wanted).with_context(|| user.clone())?;
            }
            anyhow::Ok(())
        }
    });
    try_join_all(clients).await.map(drop)
}

/// At any moment an answer is one of those that are possible for this user.
fn plausible(body: &[u8], user: &str, token: Option<&String>) -> Result<()> {
    let answer: Value = serde_json::from_slice(body)?;
    same(at(&answer, "/errCode")?, &json!(0), "errCode")?;
    let all: Vec<UserStatus> = serde_json::from_value(at(&answer, "/data")?.clone())?;
    let [status] = all.as_slice() else { anyhow::bail!("{} elements", all.len()) };
    same(status.user.as_str(), user, "userID")?;
    same(status.status, i64::from(!status.connections.is_empty()), "status against connections")?;
    for connection in &status.connections {
        same(Some(&connection.token), token, "the token of a connection")?;
        same(connection.platform, 5, "platformID")?;
    }
    holds(token.is_some() || status.status == 0, || "a stranger is online".to_owned())
}

/// Every user opens, closes or resets, and opens again; every second one stays.
async fn move_about(world: &World, plan: &Plan, stay: &Mutex<HashMap<String, Socket>>) -> Result<()> {
    let movers = (0..plan.movers).map(|mover| async move {
        for (index, (user, token)) in plan.users.iter().enumerate().skip(mover).step_by(plan.movers) {
            let socket = world.open(user, 5, token).await?;
            match index % 3 {
                0 => socket.close().await?,
                1 => socket.reset()?,
                _ => drop(socket),
            }
            let mut socket = world.open(user, 5, token).await?;
            socket.alive().await?;
            if index % 2 == 0 {
                stay.lock().await.insert(user.clone(), socket);
            } else {
                socket.close().await?;
            }
        }
        anyhow::Ok(())
    });
    try_join_all(movers).await.map(drop)
}

/// Clients that stay ping, or they would be taken for lost after 30 s. Ends with the first that is not answered.
async fn keep_alive(stay: &Mutex<HashMap<String, Socket>>) -> anyhow::Error {
    let mut pace = tokio::time::interval(Duration::from_secs(5));
    loop {
        pace.tick().await;
        let mut sockets = stay.lock().await;
        // All at once: one after the other they take longer than that on a busy machine.
        let pings = sockets
            .iter_mut()
            .map(|(user, socket)| async { socket.alive().await.with_context(|| user.clone()) });
        if let Err(error) = try_join_all(pings).await {
            return error;
        }
    }
}

/// Afterwards every status is exactly what the sockets are.
async fn judge(world: &World, plan: &Plan, stay: &Mutex<HashMap<String, Socket>>) -> Result<()> {
    let sockets = std::mem::take(&mut *stay.lock().await);
    for (user, token) in &plan.users {
        let wanted: Vec<String> = sockets.contains_key(user).then(|| token.clone()).into_iter().collect();
        let shown = || async {
            anyhow::Ok(world.status(user).await?.connections.into_iter().map(|c| c.token).collect())
        };
        world.eventually(user, shown, &wanted).await?;
    }
    for (user, mut socket) in sockets {
        socket.alive().await.with_context(|| user.clone())?;
    }
    Ok(())
}

/// A generator of its own, so that every run asks the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}
