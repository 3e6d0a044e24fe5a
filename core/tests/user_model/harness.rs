//! An adapter as small as one can be: it has a store, one user's live set and a clock that is told the time.
//!
//! It does what every adapter does with an outcome (load, apply, commit, carry out in order, reply) and writes down
//! each thing that the world outside could notice.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_core::{
    directory::view::Cutoff,
    gateway::{Close, Encoding, Incoming, Payload, Wire},
    id::{ConnId, RecordId, TenantId, UserId},
    openim::OpenImError,
    platform::Platform,
    policy::LoginPolicy,
    secret::Secret,
    serial::Serial,
    store::{
        Statement, Value,
        migrations::{StoreKind, tables},
    },
    time::{Moment, Timestamp},
    token::{
        Claims, Keys, TokenError, TokenHash, TokenText, Verified,
        store::{TokenRow, TokenSet, TokenState},
    },
    user::{
        Account, Action, Change, Claimed, Client, ClientMessage, Command, Connection, Console,
        ConsoleMessage, DanglingSubscription, ForceOff, HeldEnd, Loaded, Needs, OpenError, Opening, Orders,
        Outcome, PendingRequest, PresenceVersion, Profile, RegistrationVersion, Reply, Rules, Subscribing,
        Subscription, SubscriptionState, User, WATCHERS_AT_ONCE, WatchedState,
    },
};

/// JSON without compression.
pub const JSON: Wire = Wire { encoding: Encoding::Json, gzip: false };
/// The moment at which every test begins.
pub const START: i64 = 1_700_000_000_250;
const SECRET: &str = "a secret of the tests";

/// The statements of one change. The only place that knows how they are asked for.
fn statements(change: &Change, user: &UserId) -> Vec<Statement> {
    change.statements(user)
}

/// Something that the world outside could notice, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// From here on a crash loses nothing of this.
    Commit(Vec<Change>),
    Retire(Vec<ConnId>),
    Admit(ConnId),
    Keep(ConnId),
    Under(Serial),
    Background(ConnId, bool),
    Publish {
        awaited: bool,
    },
    Send(ConnId, Payload),
    Close(ConnId, Close),
    Watch(Vec<(UserId, RegistrationVersion)>, PendingRequest),
    Reply(Reply),
}

/// What one command led to.
pub type Trace = Vec<Event>;

/// The store said no; the caller is answered 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitFailed;

/// A record as the directory holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub online_at: i64,
    pub offline_at: Option<i64>,
}

/// Where durable facts are kept.
pub trait Store {
    fn load(&self, user: &User, command: &Command, now: Timestamp) -> Loaded {
        self.load_part(user, &command.needs(), now)
    }

    fn load_part(&self, user: &User, needs: &Needs, now: Timestamp) -> Loaded;

    /// All of them or none.
    fn commit(&mut self, user: &UserId, changes: &[Change], fail: bool) -> Result<(), CommitFailed>;

    fn tokens(&self, user: &UserId) -> BTreeMap<TokenHash, TokenState>;

    fn records(&self) -> BTreeMap<RecordId, Shown>;

    /// Everything there is, to see whether anything changed.
    fn dump(&self) -> String;
}

/// The store that counts: the statements of the product in a real database.
pub struct Sqlite(rusqlite::Connection);

impl Sqlite {
    pub fn new() -> Self {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.set_prepared_statement_cache_capacity(64);
        database.execute_batch(&tables(StoreKind::Origin)).unwrap();
        Self(database)
    }

    /// The one column of texts that a query about a user reads.
    pub fn texts(&self, sql: &'static str, user: &UserId) -> Vec<String> {
        let rows = self.rows(&Statement::new(sql, [Value::from(user.as_str())]));
        let text = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            other => panic!("{other:?} is no text"),
        };
        rows.into_iter().map(text).collect()
    }

    /// Runs one statement and returns its rows.
    pub fn rows(&self, statement: &Statement) -> Vec<Vec<Value>> {
        let mut prepared = self.0.prepare_cached(&statement.sql).unwrap();
        let width = prepared.column_count();
        let params = rusqlite::params_from_iter(statement.params.iter().map(bound));
        prepared
            .query_map(params, |row| (0..width).map(|column| row.get(column).map(read)).collect())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }
}

fn bound(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
    }
}

fn read(value: rusqlite::types::Value) -> Value {
    match value {
        rusqlite::types::Value::Null => Value::Null,
        rusqlite::types::Value::Integer(number) => Value::Int(number),
        rusqlite::types::Value::Text(text) => Value::Text(text),
        other => panic!("no column holds {other:?}"),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

impl Store for Sqlite {
    fn load_part(&self, user: &User, needs: &Needs, now: Timestamp) -> Loaded {
        let mut loaded = Loaded::default();
        for (part, query) in needs.queries(user, now) {
            loaded.absorb(part, &self.rows(&query)).unwrap();
        }
        loaded
    }

    fn commit(&mut self, user: &UserId, changes: &[Change], fail: bool) -> Result<(), CommitFailed> {
        let statements: Vec<_> = changes.iter().flat_map(|change| statements(change, user)).collect();
        let transaction = self.0.transaction().unwrap();
        for (index, statement) in statements.iter().enumerate() {
            if fail && index + 1 == statements.len() {
                return Err(CommitFailed); // what was done is rolled back
            }
            let mut prepared = transaction.prepare_cached(&statement.sql).unwrap();
            let params = rusqlite::params_from_iter(statement.params.iter().map(bound));
            match prepared.execute(params) {
                Ok(_) => {}
                Err(rusqlite::Error::SqliteFailure(error, _))
                    if error.code == rusqlite::ErrorCode::ConstraintViolation =>
                {
                    return Err(CommitFailed);
                }
                Err(error) => panic!("{}: {error}", statement.sql),
            }
        }
        transaction.commit().unwrap();
        Ok(())
    }

    fn tokens(&self, user: &UserId) -> BTreeMap<TokenHash, TokenState> {
        let query =
            Statement::new("SELECT hash, state FROM token WHERE user = ?1", [Value::from(user.as_str())]);
        let state = |number| if number == 0 { TokenState::Valid } else { TokenState::Kicked };
        let row = |row: &Vec<Value>| match &row[0] {
            Value::Text(hash) => (hash.parse().unwrap(), state(int(&row[1]))),
            other => panic!("{other:?} is no hash"),
        };
        self.rows(&query).iter().map(row).collect()
    }

    fn records(&self) -> BTreeMap<RecordId, Shown> {
        let query = Statement::new("SELECT id, online_at, offline_at FROM record", []);
        let row = |row: &Vec<Value>| {
            let offline_at = (row[2] != Value::Null).then(|| int(&row[2]));
            (RecordId::from_number(int(&row[0])).unwrap(), Shown { online_at: int(&row[1]), offline_at })
        };
        self.rows(&query).iter().map(row).collect()
    }

    fn dump(&self) -> String {
        let tables = ["user", "account", "token", "held_end", "record", "subscription", "watcher", "ties"];
        let all =
            |table: &&str| self.rows(&Statement::new(format!("SELECT * FROM {table} ORDER BY 1, 2"), []));
        format!("{:?}", tables.iter().map(all).collect::<Vec<_>>())
    }
}

/// The same facts of one user without SQL, for tests that need many.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    profile: Profile,
    account: Option<Account>,
    tokens: BTreeMap<TokenHash, TokenRow>,
    held: BTreeMap<RecordId, HeldEnd>,
    records: BTreeMap<RecordId, Shown>,
    subscriptions: BTreeMap<(String, UserId), (RegistrationVersion, PresenceVersion)>,
    watchers: BTreeMap<UserId, RegistrationVersion>,
    subscription_state: SubscriptionState,
}

/// Whether the change makes the user's own row where there is none.
fn makes_a_row(change: &Change) -> bool {
    matches!(
        change,
        Change::Tenant(_)
            | Change::Home(_)
            | Change::Revoked { .. }
            | Change::RevokedIn(_)
            | Change::Unlocked(_)
            | Change::Seen { .. }
    )
}

impl Store for Memory {
    fn load_part(&self, user: &User, needs: &Needs, now: Timestamp) -> Loaded {
        let mut loaded = Loaded::default();
        if needs.profile {
            loaded.profile = Some(self.profile.clone());
        }
        if needs.account {
            loaded.account = Some(self.account.clone());
        }
        if needs.valid_tokens {
            let counts = |row: &&TokenRow| {
                row.state == TokenState::Valid && row.expires > now && row.platform != Platform::Admin
            };
            loaded.valid = Some(self.tokens.values().filter(counts).cloned().collect());
        }
        if let Some(hash) = needs.presented {
            loaded.presented = Some(self.tokens.get(&hash).cloned());
        }
        if needs.held {
            loaded.held = Some(self.held.values().copied().collect());
        }
        let live: Vec<String> = user.connections().iter().map(|one| one.id.to_string()).collect();
        if needs.subscription_state {
            loaded.subscription_state = Some(WatchedState {
                is_watched: !self.watchers.is_empty(),
                is_following: !self.subscriptions.is_empty(),
                state: self.subscription_state.clone(),
            });
        }
        if let Some(connection) = needs.subscriptions {
            let of = connection.to_string();
            let own = self.subscriptions.iter().filter(|((other, _), _)| *other == of);
            let row = |((_, watched), (registration, acknowledged)): (
                &(String, UserId),
                &(RegistrationVersion, PresenceVersion),
            )| Subscription {
                watched: watched.clone(),
                registration: *registration,
                acknowledged: *acknowledged,
            };
            loaded.subscriptions = Some(own.map(row).collect());
        }
        if let Some(watched) = &needs.followers_of {
            let rows = self.subscriptions.iter();
            let follows = rows.filter(|((id, other), _)| other == watched && live.contains(id));
            let row = |((id, _), (_, acknowledged)): (&(String, UserId), &(_, PresenceVersion))| {
                (id.parse().unwrap(), *acknowledged)
            };
            loaded.followers = Some(follows.map(row).collect());
        }
        if needs.dangling {
            let lives = |id: &String| live.contains(id);
            let rows = self.subscriptions.keys().filter(|(id, _)| !lives(id));
            let row = |(id, watched): &(String, UserId)| DanglingSubscription {
                connection: id.clone(),
                watched: watched.clone(),
                is_followed: self.subscriptions.keys().any(|(id, other)| other == watched && lives(id)),
            };
            loaded.dangling = Some(rows.take(100).map(row).collect());
        }
        if let Some(watcher) = &needs.watcher {
            loaded.watcher = Some(self.watchers.get(watcher).copied());
        }
        if needs.watchers {
            let after = self.subscription_state.fan_out.as_ref().and_then(|fan_out| fan_out.after.as_ref());
            let behind = self.watchers.iter().filter(|(watcher, _)| Some(*watcher) > after);
            let page =
                behind.take(WATCHERS_AT_ONCE).map(|(watcher, registration)| (watcher.clone(), *registration));
            loaded.watchers = Some(page.collect());
        }
        loaded
    }

    fn commit(&mut self, _: &UserId, changes: &[Change], fail: bool) -> Result<(), CommitFailed> {
        if fail {
            return Err(CommitFailed);
        }
        for change in changes {
            self.profile.is_known |= makes_a_row(change);
            match change {
                Change::Profile(profile) => {
                    self.profile = profile.clone();
                    self.profile.is_known = true;
                }
                Change::Account(account) => self.account = Some(account.clone()),
                Change::Tenant(tenant) => {
                    self.profile.tenant = Some(*tenant);
                    self.profile.home = Some(*tenant);
                }
                Change::Home(tenant) => self.profile.home = Some(*tenant),
                Change::Revoked { at } => self.profile.revoked_at = self.profile.revoked_at.max(Some(*at)),
                Change::RevokedIn(orders) => self.profile.revoked_in = orders.clone(),
                Change::Unlocked(serials) => {
                    self.profile.revoked_at = None;
                    self.profile.revoked_in.clear();
                    self.profile.unlocked_in = serials.clone();
                }
                Change::Unseen { .. } => self.profile.is_unseen = true,
                Change::Seen { .. } => self.profile.is_unseen = false,
                Change::TokenIssued(row) => {
                    let twin = self.tokens.insert(row.hash, row.clone());
                    assert!(twin.is_none(), "a token was issued twice");
                }
                Change::TokensKicked(TokenSet::These(hashes)) => {
                    for hash in hashes {
                        if let Some(row) = self.tokens.get_mut(hash) {
                            row.state = TokenState::Kicked;
                        }
                    }
                }
                Change::TokensKicked(set) => {
                    for row in self.tokens.values_mut().filter(|row| set.contains(&row.hash, row.platform)) {
                        row.state = TokenState::Kicked;
                    }
                }
                Change::TokensTaken { by, .. } => {
                    for row in self.tokens.values_mut().filter(|row| row.under < *by) {
                        row.state = TokenState::Kicked;
                    }
                }
                Change::TokensOutdated { by } => {
                    for row in self.tokens.values_mut().filter(|row| row.issued_at <= *by) {
                        row.state = TokenState::Kicked;
                    }
                }
                Change::TokensUnder(serial) => {
                    for row in self.tokens.values_mut().filter(|row| row.state == TokenState::Valid) {
                        row.under = *serial;
                    }
                }
                Change::RecordOpened(record) => {
                    let shown = Shown { online_at: record.online_at.millis(), offline_at: None };
                    assert!(self.records.insert(record.id, shown).is_none(), "a record was opened twice");
                }
                Change::RecordEnded { record, at } => {
                    let shown = self.records.get_mut(record).expect("what ends was opened");
                    shown.offline_at = shown.offline_at.or(Some(at.millis()));
                }
                Change::EndHeld(held) => {
                    self.held.insert(held.record, *held);
                }
                Change::HeldReleased => self.held.clear(),
                Change::Subscribed { connection, watched } => {
                    for (user, registration) in watched {
                        let row = self.subscriptions.entry((connection.to_string(), user.clone()));
                        row.or_insert((*registration, PresenceVersion::unanswered())).0 = *registration;
                    }
                }
                Change::Unsubscribed { connection, watched } => {
                    for user in watched {
                        let row = self.subscriptions.remove(&(connection.to_string(), user.clone()));
                        self.subscriptions.extend(row.map(|row| ((String::new(), user.clone()), row)));
                    }
                }
                Change::TakenBack(watched) => {
                    for user in watched {
                        let row = self.subscriptions.entry((String::new(), user.clone()));
                        row.or_default();
                    }
                }
                Change::Released(dangling) => {
                    for DanglingSubscription { connection, watched, .. } in dangling {
                        self.subscriptions.remove(&(connection.clone(), watched.clone()));
                    }
                }
                Change::Acknowledged { connection, presences } => {
                    for (user, presence) in presences {
                        if let Some(row) = self.subscriptions.get_mut(&(connection.to_string(), user.clone()))
                        {
                            row.1 = *presence;
                        }
                    }
                }
                Change::Watched { watcher, registration } => {
                    let known = self.watchers.entry(watcher.clone()).or_insert(*registration);
                    *known = (*known).max(*registration);
                }
                Change::Unwatched(watchers) => {
                    for (watcher, by) in watchers {
                        self.watchers.retain(|other, registration| other != watcher || *registration > *by);
                    }
                }
                Change::SubscriptionState(state) => self.subscription_state = state.clone(),
            }
        }
        Ok(())
    }

    fn tokens(&self, _: &UserId) -> BTreeMap<TokenHash, TokenState> {
        self.tokens.values().map(|row| (row.hash, row.state)).collect()
    }

    fn records(&self) -> BTreeMap<RecordId, Shown> {
        self.records.clone()
    }

    fn dump(&self) -> String {
        format!("{self:?}")
    }
}

/// One user and all that an adapter has for it.
pub struct Adapter<S> {
    pub user: User,
    pub store: S,
    pub rules: Rules,
    /// What the clock shows.
    pub now: i64,
    /// The orders in force. Each tenant counts its own.
    pub orders: BTreeMap<TenantId, Cutoff>,
    /// When the user wants a tick.
    pub wake_at: Option<Timestamp>,
    /// Whether to look at each command more than once, see [`Adapter::inspect`].
    pub inspecting: bool,
    drawn: u64,
    texts: Vec<TokenText>,
}

/// Settings that tests vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    pub policy: u8,
    /// `presence.max_tokens_per_platform`
    pub most_tokens: usize,
    /// `presence.max_connections_per_user`
    pub most_connections: usize,
    /// `presence.grace_seconds`
    pub grace: u64,
    /// Whether the userID is a number, and its connections have records.
    pub numbered: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { policy: 1, most_tokens: 30, most_connections: 100, grace: 0, numbered: true }
    }
}

impl Setup {
    pub fn user(&self) -> &'static str {
        if self.numbered { "2890713225" } else { "alice" }
    }
}

impl Adapter<Sqlite> {
    pub fn new(setup: Setup) -> Self {
        Self::over(Sqlite::new(), setup)
    }
}

impl<S: Store> Adapter<S> {
    pub fn over(store: S, setup: Setup) -> Self {
        Self {
            user: User::new(UserId::new(setup.user()).unwrap(), Vec::new()),
            store,
            rules: Rules {
                keys: Keys::new(&Secret::from(SECRET), &[]),
                token_ttl_days: 1,
                policy: LoginPolicy::from_number(setup.policy.into(), setup.most_tokens).unwrap(),
                max_connections: setup.most_connections,
                grace: std::time::Duration::from_secs(setup.grace),
                tenants: Vec::new(),
                admins: [UserId::new("imAdmin").unwrap()].into(),
                revoke_pat: false,
            },
            now: START,
            orders: BTreeMap::new(),
            wake_at: None,
            inspecting: true,
            drawn: 0,
            texts: Vec::new(),
        }
    }

    /// One command from beginning to end.
    pub fn run(&mut self, command: &Command) -> Trace {
        self.attempt(command, false).expect("the commit succeeds")
    }

    /// One command, whose commit may be made to fail.
    pub fn attempt(&mut self, command: &Command, commit_fails: bool) -> Result<Trace, CommitFailed> {
        let at = Moment { now: self.time(), entropy: self.draw() };
        let mut loaded = self.store.load(&self.user, command, at.now);
        if command.needs().orders {
            let (id, rules) = (self.user.id(), &self.rules);
            let all = Needs { profile: true, ..command.needs() };
            loaded.profile = self.store.load_part(&self.user, &all, at.now).profile;
            let tenant = command.tenant(id, &loaded, rules).unwrap();
            let former = command.former_tenant(id, &loaded, rules).unwrap();
            let cutoff = self.orders.get(&tenant).cloned();
            let under = cutoff.as_ref().map_or(Serial::NONE, |cutoff| cutoff.serial);
            let former = former.and_then(|former| self.orders.get(&former).cloned());
            loaded.orders = Some(Orders { cutoff, former, under });
        }
        let outcome = self.user.apply(command, &loaded, &self.rules, at).expect("needs names what is read");
        if self.inspecting {
            self.inspect(command, &loaded, &outcome, at);
        }
        let mut trace = Vec::new();
        if !outcome.changes.is_empty() {
            self.store.commit(self.user.id(), &outcome.changes, commit_fails)?;
            trace.push(Event::Commit(outcome.changes));
        }
        self.wake_at = outcome.wake_at.into_iter().chain(self.wake_at).min();
        for action in outcome.actions {
            self.user.settle(&action);
            trace.push(match action {
                // The pace has no effect outside the user.
                Action::KeepPace(_) => continue,
                Action::Retire(ids) => Event::Retire(ids),
                Action::Admit(connection) => Event::Admit(connection.id),
                Action::AdmitConsole(console) => Event::Admit(console.id),
                Action::KeepConsole(console) => Event::Keep(console.id),
                Action::SetUnder(serial) => Event::Under(serial),
                Action::SetBackground { connection, background } => Event::Background(connection, background),
                Action::Publish { awaited } => Event::Publish { awaited },
                Action::Send { connection, payload } => Event::Send(connection, payload),
                Action::Close { connection, close } => Event::Close(connection, close),
            });
        }
        if let Reply::Issued(issued) = &outcome.reply {
            self.texts.push(issued.token.clone());
        }
        if let Reply::Subscribing(Some(Subscribing { watches, pending })) = &outcome.reply {
            trace.push(Event::Watch(watches.clone(), pending.clone()));
        }
        trace.push(Event::Reply(outcome.reply));
        Ok(trace)
    }

    /// A message as an adapter hands it on.
    pub fn decoded(&self, connection: ConnId, message: &Incoming) -> Command {
        if let Some(console) = self.user.consoles().iter().find(|sender| sender.id == connection) {
            return Command::Receive { connection, message: ConsoleMessage::decode(console, message) };
        }
        let sender = self.user.connections().iter().find(|sender| sender.id == connection);
        let decode = |sender: &Connection| ClientMessage::decode(sender.wire, self.user.id(), message);
        Command::Decoded { connection, message: sender.map_or(ClientMessage::Nothing, decode) }
    }

    /// A message of a client.
    pub fn receive(&mut self, connection: ConnId, message: &Incoming) -> Trace {
        self.run(&self.decoded(connection, message))
    }

    /// What has to hold for every command, whatever it is: the same arguments give the same outcome; what crosses
    /// the wire between a Worker and its objects arrives as it was sent; nothing shows a token when printed.
    fn inspect(&self, command: &Command, loaded: &Loaded, outcome: &Outcome, at: Moment) {
        let arrived = arrived(command);
        let again = self.user.apply(&arrived, loaded, &self.rules, at).unwrap();
        assert_eq!(&again, outcome, "{command:?} led to two outcomes");
        assert_eq!(&arrived, command);
        assert_eq!(crossed(&outcome.reply), outcome.reply);
        assert_eq!(crossed(&outcome.changes), outcome.changes);
        let attached: Vec<Connection> = self.user.connections().iter().rev().map(crossed).collect();
        let consoles: Vec<Console> = self.user.consoles().iter().rev().map(crossed).collect();
        let restored = User::new(self.user.id().clone(), attached).with_consoles(consoles);
        let parts = |user: &User| (user.connections().to_vec(), user.consoles().to_vec());
        assert_eq!(parts(&restored), parts(&self.user), "restored from its sockets");
        let printed = format!("{command:?} {loaded:?} {outcome:?} {:?}", self.user);
        let answered = match &outcome.reply {
            Reply::Issued(issued) => Some(&issued.token),
            _ => None,
        };
        for text in self.texts.iter().chain(answered) {
            assert!(!printed.contains(text.expose()), "a token was printed: {printed}");
        }
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    /// Lets time pass; a tick that the user asked for comes when it is due. The traces of the ticks.
    pub fn wait(&mut self, millis: i64) -> Vec<Trace> {
        let until = self.now + millis;
        let mut traces = Vec::new();
        while let Some(due) = self.wake_at.filter(|due| due.millis() <= until) {
            self.now = self.now.max(due.millis());
            self.wake_at = None;
            traces.push(self.run(&Command::Tick));
            assert!(traces.len() < 10, "ticks without end");
        }
        self.now = until;
        traces
    }

    /// An order to a tenant, for all but these users.
    pub fn order(&mut self, tenant: i64, exempt: &[i64]) {
        let tenant = TenantId(tenant);
        let before = self.orders.get(&tenant);
        let newest = before.map_or(Serial::NONE, |cutoff| cutoff.serial);
        let cutoff = Cutoff::next(before, newest, exempt.to_vec(), self.time());
        self.orders.insert(tenant, cutoff);
    }

    /// The order in force for a tenant.
    pub fn cutoff(&self, tenant: i64) -> Option<&Cutoff> {
        self.orders.get(&TenantId(tenant))
    }

    /// Random bits that do not repeat.
    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        splitmix(self.drawn)
    }

    pub fn draw_connection(&mut self) -> ConnId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.draw().to_be_bytes());
        bytes[8..].copy_from_slice(&self.draw().to_be_bytes());
        ConnId::from_bytes(bytes)
    }

    pub fn issue(&mut self, number: u8) -> TokenText {
        match self.run(&Command::IssueToken { platform: platform(number) }).last() {
            Some(Event::Reply(Reply::Issued(issued))) => issued.token.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// What an API call with this token is told: 0, or the number of the error.
    pub fn token_status(&mut self, token: &TokenText) -> i64 {
        let verified = match self.verify(token) {
            Ok(verified) => verified,
            Err(error) => return code(error),
        };
        match self.run(&Command::VerifyToken { token: verified.hash }).last() {
            Some(Event::Reply(Reply::TokenStatus(status))) => status.err().map_or(0, code),
            other => panic!("{other:?}"),
        }
    }

    pub fn verify(&self, token: &TokenText) -> Result<Verified, TokenError> {
        self.rules.keys.verify(token.expose(), self.time())
    }

    /// The command of an honest client's handshake.
    pub fn opening(&mut self, token: &TokenText) -> Result<Opening, TokenError> {
        let token = self.verify(token)?;
        Ok(Opening {
            connection: self.draw_connection(),
            claimed: Claimed { user: self.user.id().to_string(), platform: token.platform },
            token,
            background: false,
            wire: JSON,
            client: Client::default(),
        })
    }

    /// Opens a connection, or says with which number it is refused.
    pub fn try_open(&mut self, token: &TokenText) -> Result<(ConnId, Trace), i64> {
        let opening = self.opening(token).map_err(code)?;
        let id = opening.connection;
        let trace = self.run(&Command::Open(Box::new(opening)));
        match trace.last() {
            Some(Event::Reply(Reply::Opened(Ok(())))) => Ok((id, trace)),
            Some(Event::Reply(Reply::Opened(Err(error)))) => Err(refusal(error).0),
            other => panic!("{other:?}"),
        }
    }

    pub fn open(&mut self, token: &TokenText) -> ConnId {
        self.try_open(token).expect("the connection opens").0
    }

    pub fn close(&mut self, connection: ConnId) -> Trace {
        self.run(&Command::Close { connection })
    }

    pub fn force_off(&mut self, what: ForceOff) -> Trace {
        self.run(&Command::ForceOff(what))
    }

    /// The names of the live connections.
    pub fn live(&self) -> Vec<ConnId> {
        self.user.connections().iter().map(|connection| connection.id).collect()
    }

    /// When the directory says that a connection ended.
    pub fn ended_at(&self, record: RecordId) -> Option<i64> {
        self.store.records()[&record].offline_at
    }

    pub fn record_of(&self, id: ConnId) -> RecordId {
        let found = self.user.connections().iter().find(|connection| connection.id == id);
        found.and_then(|connection| connection.record).expect("a live connection with a record")
    }

    /// A token with our signature that no token store has, good for years.
    pub fn forge(&self, number: u8) -> TokenText {
        let claims = Claims::new(self.user.id(), platform(number), self.time(), 10_000, 0);
        self.rules.keys.sign(&claims).unwrap()
    }
}

/// The order that holds for every command (`docs/rules/users.md`): durable commit, out of the live set, directory,
/// frame, close, reply.
pub fn check_order(trace: &Trace, live_before: &BTreeSet<ConnId>) {
    let mut live = live_before.clone();
    let mut retired = BTreeSet::new();
    let mut closed = BTreeSet::new();
    let mut kicked = BTreeSet::new();
    let mut published = None;
    let mut changes: &[Change] = &[];
    for (index, event) in trace.iter().enumerate() {
        match event {
            Event::Commit(committed) => {
                assert_eq!(index, 0, "something happened before the commit: {trace:?}");
                changes = committed;
            }
            Event::Retire(ids) => {
                assert!(published.is_none(), "the directory was told before the live set: {trace:?}");
                for id in ids {
                    assert!(live.remove(id), "{id} was retired and did not live: {trace:?}");
                    retired.insert(*id);
                }
            }
            Event::Admit(id) => {
                assert!(published.is_none(), "the directory was told before the live set: {trace:?}");
                assert!(live.insert(*id), "{id} was admitted twice: {trace:?}");
            }
            Event::Keep(id) | Event::Background(id, _) => {
                assert!(live.contains(id), "{id} does not live: {trace:?}")
            }
            Event::Publish { awaited } => {
                assert!(published.replace(*awaited).is_none(), "published twice: {trace:?}");
                assert!(closed.is_empty() && kicked.is_empty(), "said before published: {trace:?}");
            }
            Event::Send(to, payload) => {
                assert!(live.contains(to) || retired.contains(to), "a frame to nobody: {trace:?}");
                assert!(!closed.contains(to), "a frame after the close: {trace:?}");
                if is_kick(payload) {
                    assert!(retired.contains(to), "told before it left the live set: {trace:?}");
                    assert!(kicked.insert(*to), "told twice: {trace:?}");
                }
            }
            Event::Close(id, close) => {
                assert!(retired.contains(id), "closed before it left the live set: {trace:?}");
                assert!(closed.insert(*id), "closed twice: {trace:?}");
                assert_eq!(*close == Close::Kicked, kicked.contains(id), "frame and code differ: {trace:?}");
            }
            Event::Under(_) => assert!(closed.is_empty() && kicked.is_empty(), "moved late: {trace:?}"),
            Event::Watch(_, pending) => assert!(live.contains(&pending.connection), "{trace:?}"),
            Event::Reply(_) => assert_eq!(index + 1, trace.len(), "the reply is not last: {trace:?}"),
        }
    }
    assert!(matches!(trace.last(), Some(Event::Reply(_))), "no reply: {trace:?}");
    assert!(kicked.is_subset(&closed), "kicked and not closed: {trace:?}");
    assert!(kicked.is_empty() || !changes.is_empty(), "kicked and not durable: {trace:?}");
    let is_told = |change: &Change| matches!(change, Change::RecordOpened(_) | Change::RecordEnded { .. });
    let news = changes.iter().any(is_told);
    assert!(published.is_some() || !news, "the directory does not hear of it: {trace:?}");
    // Without news only a force-off publishes: what an earlier one could not.
    assert!(news || published != Some(false), "nothing to publish: {trace:?}");
}

/// Whether a message is the one that tells a client that its login was taken back.
pub fn is_kick(payload: &Payload) -> bool {
    matches!(payload, Payload::Binary(bytes) if bytes.starts_with(br#"{"reqIdentifier":2002,"#))
}

/// The connections that a trace tells that they were kicked.
pub fn kicked(trace: &Trace) -> Vec<ConnId> {
    let told = |event: &Event| match event {
        Event::Send(to, payload) if is_kick(payload) => Some(*to),
        _ => None,
    };
    trace.iter().filter_map(told).collect()
}

/// What comes out at the other end of the wire.
pub fn crossed<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

/// The command as a user's object gets it: from a Worker, from an upgrade's header, or made by the object itself.
fn arrived(command: &Command) -> Command {
    match command {
        Command::Open(opening) => Command::Open(Box::new(crossed(opening.as_ref()))),
        Command::OpenConsole(opening) => Command::OpenConsole(Box::new(crossed(opening.as_ref()))),
        Command::IssueToken { .. }
        | Command::VerifyToken { .. }
        | Command::VerifyBearer(_)
        | Command::Unlock { .. }
        | Command::Overview { .. }
        | Command::Status
        | Command::Watch { .. }
        | Command::Unwatch { .. }
        | Command::Notified(_)
        | Command::ForceOff(_) => crossed(command),
        own => own.clone(),
    }
}

pub fn platform(number: u8) -> Platform {
    Platform::from_number(number.into()).unwrap()
}

/// The number that a client sees.
pub fn code(error: TokenError) -> i64 {
    OpenImError::from(error).code.number()
}

/// The number that a client sees, and what is said about it.
pub fn refusal(error: &OpenError) -> (i64, String) {
    let failure = OpenImError::from(error.clone());
    (failure.code.number(), failure.detail.into_owned())
}

/// A well-mixed number from any number.
pub fn splitmix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(splitmix(seed))
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        splitmix(self.0) % sides
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}
