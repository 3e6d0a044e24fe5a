//! Commands whose caller leaves, and tenant orders that meet other commands.

mod force_offs;
mod long;
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

use super::{CommandError, PendingSocket, Users, entry_of_order, turn::Turn};
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
        self.users.run(&self.user, IssueToken { platform: PLATFORM }).await.unwrap().token
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
        cutoffs.put(tenant, Cutoff::next(before.as_deref(), cutoffs.newest(), Vec::new(), now()));
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

/// The known-wrong way was to show a lost connection until its end was durable.
#[tokio::test]
async fn a_lost_connection_is_in_no_status_while_its_end_waits_for_the_store() {
    let fixture = Fixture::new().await;
    fixture.connected().await;
    let blocked = fixture.block_writer().await;
    let mut end = Box::pin(fixture.users.end(&fixture.user, CONNECTION));
    blocked.until_it_commits(end.as_mut()).await;
    assert!(!fixture.is_online().await);
    fixture.put_in_force(TenantId(1));
    assert!(!fixture.is_online().await, "the store is asked, and knows it still");
    assert_eq!(fixture.open_records(), 1);
    blocked.end().await;
    end.await;
    assert_eq!(fixture.open_records(), 0);
}

#[tokio::test]
async fn a_ping_waits_for_no_change_of_its_user() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let user = fixture.users.entry(&fixture.user);
    let changing = user.lock().await;
    let ping = ClientMessage::Ping("pong".to_owned());
    let mut answered = pin!(fixture.users.receive(&fixture.user, CONNECTION, ping));
    assert!(poll!(answered.as_mut()).is_ready());
    drop(changing);
    let SocketAction::Send(answer) = outbox.next().await else { panic!("another action") };
    assert_eq!(answer, Payload::Text("pong".to_owned()));
}

/// The known-wrong way was to keep the user and its alarm until the token's end: each console that came and went cost
/// memory for as long.
#[tokio::test]
async fn the_wait_for_a_tokens_end_is_gone_with_the_last_console_of_that_token() {
    let fixture = Fixture::new().await;
    let (first, second) = (CONNECTION, ConnId::from_bytes([8; 16]));
    let tomorrow = now() + Duration::from_secs(86_400);
    fixture.console(first, Some(tomorrow)).await;
    fixture.console(second, Some(tomorrow)).await;
    let alarm = || fixture.users.entry(&fixture.user).live.lock().alarm.as_ref().map(|alarm| alarm.at);
    let is_idle = || fixture.users.entry(&fixture.user).live.lock().is_idle();
    fixture.users.end(&fixture.user, first).await;
    assert_eq!(alarm(), Some(tomorrow), "the other console is open");
    fixture.users.end(&fixture.user, second).await;
    assert!(alarm() < Some(tomorrow));
    // The tick is a task of its own.
    while !is_idle() {
        yield_now().await;
    }
}

/// The known-wrong way was to know of an opening only while its user was in memory.
#[tokio::test]
async fn a_user_who_comes_back_to_memory_opens_nothing_before_what_it_opened() {
    let fixture = Fixture::new().await;
    fixture.connected().await;
    fixture.users.end(&fixture.user, CONNECTION).await;
    let ahead = "UPDATE record SET online_at = online_at + 3600000, offline_at = offline_at + 3600000";
    assert_eq!(
        fixture.blocker.execute(ahead, []).unwrap(),
        1,
        "as if the clock had been set back by an hour since"
    );
    let settings = fixture.users.settings().clone();
    let fixture = Fixture { users: open(settings, fixture.home.path()).await.unwrap(), ..fixture };
    let dates = || -> Vec<i64> {
        let mut dates = fixture.blocker.prepare("SELECT online_at FROM record ORDER BY id").unwrap();
        dates.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    fixture.users.read_newest_opening().await.unwrap();
    fixture.connected().await;
    let [first, second] = dates()[..] else { panic!("{:?}", dates()) };
    assert_eq!(second, first + 1);
    let other = Fixture { user: UserId::from(8), ..fixture };
    other.connected().await;
    assert!(
        other.users.entry(&other.user).live.lock().user.last_opened() <= now(),
        "it never opened anything"
    );
}

/// The known-wrong way was to keep every name that an order ever made up.
#[tokio::test]
async fn orders_about_users_who_were_never_seen_are_few_and_the_oldest_go_first() {
    let fixture = Fixture::new().await;
    let everything = || ForceOff::Everything { within: None, notice: None, at: None };
    fixture.token().await;
    fixture.users.run(&fixture.user, everything()).await.unwrap();
    assert_eq!(fixture.users.unseen(), 0, "a token was issued to this one");
    for user in 100..110 {
        for _ in 0..2 {
            fixture.users.run(&UserId::from(user), everything()).await.unwrap();
        }
    }
    assert_eq!(fixture.users.unseen(), 10);
    fixture.users.run(&UserId::from(100), IssueToken { platform: PLATFORM }).await.unwrap();
    assert_eq!(fixture.users.unseen(), 9, "it was seen");
    let bearer = Bearer { tenant: TenantId(0), issued_at: Some(now()), personal: false };
    fixture.users.run(&UserId::from(200), VerifyBearer(bearer)).await.unwrap().unwrap();
    fixture.users.run(&UserId::from(200), everything()).await.unwrap();
    assert_eq!(fixture.users.unseen(), 9, "it was never among them");
    fixture.users.forget_unseen(None, 3).await.unwrap();
    let stored = || -> Vec<String> {
        let mut ids = fixture.blocker.prepare("SELECT id FROM user ORDER BY id").unwrap();
        ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!((fixture.users.unseen(), stored().len()), (3, 6), "{:?}", stored());
    assert!(["100", "200", "7"].iter().all(|seen| stored().contains(&(*seen).to_owned())), "{:?}", stored());
    fixture.users.count_unseen().await.unwrap();
    assert_eq!(fixture.users.unseen(), 3);
    fixture.users.forget_unseen(Some(now() + Duration::from_secs(1)), 3).await.unwrap();
    assert_eq!((fixture.users.unseen(), stored().len()), (0, 3));
}

#[tokio::test]
async fn a_forced_logout_whose_caller_left_is_carried_out_to_its_end() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let blocked = fixture.block_writer().await;
    let mut order = Box::pin(fixture.users.run(&fixture.user, order()));
    blocked.until_it_commits(order.as_mut()).await;
    drop(order);
    blocked.end().await;
    fixture.unlocked().await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
    assert!(!fixture.is_online().await);
}

#[tokio::test]
async fn a_login_whose_client_left_does_not_stay() {
    let fixture = Fixture::new().await;
    let (opening, (tell, told)) = (fixture.opening().await, oneshot::channel());
    let pending =
        PendingSocket { outbox: Outbox::default(), on_abandoned: Box::new(move || tell.send(()).unwrap()) };
    let blocked = fixture.block_writer().await;
    let mut login = Box::pin(fixture.users.open(&fixture.user, opening, pending));
    blocked.until_it_commits(login.as_mut()).await;
    drop(login);
    blocked.end().await;
    told.await.expect("the abandoned login is reported");
}

#[tokio::test]
async fn a_caller_who_leaves_before_the_lock_is_free_has_changed_nothing() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let lock = fixture.users.entry(&fixture.user).lock().await;
    let mut order = Box::pin(fixture.users.run(&fixture.user, order()));
    assert!(poll!(order.as_mut()).is_pending());
    drop(order);
    drop(lock);
    fixture.unlocked().await;
    assert_eq!(outbox.requested_close(), None);
    assert!(fixture.is_online().await);
}

#[tokio::test]
async fn an_order_to_a_tenant_whose_caller_left_reaches_its_sockets() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let under_way = TaskTracker::new();
    let (tenant, session) = (TenantId(0), under_way.token());
    let blocked = fixture.block_writer().await;
    let mut order =
        Box::pin(fixture.users.cut_off(tenant, Vec::new(), String::new(), entry_of_order(tenant), session));
    blocked.until_it_commits(order.as_mut()).await;
    drop(order);
    blocked.end().await;
    under_way.close();
    under_way.wait().await;
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
    assert!(!fixture.is_online().await);
}

#[tokio::test]
async fn an_order_to_a_tenant_reaches_a_user_who_is_about_to_be_connected() {
    let fixture = Fixture::new().await;
    let (outbox, opening) = (Outbox::default(), fixture.opening().await);
    let pending = PendingSocket { outbox: outbox.clone(), on_abandoned: Box::new(|| panic!("it came")) };
    let blocked = fixture.block_writer().await;
    let mut login = Box::pin(fixture.users.open(&fixture.user, opening, pending));
    blocked.until_it_commits(login.as_mut()).await;
    fixture.put_in_force(TenantId(0));
    let delivery = fixture.users.deliver(TenantId(0), String::new());
    let ((), login, ()) = tokio::join!(blocked.end(), login, delivery);
    assert_eq!(fixture.open_records(), 0);
    assert_eq!(login.unwrap(), Ok(()));
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
}

#[tokio::test]
async fn an_order_that_exempts_a_user_waits_for_the_rows_of_the_one_before() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    let cutoff = |exempt| {
        fixture.users.cut_off(tenant, exempt, String::new(), entry_of_order(tenant), under_way.token())
    };
    cutoff(Vec::new()).await.unwrap();
    cutoff(vec![7]).await.unwrap();
    assert_eq!((fixture.open_records(), outbox.requested_close()), (0, Some(Close::Kicked)));
}

#[tokio::test]
async fn an_order_that_would_have_to_wait_too_long_for_the_one_before_is_refused() {
    let fixture = Fixture::new().await;
    let tenant = TenantId(0);
    let cutoff = |exempt| {
        fixture.users.cut_off(
            tenant,
            exempt,
            String::new(),
            entry_of_order(tenant),
            TaskTracker::new().token(),
        )
    };
    cutoff(Vec::new()).await.unwrap();
    let _unwritten = fixture.users.shared.cutoffs.order_locks(tenant).rows.read_owned().await;
    cutoff(Vec::new()).await.expect("it exempts nobody");
    assert!(matches!(cutoff(vec![7]).await, Err(CommandError::Unwritten)));
    let other = fixture.users.cut_off(
        TenantId(1),
        vec![7],
        String::new(),
        entry_of_order(TenantId(1)),
        TaskTracker::new().token(),
    );
    other.await.expect("what another tenant's orders wait for is its own");
}

#[tokio::test]
async fn so_many_orders_to_sets_of_users_are_under_delivery_and_one_more_changes_nothing() {
    let fixture = Fixture::new().await;
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    let order = |tenant, user| {
        fixture.users.cut_off_users(
            tenant,
            vec![7, user],
            String::new(),
            entry_of_order(tenant),
            under_way.token(),
        )
    };
    let lock = fixture.users.entry(&fixture.user).lock().await;
    for _ in 0..UNDELIVERED {
        order(tenant, 8).await.unwrap();
    }
    let newest = fixture.users.shared.cutoffs.newest();
    assert!(matches!(order(tenant, 9).await, Err(CommandError::TooManyOrders)));
    let in_force = fixture.users.scoped_cutoffs(tenant);
    assert!(in_force.len() == UNDELIVERED && in_force.iter().all(|order| *order.users == [7, 8]));
    let shown = fixture.users.undelivered(tenant).await.unwrap();
    assert!(shown.iter().all(|order| (order.users, order.reached) == (Some(2), 0)), "{shown:?}");
    assert_eq!(fixture.users.shared.cutoffs.newest(), newest);
    order(TenantId(1), 9).await.unwrap();
    drop(lock);
    under_way.close();
    under_way.wait().await;
    assert!(fixture.users.undelivered(tenant).await.unwrap().is_empty());
    order(tenant, 9).await.unwrap();
}

#[tokio::test]
async fn an_order_to_a_tenant_is_repeated_to_users_whom_it_could_not_reach() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    fixture.watched().await;
    fixture.put_in_force(TenantId(0));
    fixture.fail("no_ties", "INSERT ON ties", "raise(ABORT, 'no')");
    let mut delivery = Box::pin(fixture.users.deliver(TenantId(0), String::new()));
    // There is nothing to await: it must not give up.
    assert!(timeout(Duration::from_millis(300), delivery.as_mut()).await.is_err());
    assert_eq!(outbox.requested_close(), None);
    fixture.blocker.execute_batch("DROP TRIGGER no_ties").unwrap();
    delivery.await;
    assert_eq!(fixture.open_records(), 0);
    assert_eq!(outbox.requested_close(), Some(Close::Kicked));
}

#[tokio::test]
async fn a_status_is_answered_from_memory_unless_a_cutoff_may_cover_it() {
    let fixture = Fixture::new().await;
    let tenant = TenantId(0);
    fixture
        .users
        .cut_off(tenant, Vec::new(), String::new(), entry_of_order(tenant), TaskTracker::new().token())
        .await
        .unwrap();
    let _later = fixture.connected().await;
    let answer_from_memory = || fixture.users.answer_from_memory(&fixture.user, &Command::Status);
    assert!(matches!(answer_from_memory(), Some(Reply::Presence(all)) if all.len() == 1));
    fixture.put_in_force(TenantId(1));
    assert_eq!(answer_from_memory(), None, "the store must be asked whether it is this user's tenant");
    assert!(fixture.is_online().await);
    fixture.put_in_force(tenant);
    assert!(!fixture.is_online().await);
    assert_eq!(
        fixture.users.answer_from_memory(&UserId::from(8), &Command::Status),
        Some(Reply::Presence(Vec::new()))
    );
}

#[tokio::test]
async fn a_user_who_was_not_reached_yet_does_not_wait_for_the_rows_of_others() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let fixture = Fixture { user: UserId::from(8), ..fixture };
    let neighbour = fixture.connected().await;
    fixture.watched().await;
    fixture.put_in_force(TenantId(0));
    fixture.fail("no_rows", "UPDATE ON record WHEN NEW.user = 7", "raise(ABORT, 'no')");
    fixture.fail("no_ties", "INSERT ON ties", "raise(ABORT, 'no')");
    let mut delivery = Box::pin(fixture.users.deliver(TenantId(0), String::new()));
    // There is nothing to await: it is tried again each second.
    let mut goes_on = async || assert!(timeout(Duration::from_millis(50), delivery.as_mut()).await.is_err());
    while outbox.requested_close().is_none() {
        goes_on().await;
    }
    assert_eq!(neighbour.requested_close(), None);
    fixture.blocker.execute_batch("DROP TRIGGER no_ties").unwrap();
    while neighbour.requested_close().is_none() {
        goes_on().await;
    }
    fixture.blocker.execute_batch("DROP TRIGGER no_rows").unwrap();
    delivery.await;
    assert_eq!(fixture.open_records(), 0);
}

/// The known-wrong way was to refuse every later order that exempts a user, until a restart.
#[tokio::test]
async fn rows_that_cannot_be_written_hold_up_no_others_and_no_order_that_exempts_other_users() {
    let fixture = Fixture::new().await;
    let outbox = fixture.connected().await;
    let fixture = Fixture { user: UserId::from(8), ..fixture };
    let neighbour = fixture.connected().await;
    // An integer overflow, which no repetition mends.
    fixture.fail("no_rows", "UPDATE ON record WHEN NEW.user = 7", "abs(-9223372036854775807 - 1)");
    let (tenant, under_way) = (TenantId(0), TaskTracker::new());
    fixture
        .users
        .cut_off(tenant, Vec::new(), String::new(), entry_of_order(tenant), under_way.token())
        .await
        .unwrap();
    under_way.close();
    under_way.wait().await;
    let kicked = Some(Close::Kicked);
    assert_eq!((outbox.requested_close(), neighbour.requested_close()), (kicked, kicked));
    let open = "SELECT group_concat(user) FROM record WHERE offline_at IS NULL";
    let open: String = fixture.blocker.query_row(open, [], |row| row.get(0)).unwrap();
    assert_eq!(open, "7");
    let cut_off = async |exempt| {
        let under_way = TaskTracker::new();
        let done = fixture
            .users
            .cut_off(tenant, exempt, String::new(), entry_of_order(tenant), under_way.token())
            .await;
        under_way.close();
        under_way.wait().await;
        done
    };
    cut_off(vec![8]).await.unwrap();
    let serial = || fixture.users.cutoff_of(tenant).unwrap().serial;
    let before = serial();
    let refused = cut_off(vec![7]).await;
    assert!(matches!(refused, Err(CommandError::Store(_))), "only the cutoff hides the row: {refused:?}");
    assert_eq!((serial(), fixture.open_records()), (before, 1));
    fixture.blocker.execute_batch("DROP TRIGGER no_rows").unwrap();
    cut_off(vec![7]).await.unwrap();
    assert_eq!(fixture.open_records(), 0);
}

#[tokio::test]
async fn rows_that_could_not_be_written_are_written_with_the_next_order() {
    let fixture = Fixture::new().await;
    fixture.connected().await;
    fixture.fail("no_rows", "UPDATE ON record", "abs(-9223372036854775807 - 1)");
    fixture.put_in_force(TenantId(0));
    fixture.users.deliver(TenantId(0), String::new()).await;
    assert_eq!(fixture.open_records(), 1);
    fixture.blocker.execute_batch("DROP TRIGGER no_rows").unwrap();
    fixture.users.deliver(TenantId(0), String::new()).await;
    assert_eq!(fixture.open_records(), 0);
}

/// A record that another system calls online, until the tenant's order ends it.
#[tokio::test]
async fn imports_that_an_order_could_not_end_are_ended_before_an_order_that_exempts_their_user() {
    let fixture = Fixture::new().await;
    let import = "INSERT INTO record (id, tenant, user, full_name, user_agent, device_id, remote_address, online_at, source, \
                  generation) VALUES (1, 0, 8, '', '', '', '', ?1, 1, 1), (2, 0, 9, '', '', '', '', ?1, 1, 1)";
    fixture.blocker.execute(import, [now().millis()]).unwrap();
    fixture.fail("no_imports", "UPDATE ON record", "abs(-9223372036854775807 - 1)");
    let tenant = TenantId(0);
    fixture.put_in_force(tenant);
    fixture.users.deliver(tenant, String::new()).await;
    assert_eq!(fixture.open_records(), 2);
    let cut_off = |exempt| {
        fixture.users.cut_off(
            tenant,
            exempt,
            String::new(),
            entry_of_order(tenant),
            TaskTracker::new().token(),
        )
    };
    assert!(matches!(cut_off(vec![8]).await, Err(CommandError::Store(_))));
    fixture.blocker.execute_batch("DROP TRIGGER no_imports").unwrap();
    cut_off(vec![8]).await.unwrap();
    let ended: i64 = fixture
        .blocker
        .query_row("SELECT count(*) FROM record WHERE user = 8 AND offline_at IS NOT NULL", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(ended, 1);
}

/// The known-wrong way was one commit of thousands of records, behind which every login waited.
#[tokio::test]
async fn another_users_commit_comes_between_the_pieces_of_an_import() {
    let fixture = Fixture::new().await;
    let record = |number: i64| Record {
        id: RecordId::from_number(number).unwrap(),
        tenant: TenantId(1),
        user: number,
        full_name: String::new(),
        avatar: None,
        user_agent: String::new(),
        device_id: String::new(),
        remote_address: String::new(),
        online_at: now(),
        offline_at: None,
        lease_until: None,
        source: Source::Import,
        member_of: None,
        under: Serial::UNKNOWN,
        generation: 1,
    };
    let backend = Origin::new(fixture.users.clone()).unwrap();
    let blocked = fixture.block_writer().await;
    let mut import = Box::pin(backend.import((1..=1_000).map(record).collect()));
    blocked.until_it_commits(import.as_mut()).await;
    let mut login = Box::pin(fixture.token());
    while fixture.users.store().queued() == 1 {
        assert!(poll!(login.as_mut()).is_pending());
        yield_now().await;
    }
    blocked.end().await;
    login.await;
    assert!(poll!(import.as_mut()).is_pending(), "the login waited for the whole import");
    assert_eq!(fixture.open_records(), 500);
    assert_eq!(import.await.unwrap().len(), 1_000);
}

/// The known-wrong way was one future with the parts of both stores in it: each command of the one took memory for the other.
#[tokio::test]
async fn commands_take_no_memory_for_the_parts_of_another_store() {
    let fixture = Fixture::new().await;
    let (users, user, command) = (&fixture.users, fixture.users.entry(&fixture.user), Command::Tick);
    let (load, decide) =
        (size_of_val(&users.load(&user, &command)), size_of_val(&users.decide(&user, &command)));
    let commit_local = size_of_val(&users.commit_local(&user, &[]));
    let commit = size_of_val(&users.commit(&user, Turn::Local, &[], &[]));
    let all = size_of_val(&users.make_durable(&user, &command));
    assert!(decide <= load + 128 && commit <= commit_local + 128, "{load} {decide}; {commit_local} {commit}");
    assert!(all <= load.max(commit_local) + 1_024, "{all}");
}
