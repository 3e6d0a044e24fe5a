//! Users over a store whose writer can be blocked.

mod callers;
mod force_offs;
mod long;
mod memory;
mod rows;
mod tenant_orders;
mod unseen;

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use futures_util::poll;
use rollcall_api::Backend as _;
use rollcall_core::{
    config::Settings,
    directory::{
        record::{Record, Source},
        view::Cutoff,
    },
    gateway::{Close, Encoding, Payload, Wire},
    id::{ConnId, RecordId, TenantId, UserId},
    message_center::Principal,
    platform::Platform,
    secret::Secret,
    serial::Serial,
    shard::scoped::UNDELIVERED,
    time::Timestamp,
    token::TokenText,
    user::{
        Bearer, Change, Claimed, Client, ClientMessage, Command, ConsoleOpening, ForceOff, Opening, Reply,
        request::{IssueToken, Status, VerifyBearer},
    },
};
use rusqlite::Connection;
use tokio::{sync::oneshot, task::yield_now, time::timeout};
use tokio_util::task::TaskTracker;

use super::{CommandError, PendingSocket, Users, delivery::Part, entry_of_order, turn::Turn};
use crate::{
    backend::Origin,
    clock::now,
    outbox::{Outbox, SocketAction},
    server::open,
};

const PLATFORM: Platform = Platform::Web;
const CONNECTION: ConnId = ConnId::from_bytes([7; 16]);

/// Users over a store whose writer can be blocked.
struct Fixture {
    users: Users,
    user: UserId,
    blocker: Connection,
    home: tempfile::TempDir,
}

/// Blocks every commit while it lives. A test must finish within the second after which the writer gives up.
struct BlockedWriter<'a> {
    fixture: &'a Fixture,
    first: tokio::task::JoinHandle<()>,
}

impl Fixture {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.auth.secret = Some(Secret::from("0123456789abcdef0123456789abcdef"));
        let users = open(settings, home.path()).await.unwrap();
        let blocker = Connection::open(home.path().join("rollcall.sqlite3")).unwrap();
        Self { users, user: UserId::from(7), blocker, home }
    }

    async fn token(&self) -> TokenText {
        self.users.run(&self.user, IssueToken { platform: PLATFORM }).await.unwrap().unwrap().token
    }

    async fn opening(&self) -> Opening {
        let token = self.users.rules().keys.verify(self.token().await.expose(), now()).unwrap();
        Opening {
            connection: CONNECTION,
            claimed: Claimed { user: self.user.to_string(), platform: PLATFORM },
            token,
            background: false,
            wire: Wire { encoding: Encoding::Json, gzip: false },
            client: Client::default(),
        }
    }

    /// A connection that is live.
    async fn connected(&self) -> Outbox {
        let (outbox, opening) = (Outbox::default(), self.opening().await);
        let on_abandoned = Box::new(|| panic!("it came"));
        let pending = PendingSocket { outbox: outbox.clone(), on_abandoned };
        let reply = self.users.open(&self.user, opening, pending).await.unwrap();
        assert_eq!(reply, Ok(()));
        outbox
    }

    /// A cutoff in memory alone, without a delivery.
    fn put_in_force(&self, tenant: TenantId) {
        let cutoffs = &self.users.shared.cutoffs;
        let before = cutoffs.get(tenant);
        let newest = cutoffs.newest();
        cutoffs.put(tenant, Cutoff::next(before.as_deref(), newest, Vec::new(), now()), newest);
    }

    /// A console that is live.
    async fn console(&self, connection: ConnId, expires: Option<Timestamp>) {
        let principal = Principal { expires, ..Principal::openim_admin(self.user.clone()) };
        let opening = ConsoleOpening { connection, principal, client: Client::default(), session: None };
        let pending =
            PendingSocket { outbox: Outbox::default(), on_abandoned: Box::new(|| panic!("it came")) };
        let reply = self.users.open(&self.user, opening, pending).await.unwrap();
        assert_eq!(reply, Ok(()));
    }

    /// Records without an end.
    fn open_records(&self) -> i64 {
        let open = "SELECT count(*) FROM record WHERE offline_at IS NULL";
        self.blocker.query_row(open, [], |row| row.get(0)).unwrap()
    }

    /// A watcher is notified of the user's end, so that the end has to be durable before its frames go out.
    async fn watched(&self) {
        let watched =
            Change::Watched { watcher: UserId::from(9), registration: serde_json::from_str("1").unwrap() };
        self.users.store().commit(watched.statements(&self.user)).await.unwrap();
    }

    /// Lets a trigger fail such changes.
    fn fail(&self, name: &str, change: &str, by: &str) {
        let trigger = format!("CREATE TRIGGER {name} BEFORE {change} BEGIN SELECT {by}; END");
        self.blocker.execute_batch(&trigger).unwrap();
    }

    async fn is_online(&self) -> bool {
        !self.users.run(&self.user, Status).await.unwrap().is_empty()
    }

    /// Returns when no command is changing the user.
    async fn unlocked(&self) {
        drop(self.users.entry(&self.user).lock().await);
    }

    /// Blocks commits from now on. The next one is alone in the queue.
    async fn block_writer(&self) -> BlockedWriter<'_> {
        self.blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
        let store = self.users.store().clone();
        let first = tokio::spawn(async move { drop(store.commit(Vec::new()).await) });
        yield_now().await;
        while self.users.store().queued() > 0 {
            yield_now().await;
        }
        BlockedWriter { fixture: self, first }
    }
}

impl BlockedWriter<'_> {
    /// Polls `work` until its commit waits.
    async fn until_it_commits<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) {
        while self.fixture.users.store().queued() == 0 {
            assert!(poll!(work.as_mut()).is_pending(), "it did not wait for its commit");
            yield_now().await;
        }
    }

    async fn end(self) {
        self.fixture.blocker.execute_batch("ROLLBACK").unwrap();
        self.first.await.unwrap();
    }
}

fn order() -> ForceOff {
    ForceOff::Platform(PLATFORM)
}
