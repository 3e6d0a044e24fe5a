//! An adapter as small as one can be: it has a store, one user's live set and a clock that the test sets.
//!
//! It does what every adapter does with an outcome (load, apply, commit, carry out in order, reply) and writes down
//! each thing that the world outside could notice.

mod adapter;
mod dice;
mod memory;
mod order;
mod sqlite;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use rollcall_core::{
    audit::EntryId,
    deny::DenyWindow,
    directory::view::{Cutoff, ScopedCutoff},
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
        ConsoleMessage, DanglingSubscription, ForceOff, HeldEnd, Loaded, NamedOrder, Needs, OpenError,
        Opening, Orders, Outcome, PendingRequest, PresenceVersion, Profile, RegistrationVersion, Reply,
        Rules, Subscribing, Subscription, SubscriptionState, TOKENS_AT_ONCE, TokenQuery, User,
        WATCHERS_AT_ONCE, WatchedState,
    },
};

pub use self::{
    adapter::{Adapter, Setup},
    dice::{Dice, splitmix},
    memory::Memory,
    order::{check_order, kicked},
    sqlite::Sqlite,
    wire::{code, crossed, platform, refusal},
};

/// JSON without compression.
pub const JSON: Wire = Wire { encoding: Encoding::Json, gzip: false };
/// The moment at which every test begins.
pub const START: i64 = 1_700_000_000_250;
const SECRET: &str = "a secret of the tests";

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
