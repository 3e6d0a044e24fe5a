//! What is under way when somebody leaves, or when an order comes.

use std::{pin::Pin, time::Duration};

use futures_util::poll;
use rollcall_core::{
    config::Settings,
    directory::view::Cutoff,
    gateway::{Close, Encoding, Wire},
    id::{ConnId, TenantId, UserId},
    platform::Platform,
    secret::Secret,
    token::TokenText,
    user::{
        Change, Claimed, Client, Command, ForceOff, Opening, Reply,
        request::{IssueToken, Status},
    },
};
use rusqlite::Connection;
use tokio::{sync::oneshot, task::yield_now, time::timeout};
use tokio_util::task::TaskTracker;

use super::{CommandError, PendingSocket, Users};
use crate::{clock::now, outbox::Outbox, server::open};

const PLATFORM: Platform = Platform::Web;

/// Users over a store whose writer can be held up.
struct Stage {
    users: Users,
    user: UserId,
    intruder: Connection,
    _home: tempfile::TempDir,
}

/// While it lives no commit ends, and less than the second after which the writer gives up may pass.
struct HeldUp<'a> {
    stage: &'a Stage,
    first: tokio::task::JoinHandle<()>,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.auth.secret = Some(Secret::from("0123456789abcdef0123456789abcdef"));
        let users = open(settings, home.path()).unwrap();
        let intruder = Connection::open(home.path().join("rollcall.sqlite3")).unwrap();
        Self { users, user: UserId::from(7), intruder, _home: home }
    }

    async fn token(&self) -> TokenText {
        self.users.run(&self.user, IssueToken { platform: PLATFORM }).await.unwrap().token
    }

    async fn opening(&self) -> Opening {
        let token = self.users.rules().keys.verify(self.token().await.expose(), now()).unwrap();
        Opening {
            connection: ConnId::from_bytes([7; 16]),
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

    async fn is_online(&self) -> bool {
        !self.users.run(&self.user, Status).await.unwrap().is_empty()
    }

    /// Returns when no command is changing the user.
    async fn unlocked(&self) {
        drop(self.users.entry(&self.user).lock().await);
    }

    /// Commits wait from here on, the next one alone in the queue.
    async fn hold_up(&self) -> HeldUp<'_> {
        self.intruder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let store = self.users.store().clone();
        let first = tokio::spawn(async move { drop(store.commit(Vec::new()).await) });
        yield_now().await;
        while self.users.store().queued() > 0 {
            yield_now().await;
        }
        HeldUp { stage: self, first }
    }
}

impl HeldUp<'_> {
    /// Goes on with it until its commit waits.
    async fn until_it_commits<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) {
        while self.stage.users.store().queued() == 0 {
            assert!(poll!(work.as_mut()).is_pending(), "it did not wait for its commit");
            yield_now().await;
        }
    }

    async fn end(self) {
        self.stage.intruder.execute_batch("ROLLBACK").unwrap();
        self.first.await.unwrap();
    }
}

fn order() -> ForceOff {
    ForceOff::Platform(PLATFORM)
}

#[tokio::test]
async fn a_forced_logout_whose_caller_left_is_carried_out_to_its_end() {
    let stage = Stage::new();
    let outbox = stage.connected().await;
    let held = stage.hold_up().await;
    let mut order = Box::pin(stage.users.run(&stage.user, order()));
    held.until_it_commits(order.as_mut()).await;
    drop(order);
    held.end().await;
    stage.unlocked().await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
    assert!(!stage.is_online().await);
}

#[tokio::test]
async fn a_login_whose_client_left_does_not_stay() {
    let stage = Stage::new();
    let (opening, (tell, told)) = (stage.opening().await, oneshot::channel());
    let pending =
        PendingSocket { outbox: Outbox::default(), on_abandoned: Box::new(move || tell.send(()).unwrap()) };
    let held = stage.hold_up().await;
    let mut login = Box::pin(stage.users.open(&stage.user, opening, pending));
    held.until_it_commits(login.as_mut()).await;
    drop(login);
    held.end().await;
    told.await.expect("it is told that nobody came");
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_lock_is_free_has_changed_nothing() {
    let stage = Stage::new();
    let outbox = stage.connected().await;
    let lock = stage.users.entry(&stage.user).lock().await;
    let mut order = Box::pin(stage.users.run(&stage.user, order()));
    assert!(poll!(order.as_mut()).is_pending());
    drop(order);
    drop(lock);
    stage.unlocked().await;
    assert_eq!(outbox.requested_close(), None);
    assert!(stage.is_online().await);
}

#[tokio::test]
async fn an_order_to_a_tenant_whose_caller_left_reaches_its_sockets() {
    let stage = Stage::new();
    let outbox = stage.connected().await;
    let under_way = TaskTracker::new();
    let (tenant, session) = (TenantId(0), under_way.token());
    let mut order = Box::pin(stage.users.cut_off(tenant, Vec::new(), String::new(), session));
    while stage.users.cutoff_of(tenant).is_none() {
        assert!(poll!(order.as_mut()).is_pending());
        yield_now().await;
    }
    drop(order);
    under_way.close();
    under_way.wait().await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
    assert!(!stage.is_online().await);
}

#[tokio::test]
async fn an_order_to_a_tenant_reaches_who_is_about_to_be_connected() {
    let stage = Stage::new();
    let (outbox, opening) = (Outbox::default(), stage.opening().await);
    let pending = PendingSocket { outbox: outbox.clone(), on_abandoned: Box::new(|| panic!("it came")) };
    let held = stage.hold_up().await;
    let mut login = Box::pin(stage.users.open(&stage.user, opening, pending));
    held.until_it_commits(login.as_mut()).await;
    stage.users.shared.cutoffs.put(TenantId(0), Cutoff { at: now(), exempt: Vec::new(), lifted: false });
    let delivery = stage.users.deliver(TenantId(0), String::new());
    let ((), login, ()) = tokio::join!(held.end(), login, delivery);
    assert_eq!(login.unwrap(), Ok(()));
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
}

#[tokio::test]
async fn an_order_that_exempts_a_user_waits_for_the_rows_of_the_one_before() {
    let stage = Stage::new();
    let outbox = stage.connected().await;
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    let cutoff = |exempt| stage.users.cut_off(tenant, exempt, String::new(), under_way.token());
    cutoff(Vec::new()).await.unwrap();
    cutoff(vec![7]).await.unwrap();
    let open = "SELECT count(*) FROM record WHERE offline_at IS NULL";
    let open: i64 = stage.intruder.query_row(open, [], |row| row.get(0)).unwrap();
    assert_eq!((open, outbox.requested_close()), (0, Some(Close::Kicked)));
}

#[tokio::test]
async fn an_order_that_would_have_to_wait_too_long_for_the_one_before_is_refused() {
    let stage = Stage::new();
    let tenant = TenantId(0);
    let cutoff = |exempt| stage.users.cut_off(tenant, exempt, String::new(), TaskTracker::new().token());
    cutoff(Vec::new()).await.unwrap();
    let _unwritten = stage.users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
    cutoff(Vec::new()).await.expect("it exempts nobody");
    assert!(matches!(cutoff(vec![7]).await, Err(CommandError::Unwritten)));
    let other = stage.users.cut_off(TenantId(1), vec![7], String::new(), TaskTracker::new().token());
    other.await.expect("what another tenant's orders wait for is its own");
}

#[tokio::test]
async fn an_order_to_a_tenant_is_repeated_to_whom_it_could_not_reach() {
    let stage = Stage::new();
    let outbox = stage.connected().await;
    stage.users.shared.cutoffs.put(TenantId(0), Cutoff { at: now(), exempt: Vec::new(), lifted: false });
    stage.intruder.execute_batch("ALTER TABLE user RENAME TO elsewhere").unwrap();
    let mut delivery = Box::pin(stage.users.deliver(TenantId(0), String::new()));
    // There is nothing to await: it must not give up.
    assert!(timeout(Duration::from_millis(300), delivery.as_mut()).await.is_err());
    assert_eq!(outbox.requested_close(), None);
    stage.intruder.execute_batch("ALTER TABLE elsewhere RENAME TO user").unwrap();
    delivery.await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
}

#[tokio::test]
async fn a_status_is_answered_from_memory_unless_a_cutoff_may_cover_somebody() {
    let stage = Stage::new();
    let tenant = TenantId(0);
    stage.users.cut_off(tenant, Vec::new(), String::new(), TaskTracker::new().token()).await.unwrap();
    let _later = stage.connected().await;
    let at_once = || stage.users.at_once(&stage.user, &Command::Status);
    assert!(matches!(at_once(), Some(Reply::Presence(all)) if all.len() == 1));
    stage.users.shared.cutoffs.put(TenantId(1), Cutoff { at: now(), exempt: Vec::new(), lifted: false });
    assert_eq!(at_once(), None, "the store must be asked whether it is this user's tenant");
    assert!(stage.is_online().await);
    stage.users.shared.cutoffs.put(tenant, Cutoff { at: now(), exempt: Vec::new(), lifted: false });
    assert!(!stage.is_online().await);
    assert_eq!(stage.users.at_once(&UserId::from(8), &Command::Status), Some(Reply::Presence(Vec::new())));
}

#[tokio::test]
async fn who_was_not_reached_yet_waits_for_nobody_elses_rows() {
    let stage = Stage::new();
    let outbox = stage.connected().await;
    let stage = Stage { user: UserId::from(8), ..stage };
    let neighbour = stage.connected().await;
    // Somebody is to hear of its end, so that this has to be written before the frames go.
    let watched =
        Change::Watched { watcher: UserId::from(9), registration: serde_json::from_str("1").unwrap() };
    stage.users.store().commit(watched.statements(&stage.user)).await.unwrap();
    stage.users.shared.cutoffs.put(TenantId(0), Cutoff { at: now(), exempt: Vec::new(), lifted: false });
    let fail = |name: &str, what: &str| {
        let trigger = format!("CREATE TRIGGER {name} BEFORE {what} BEGIN SELECT raise(ABORT, 'no'); END");
        stage.intruder.execute_batch(&trigger).unwrap();
    };
    fail("no_rows", "UPDATE ON record WHEN NEW.user = 7");
    fail("no_ties", "INSERT ON ties");
    let mut delivery = Box::pin(stage.users.deliver(TenantId(0), String::new()));
    // There is nothing to await: it is tried again each second.
    let mut goes_on = async || assert!(timeout(Duration::from_millis(50), delivery.as_mut()).await.is_err());
    while outbox.requested_close().is_none() {
        goes_on().await;
    }
    assert_eq!(neighbour.requested_close(), None);
    stage.intruder.execute_batch("DROP TRIGGER no_ties").unwrap();
    while neighbour.requested_close().is_none() {
        goes_on().await;
    }
    stage.intruder.execute_batch("DROP TRIGGER no_rows").unwrap();
    delivery.await;
}
