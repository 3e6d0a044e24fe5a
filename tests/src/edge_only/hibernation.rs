//! Objects that were thrown out of memory while their clients stayed.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    probe,
    setup::{Runtime, Setup},
};
use crate::{
    check::{holds, same},
    compare,
    profile::Profile,
    proto,
    transcript::{CaseTranscript, Recorder},
    world::{UserStatus, UserTokens, World},
    ws::{Handshake, Socket},
};

/// The runtime evicts an object 10 s after its last event, what it does after an answer included, and some seconds later
/// on a busy machine. No event announces it and every look prevents it, so this is a wait: one for all users of this
/// module together.
const PAST_EVICTION: Duration = Duration::from_secs(20);

/// Plays the same scenario twice, without a break and with an idle time in its middle: every answer, frame and
/// close must be the same.
pub(super) async fn hibernation_is_invisible(setup: Setup) -> Result<String> {
    let runtime = setup.start(&Profile::Policy1.settings()).await?;

    let scenario = Scenario::set(&runtime).await?;
    let before = scenario.instances().await?;
    let (awake, after) = scenario.play().await?;
    same(&after, &before, "the instances without an idle time")?;

    let scenario = Scenario::set(&runtime).await?;
    let before = scenario.instances().await?;
    sleep(PAST_EVICTION).await;
    let (slept, after) = scenario.play().await?;
    for (role, instance) in &before {
        holds(after.get(role) != Some(instance), || format!("the object of {role} was never evicted"))?;
    }

    let verdict = compare::compare(("awake", &awake), ("hibernated", &slept));
    holds(verdict.differences.is_empty(), || verdict.differences.concat())?;
    runtime.stop().await?;
    let said: usize = slept.values().map(|case| case.entries.len()).sum();
    Ok(format!("{} objects evicted, {said} exchanges equal", before.len()))
}

/// The users of one playing and what they hold.
struct Scenario {
    world: World,
    recorder: Recorder,
    clients: BTreeMap<&'static str, Client>,
    watched: (UserStatus, Vec<UserTokens>),
}

struct Client {
    user: String,
    token: String,
    socket: Socket,
}

const TALKER: &str = "talker";
const KICKED: &str = "kicked";
/// The kicked one has records, since its name is a number.
const NUMBER: &str = "1000000000000001";
const WATCHED: &str = "watched";
const BACKGROUND: &str = "background";
const LEAVER: &str = "leaver";
const CLOSER: &str = "closer";
const RETURNING: &str = "returning";
const REPLACED: &str = "replaced";

impl Scenario {
    /// Every client connects, and some send a message.
    async fn set(runtime: &Runtime) -> Result<Self> {
        let recorder = Recorder::new();
        let world = runtime.recorded_by(recorder.clone());
        let mut clients = BTreeMap::new();
        for role in [TALKER, KICKED, WATCHED, BACKGROUND, LEAVER, CLOSER, RETURNING, REPLACED] {
            let user = if role == KICKED { NUMBER.to_owned() } else { world.user(role) };
            // Who played the scenario before has left it.
            world.until_platforms(&user, &[]).await?;
            let (token, socket) = world.login(&user, 5).await?;
            clients.insert(role, Client { user, token, socket });
        }
        let unseen = UserStatus { user: String::new(), status: 0, connections: Vec::new() };
        let mut scenario = Self { world, recorder, clients, watched: (unseen, Vec::new()) };
        let talker = scenario.client(TALKER)?;
        echo(&mut talker.socket, "before").await?;
        let background = scenario.client(BACKGROUND)?;
        let payload = proto::background_status(&background.user, true);
        background.socket.ask(2004, &background.user.clone(), Some(&payload)).await?;
        scenario.watched = scenario.watch().await?;
        Ok(scenario)
    }

    /// Which construction each user's object is.
    async fn instances(&self) -> Result<BTreeMap<&'static str, u64>> {
        let mut found = BTreeMap::new();
        for (role, client) in &self.clients {
            found.insert(*role, probe::look(&self.world, &client.user).await?.instance);
        }
        Ok(found)
    }

    /// Every client plays its part. Returns the transcript from the beginning, and the instances afterwards.
    async fn play(mut self) -> Result<(BTreeMap<String, CaseTranscript>, BTreeMap<&'static str, u64>)> {
        let users: BTreeMap<&'static str, String> =
            self.clients.iter().map(|(role, client)| (*role, client.user.clone())).collect();
        self.a_query_shows_what_it_showed().await.context(WATCHED)?;
        self.a_message_is_answered().await.context(TALKER)?;
        self.a_kick_is_delivered().await.context(KICKED)?;
        self.the_background_flag_is_kept().await.context(BACKGROUND)?;
        self.a_logout_is_answered().await.context(LEAVER)?;
        self.a_close_is_noticed().await.context(CLOSER)?;
        self.a_reconnect_replaces().await.context(RETURNING)?;
        self.a_new_login_kicks().await.context(REPLACED)?;
        let mut instances = BTreeMap::new();
        for (role, user) in users {
            instances.insert(role, probe::look(&self.world, &user).await?.instance);
        }
        Ok((self.transcript(), instances))
    }

    async fn a_query_shows_what_it_showed(&mut self) -> Result<()> {
        same(self.watch().await?, self.watched.clone(), "status and token detail")?;
        self.client(WATCHED)?.socket.alive().await
    }

    async fn a_message_is_answered(&mut self) -> Result<()> {
        let watched = self.client(WATCHED)?.user.clone();
        let talker = self.client(TALKER)?;
        echo(&mut talker.socket, "after").await?;
        talker.socket.ask(1001, &talker.user, Some(&proto::user_only(&talker.user))).await?;
        let presence = proto::subscription(&[watched.as_str()], &[]);
        talker.socket.ask(2005, &talker.user, Some(&presence)).await?;
        talker.socket.alive().await
    }

    async fn a_kick_is_delivered(&mut self) -> Result<()> {
        let Client { user, token, mut socket } = self.take(KICKED)?;
        self.world.force_logout(&user, 5).await?;
        same(self.world.status(&user).await?.status, 0, "status right after the kick")?;
        socket.kicked().await?;
        self.world.expect_verdict(&token, 1506, "the kicked token").await?;
        self.world.refused_both_ways(&Handshake::new(&user, 5, &token), 1506, "").await
    }

    async fn the_background_flag_is_kept(&mut self) -> Result<()> {
        let Client { user, token: _, mut socket } = self.take(BACKGROUND)?;
        for flag in [true, false] {
            let shown: Vec<bool> =
                self.world.status(&user).await?.connections.iter().map(|c| c.background).collect();
            same(shown, vec![flag], "the flag")?;
            socket.ask(2004, &user, Some(&proto::background_status(&user, false))).await?;
        }
        Ok(())
    }

    async fn a_logout_is_answered(&mut self) -> Result<()> {
        let Client { user, token, mut socket } = self.take(LEAVER)?;
        socket.ask(2003, &user, Some(&proto::push_token(&user, 5))).await?;
        socket.ended_silently().await?;
        self.world.until_platforms(&user, &[]).await?;
        self.world.expect_verdict(&token, 0, "the token after logout").await
    }

    async fn a_close_is_noticed(&mut self) -> Result<()> {
        let Client { user, token, socket } = self.take(CLOSER)?;
        socket.close().await?;
        self.world.until_platforms(&user, &[]).await?;
        self.world.expect_verdict(&token, 0, "the token after a close").await
    }

    async fn a_reconnect_replaces(&mut self) -> Result<()> {
        let Client { user, token, socket: mut old } = self.take(RETURNING)?;
        let mut new = self.world.open(&user, 5, &token).await?;
        old.ended_silently().await?;
        same(self.world.platforms(&user).await?, vec![5], "platforms online")?;
        new.alive().await
    }

    async fn a_new_login_kicks(&mut self) -> Result<()> {
        let Client { user, token, socket: mut old } = self.take(REPLACED)?;
        let (_, mut new) = self.world.login(&user, 5).await?;
        old.kicked().await?;
        self.world.expect_verdict(&token, 1506, "the token of the older login").await?;
        same(self.world.platforms(&user).await?, vec![5], "platforms online")?;
        new.alive().await
    }

    async fn watch(&self) -> Result<(UserStatus, Vec<UserTokens>)> {
        let user = &self.clients.get(WATCHED).context(WATCHED)?.user;
        Ok((self.world.status(user).await?, self.world.details(&[user.as_str()]).await?))
    }

    fn client(&mut self, role: &'static str) -> Result<&mut Client> {
        self.clients.get_mut(role).context(role)
    }

    fn take(&mut self, role: &'static str) -> Result<Client> {
        self.clients.remove(role).context(role)
    }

    /// The transcript so far.
    fn transcript(&self) -> BTreeMap<String, CaseTranscript> {
        let case = "the_same_scenario".to_owned();
        let entries = self.recorder.masked();
        BTreeMap::from([(case.clone(), CaseTranscript { case, passed: true, entries })])
    }
}

/// A ping that the runtime does not answer by itself.
async fn echo(socket: &mut Socket, body: &str) -> Result<()> {
    socket.send_text(&json!({"type": "ping", "body": body}).to_string()).await?;
    let pong: Value = serde_json::from_str(&socket.text().await?)?;
    same(pong, json!({"type": "pong", "body": body}), "the pong")
}
