//! What every adapter does with an outcome: load, apply, commit, carry out in order, reply.

use super::{wire::arrived, *};

/// One user and all that an adapter has for it.
pub struct Adapter<S> {
    pub user: User,
    pub store: S,
    pub rules: Rules,
    /// What the clock shows.
    pub now: i64,
    /// How far the machine's own clock is ahead of it, in milliseconds.
    pub ahead: i64,
    /// The orders in force. Each tenant counts its own.
    pub orders: BTreeMap<TenantId, Cutoff>,
    /// The undelivered orders to sets of users that name this one.
    pub named: Vec<(TenantId, Cutoff)>,
    /// The serials of the latest orders to sets of users.
    pub last_named: BTreeMap<TenantId, Serial>,
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
            ahead: 0,
            orders: BTreeMap::new(),
            named: Vec::new(),
            last_named: BTreeMap::new(),
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
        let at = Moment { now: self.time(), machine: self.machine(), entropy: self.draw() };
        let mut loaded = self.store.load(&self.user, command, at.now);
        if command.needs().orders {
            let (id, rules) = (self.user.id(), &self.rules);
            let all = Needs { profile: true, ..command.needs() };
            loaded.profile = self.store.load_part(&self.user, &all, at.now).profile;
            let tenant = command.tenant(id, &loaded, rules).unwrap();
            let former = command.former_tenant(id, &loaded, rules).unwrap();
            let cutoff = self.orders.get(&tenant).cloned();
            let naming = |tenant: TenantId| {
                let of_tenant = self.named.iter().filter(move |(other, _)| *other == tenant);
                of_tenant.map(|(_, cutoff)| cutoff.clone()).collect()
            };
            loaded.orders = Some(Orders {
                cutoff,
                named: naming(tenant),
                former_named: former.map(naming).unwrap_or_default(),
                former: former.and_then(|former| self.orders.get(&former).cloned()),
                under: self.newest(tenant),
            });
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

    /// What the machine's own clock shows.
    pub fn machine(&self) -> Timestamp {
        Timestamp::from_millis(self.now + self.ahead)
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

    /// The tenant that the configuration names for the user from now on. Sockets stay open, as at the edge.
    pub fn configure(&mut self, tenant: Option<i64>) {
        let id = self.user.id().clone();
        self.rules.tenants = tenant.map(|tenant| (id, TenantId(tenant))).into_iter().collect();
    }

    /// An order to a tenant, for all but these users.
    pub fn order(&mut self, tenant: i64, exempt: &[i64]) {
        let tenant = TenantId(tenant);
        let before = self.orders.get(&tenant);
        let cutoff = Cutoff::next(before, self.newest(tenant), exempt.to_vec(), self.time());
        self.orders.insert(tenant, cutoff);
    }

    /// An order to a set of users of a tenant, this one among them.
    pub fn order_users(&mut self, tenant: i64) {
        self.deny_users(tenant, None);
    }

    /// The same with a deny window.
    pub fn deny_users(&mut self, tenant: i64, window: Option<DenyWindow>) {
        let tenant = TenantId(tenant);
        let cutoff = ScopedCutoff::next(self.newest(tenant), self.user.id().number(), self.time());
        self.last_named.insert(tenant, cutoff.serial);
        self.named.push((tenant, Cutoff { deny: window.map(Box::new), ..cutoff.of_one() }));
    }

    /// The delivery of the first of these orders comes to the user.
    pub fn deliver_named(&mut self) -> Option<Trace> {
        let (within, Cutoff { serial, at, deny, .. }) = self.named.first().cloned()?;
        let notice = "notice".to_owned();
        let order = ForceOff::Named(NamedOrder { within, serial, at, notice });
        let trace = self.force_off(order.denying(deny.map(|window| *window)));
        self.named.remove(0);
        Some(trace)
    }

    fn newest(&self, tenant: TenantId) -> Serial {
        let of_tenant = self.orders.get(&tenant).map_or(Serial::NONE, |cutoff| cutoff.serial);
        self.last_named.get(&tenant).copied().unwrap_or_default().max(of_tenant)
    }

    /// The deny window of an order of now, for so many seconds.
    pub fn window(&self, tenant: i64, seconds: u64) -> DenyWindow {
        DenyWindow {
            tenant: TenantId(tenant),
            until: self.machine() + std::time::Duration::from_secs(seconds),
            order: EntryId::draw(self.machine(), seconds.into()),
            by: UserId::from(900),
            reason: Some("why".to_owned()),
        }
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

    /// A token, or until when the user is denied one.
    pub fn try_issue(&mut self, number: u8) -> Result<TokenText, Timestamp> {
        match self.run(&Command::IssueToken { platform: platform(number) }).last() {
            Some(Event::Reply(Reply::Issued(issued))) => Ok(issued.token.clone()),
            Some(Event::Reply(Reply::Denied(until))) => Err(*until),
            other => panic!("{other:?}"),
        }
    }

    /// The answer to an API call with this token: 0, or the number of the error.
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
        self.rules.keys.verify(token.expose(), self.machine())
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
