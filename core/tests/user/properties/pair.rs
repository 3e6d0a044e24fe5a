//! The aggregate and the model side by side: every step is done to both, and then they are compared.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_core::{
    gateway::{Incoming, Payload},
    id::{ConnId, TenantId, UserId},
    policy::LoginPolicy,
    token::{TokenError, TokenHash, TokenText, Verified, store::TokenState},
    user::{
        Claimed, Command, ForceOff, OpenError, Opening, PendingRequest, Presence, PresenceVersion,
        RegistrationVersion, Reply,
    },
};

use super::{
    commands::{Claim, Pick, Step, Turn, wire},
    model::{self, Answer, Heard, Model},
};
use crate::harness::{
    Adapter, CommitFailed, Event, JSON, Setup, Store, Trace, check_order, code, platform, refusal,
};

pub struct Pair<S> {
    pub adapter: Adapter<S>,
    pub model: Model,
    /// By the model's number.
    pub tokens: Vec<(TokenText, TokenHash)>,
    /// Every connection that was ever tried.
    pub connections: Vec<ConnId>,
    /// Whether all is compared after every step, or only how many are live.
    pub thorough: bool,
    numbers: BTreeMap<TokenHash, usize>,
    /// `None` was never issued.
    read: BTreeMap<Option<usize>, Verified>,
    records: BTreeMap<ConnId, rollcall_core::id::RecordId>,
    pending: Vec<(Vec<(UserId, RegistrationVersion)>, PendingRequest)>,
    forged: TokenText,
}

impl<S: Store> Pair<S> {
    pub fn new(store: S, setup: Setup) -> Self {
        let adapter = Adapter::over(store, setup);
        let forged = adapter.forge(5);
        let model = Model {
            most_tokens: setup.most_tokens,
            most_connections: setup.most_connections,
            grace: i64::try_from(setup.grace).unwrap() * 1000,
            numbered: setup.numbered,
            ..Model::new(setup.user(), setup.policy, adapter.now)
        };
        Self {
            adapter,
            model,
            tokens: Vec::new(),
            connections: Vec::new(),
            thorough: true,
            numbers: BTreeMap::new(),
            read: BTreeMap::new(),
            records: BTreeMap::new(),
            pending: Vec::new(),
            forged,
        }
    }

    /// Does one step to both. The trace, if there was a command and its commit held.
    pub fn step(&mut self, turn: &Turn) -> Option<Trace> {
        let fails = turn.commit_fails;
        match turn.step {
            Step::Wait(millis) => {
                self.wait(millis);
                None
            }
            Step::Issue(number) => self.issue(number, fails),
            Step::Verify(pick) => {
                let token = self.token(pick);
                self.verify(token);
                None
            }
            Step::Open { token, claim, background } => {
                let token = self.token(token);
                self.open(token, claim, background, fails)
            }
            Step::Reopen(pick) => {
                let live = self.model.live.len();
                let token = (live > 0).then(|| self.model.live[pick.0 % live].token);
                self.open(token, Claim::True, false, fails)
            }
            Step::Close(pick) => {
                let connection = self.connection(pick);
                self.close(connection, fails)
            }
            Step::Background(pick, background) => {
                let connection = self.connection(pick);
                let id = connection.to_string();
                let command = Command::SetBackground { connection, background };
                self.both(&command, fails, |model| model.set_background(&id, background))
            }
            Step::Receive(pick, frame) => {
                let connection = self.connection(pick);
                self.receive(connection, frame, fails)
            }
            Step::ForceOffPlatform(number) => self.force_off(&model::Order::Platform(number), fails),
            Step::ForceOffToken(pick) => {
                let token = self.token(pick);
                self.force_off(&model::Order::Token(token), fails)
            }
            Step::ForceOffConnection(pick) => {
                let id = self.connection(pick).to_string();
                self.force_off(&model::Order::Connection(id), fails)
            }
            Step::ForceOffEverything => self.force_off(&model::Order::Everything, fails),
            Step::Deny(connection, millis) => {
                let id = connection.map(|pick| self.connection(pick).to_string());
                self.force_off(&model::Order::Denying(id, millis), fails)
            }
            Step::Unlock => self.unlock(fails),
            Step::Policy(number) => {
                self.model.policy = number;
                let most = self.model.most_tokens;
                self.adapter.rules.policy = LoginPolicy::from_number(number.into(), most).unwrap();
                None
            }
            Step::Status => self.both(&Command::Status, fails, |model| Answer::Presence(model.presence())),
            Step::Tick => self.both(&Command::Tick, fails, Model::tick),
            Step::Answers { asked } => {
                self.answers(asked);
                None
            }
        }
    }

    pub fn wait(&mut self, millis: i64) {
        let until = self.model.now + millis;
        for trace in self.adapter.wait(millis) {
            check_order(&trace, &self.live_ids());
        }
        if let Some(due) = self.model.held.as_ref().map(|held| held.until).filter(|due| *due <= until) {
            self.model.now = self.model.now.max(due);
            self.model.tick();
        }
        self.model.now = until;
        self.compare();
    }

    pub fn issue(&mut self, number: u8, fails: bool) -> Option<Trace> {
        let command = Command::IssueToken { platform: platform(number) };
        self.both(&command, fails, |model| model.issue(number))
    }

    pub fn unlock(&mut self, fails: bool) -> Option<Trace> {
        self.both(&Command::Unlock { within: None }, fails, Model::unlock)
    }

    /// 0 or the error's number, on which both agree.
    pub fn verify(&mut self, token: Option<usize>) -> i64 {
        let expected = self.model.token_status(token);
        match self.read(token) {
            Err(error) => assert_eq!(code(error), expected),
            Ok(token) => {
                self.both(&Command::VerifyToken { token: token.hash }, false, |_| {
                    Answer::TokenStatus(expected)
                });
            }
        }
        expected
    }

    pub fn open(
        &mut self,
        token: Option<usize>,
        claim: Claim,
        background: bool,
        fails: bool,
    ) -> Option<Trace> {
        let id = self.adapter.draw_connection();
        self.connections.push(id);
        let number = token.map_or(5, |token| self.model.tokens[token].platform);
        let other = number % 11 + 1;
        let (user, claimed) = match claim {
            Claim::True => (self.model.user.clone(), number),
            Claim::AnotherUser => ("another user".to_owned(), number),
            Claim::AnotherPlatform => (self.model.user.clone(), other),
            Claim::BothWrong => ("another user".to_owned(), other),
        };
        let opening =
            model::Opening { id: id.to_string(), token, user: user.clone(), platform: claimed, background };
        let verified = match self.read(token) {
            Ok(verified) => verified,
            Err(error) => {
                assert_eq!(self.model.open(opening), Answer::Opened(code(error), String::new()));
                self.compare();
                return None;
            }
        };
        let command = Command::Open(Box::new(Opening {
            connection: id,
            token: verified,
            claimed: Claimed { user, platform: platform(claimed) },
            background,
            wire: JSON,
            client: rollcall_core::user::Client::default(),
        }));
        self.both(&command, fails, |model| model.open(opening))
    }

    pub fn close(&mut self, connection: ConnId, fails: bool) -> Option<Trace> {
        let id = connection.to_string();
        self.both(&Command::Close { connection }, fails, |model| model.close(&id))
    }

    pub fn receive(&mut self, connection: ConnId, frame: model::Frame, fails: bool) -> Option<Trace> {
        let id = connection.to_string();
        let message = match wire(frame, &self.model.user) {
            Ok(text) => Incoming::Text(text),
            Err(bytes) => Incoming::Binary(bytes),
        };
        let command = self.adapter.decoded(connection, &message);
        let trace = self.both(&command, fails, |model| model.receive(&id, frame))?;
        for event in &trace {
            if let Event::Watch(watches, pending) = event {
                self.pending.push((watches.clone(), pending.clone()));
            }
        }
        Some(trace)
    }

    pub fn force_off(&mut self, order: &model::Order, fails: bool) -> Option<Trace> {
        let what = match order {
            model::Order::Platform(number) => ForceOff::Platform(platform(*number)),
            model::Order::Token(token) => ForceOff::Login {
                platform: platform(token.map_or(5, |token| self.model.tokens[token].platform)),
                token: Some(TokenHash::of(self.text(*token).expose())),
                connection: None,
            },
            model::Order::Connection(id) => ForceOff::Login {
                platform: platform(
                    self.model.live.iter().find(|one| one.id == *id).map_or(5, |one| one.platform),
                ),
                token: None,
                connection: Some(id.parse().unwrap()),
            },
            model::Order::Everything => ForceOff::Everything { within: None, notice: None, at: None },
            model::Order::Denying(connection, millis) => {
                let window = self.adapter.window(0, u64::try_from(*millis).unwrap() / 1_000);
                let record = |id: &String| self.records.get(&id.parse::<ConnId>().unwrap()).copied();
                let order = match connection {
                    None => ForceOff::Everything { within: None, notice: None, at: None },
                    Some(id) => ForceOff::Connections {
                        within: TenantId(0),
                        records: record(id).into_iter().collect(),
                        notice: "notice".to_owned(),
                    },
                };
                order.denying(Some(window))
            }
        };
        let order = match order {
            model::Order::Token(token) => model::Order::Token(token.filter(|token| self.knows(*token))),
            other => other.clone(),
        };
        let trace = self.both(&Command::ForceOff(what), fails, |model| model.force_off(&order))?;
        let publication = |event: &Event| match event {
            Event::Publish { awaited } => Some(*awaited),
            _ => None,
        };
        let published: Vec<bool> = trace.iter().filter_map(publication).collect();
        let wanted: &[bool] = if self.model.numbered { &[true] } else { &[] };
        assert_eq!(published, wanted, "a force-off waits for the directory, whatever it found: {trace:?}");
        Some(trace)
    }

    fn answers(&mut self, asked: bool) {
        for (watches, pending) in std::mem::take(&mut self.pending) {
            let seen = PresenceVersion { sequence: 0, platforms: [5, 2].map(platform).into_iter().collect() };
            let presences = asked.then(|| {
                watches.into_iter().map(|(user, registration)| (user, registration, seen)).collect()
            });
            let id = pending.connection.to_string();
            self.both(&Command::Answered { pending, presences }, false, |model| model.told(&id, asked));
        }
    }

    /// Gives one command to both and compares what they answer, say and know.
    fn both(
        &mut self,
        command: &Command,
        fails: bool,
        on_model: impl FnOnce(&mut Model) -> Answer,
    ) -> Option<Trace> {
        let before = fails.then(|| (self.adapter.user.clone(), self.adapter.store.dump()));
        let live = self.live_ids();
        let trace = match self.adapter.attempt(command, fails) {
            Ok(trace) => trace,
            Err(CommitFailed) => {
                let (user, store) = before.expect("only a commit that is made to fail does");
                assert_eq!(self.adapter.user, user, "a failed commit changed the live set");
                assert_eq!(self.adapter.store.dump(), store, "a failed commit changed the store");
                self.compare();
                return None;
            }
        };
        check_order(&trace, &live);
        for event in &trace {
            if let Event::Admit(id) = event
                && let Some(socket) = self.adapter.user.connections().iter().find(|socket| socket.id == *id)
            {
                self.records.extend(socket.record.map(|record| (*id, record)));
            }
        }
        let expected = on_model(&mut self.model);
        let answer = self.answer(&trace);
        assert_eq!(answer, expected, "after {command:?}");
        assert_eq!(heard(&trace), std::mem::take(&mut self.model.heard), "after {command:?}");
        self.compare();
        Some(trace)
    }

    /// The reply in the model's words.
    fn answer(&mut self, trace: &Trace) -> Answer {
        let Some(Event::Reply(reply)) = trace.last() else { panic!("no reply: {trace:?}") };
        match reply {
            Reply::Done | Reply::PendingWork(_) | Reply::Subscribing(_) => Answer::Done,
            Reply::Issued(issued) => {
                let hash = TokenHash::of(issued.token.expose());
                let twin = self.numbers.insert(hash, self.tokens.len());
                assert_eq!(twin, None, "a text was issued twice");
                self.tokens.push((issued.token.clone(), hash));
                Answer::Issued { lifetime: issued.lifetime_secs }
            }
            Reply::TokenStatus(status) => Answer::TokenStatus(status.err().map_or(0, code)),
            Reply::Opened(Ok(())) => Answer::Opened(0, String::new()),
            Reply::Denied(until) => Answer::Denied(until.millis()),
            Reply::Unlocked(unlocked) => Answer::Unlocked(*unlocked),
            Reply::Opened(Err(OpenError::Token(TokenError::Denied(until)))) => {
                assert_eq!(until.millis(), self.model.denied_until);
                Answer::Opened(1506, "denied".to_owned())
            }
            Reply::Opened(Err(error)) => {
                let (code, detail) = refusal(error);
                Answer::Opened(code, detail)
            }
            Reply::Presence(presences) => {
                let seen = |one: &Presence| {
                    let token = self.numbers[&TokenHash::of(one.token.expose())];
                    (one.connection.to_string(), one.platform.number(), one.background, token)
                };
                Answer::Presence(presences.iter().map(seen).collect())
            }
            Reply::Overview(_)
            | Reply::Revoked(_)
            | Reply::Snapshot(_)
            | Reply::Watching(_)
            | Reply::Follows(_)
            | Reply::FanOut(_)
            | Reply::WasRegistered(_)
            | Reply::Account(_) => {
                unreachable!("no step of one user alone")
            }
            Reply::Broken => panic!("broken"),
        }
    }

    fn compare(&self) {
        assert_eq!(self.adapter.user.connections().len(), self.model.live.len(), "how many are live");
        if self.thorough {
            self.compare_all();
        }
    }

    /// What both know is the same.
    pub fn compare_all(&self) {
        let live: Vec<model::Seen> = self
            .adapter
            .user
            .connections()
            .iter()
            .map(|socket| {
                let token = self.numbers[&socket.token.hash];
                (socket.id.to_string(), socket.token.platform.number(), socket.background, token)
            })
            .collect();
        assert_eq!(live, self.model.presence(), "who is live");
        if let Some(held) = &self.model.held {
            let wake_at = self.adapter.wake_at.map(|moment| moment.millis());
            assert!(wake_at.is_some_and(|moment| moment <= held.until), "no tick is due for the held end");
        }
        let stored = self.adapter.store.tokens(self.adapter.user.id());
        for (token, (_, hash)) in self.model.tokens.iter().zip(&self.tokens) {
            if self.model.now / 1000 < token.expires {
                let state = if token.kicked { TokenState::Kicked } else { TokenState::Valid };
                assert_eq!(stored.get(hash), Some(&state), "{token:?}");
            }
        }
        let records = self.adapter.store.records();
        assert_eq!(records.len(), self.model.records.len());
        for (id, record) in &self.model.records {
            let shown = records[&self.records[&id.parse().unwrap()]];
            assert_eq!((shown.online_at, shown.offline_at), (record.online_at, record.offline_at), "{id}");
        }
    }

    /// Verifies a token without its status. That costs more than all the rest, so it is done once for each token where
    /// many steps are to be made.
    fn read(&mut self, token: Option<usize>) -> Result<Verified, TokenError> {
        let known = match self.read.get(&token).filter(|_| !self.thorough) {
            Some(known) => known.clone(),
            None => self.adapter.verify(&self.text(token))?,
        };
        if known.expires <= self.adapter.time() {
            return Err(TokenError::Expired);
        }
        self.read.insert(token, known.clone());
        Ok(known)
    }

    fn text(&self, token: Option<usize>) -> TokenText {
        token.map_or(&self.forged, |token| &self.tokens[token].0).clone()
    }

    /// Whether the store has the token's row, or a connection lives on it. When expired rows go is the store's own affair.
    fn knows(&self, token: usize) -> bool {
        let stored = self.adapter.store.tokens(self.adapter.user.id());
        stored.contains_key(&self.tokens[token].1) || self.model.live.iter().any(|one| one.token == token)
    }

    /// One of the last dozen tokens, or now and then one that was never issued.
    fn token(&self, pick: Pick) -> Option<usize> {
        let many = self.tokens.len();
        (many > 0 && pick.0 % 13 < 12).then(|| many - 1 - pick.0 % 13 % many)
    }

    /// A live connection, one that was, or one that never was.
    fn connection(&mut self, pick: Pick) -> ConnId {
        let (live, ever) = (self.adapter.user.connections(), self.connections.len());
        match pick.0 % 4 {
            0..3 if !live.is_empty() => live[pick.0 / 4 % live.len()].id,
            _ if ever > 0 => self.connections[ever - 1 - pick.0 / 4 % ever],
            _ => self.adapter.draw_connection(),
        }
    }

    fn live_ids(&self) -> BTreeSet<ConnId> {
        self.adapter.live().into_iter().collect()
    }
}

fn heard(trace: &Trace) -> BTreeMap<String, Vec<Heard>> {
    let mut heard: BTreeMap<String, Vec<Heard>> = BTreeMap::new();
    for event in trace {
        let (id, what) = match event {
            Event::Send(id, Payload::Text(text)) => (id, Heard::Text(text.clone())),
            Event::Send(id, Payload::Binary(bytes)) => {
                (id, Heard::Binary(String::from_utf8(bytes.clone()).unwrap()))
            }
            Event::Close(id, close) => (id, Heard::Closed(close.code())),
            _ => continue,
        };
        heard.entry(id.to_string()).or_default().push(what);
    }
    heard
}
