//! Nothing that was answered is lost, whenever the process dies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "a test"
)]

mod kit;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
};

use kit::Server;
use rollcall_conformance::{
    size::size,
    world::{World, post},
};
use serde_json::json;
use tokio::sync::Notify;

const CLIENTS: usize = 8;
const KICKED: i64 = 1506;

/// What a client knows of one token of its own user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The issue was answered, no kick was asked for.
    Issued,
    /// A kick was asked for and not answered: dead or alive, both are right.
    Kicking,
    /// The kick was answered.
    Kicked,
}

#[derive(Default)]
struct Ledger {
    /// With their users.
    tokens: Mutex<HashMap<String, (String, Known)>>,
    in_flight: Mutex<usize>,
    answered: Mutex<usize>,
    moment: Notify,
}

impl Ledger {
    fn asked(&self) {
        *self.in_flight.lock().unwrap() += 1;
    }

    fn answered(&self) {
        *self.in_flight.lock().unwrap() -= 1;
        *self.answered.lock().unwrap() += 1;
        self.moment.notify_one();
    }

    fn know(&self, user: &str, token: &str, known: Known) {
        self.tokens.lock().unwrap().insert(token.to_owned(), (user.to_owned(), known));
    }
}

/// Issues and kicks until the server is gone.
async fn client(world: World, name: String, ledger: Arc<Ledger>) {
    for n in 0_u32.. {
        let user = format!("{name}-{n}");
        ledger.asked();
        let Ok(token) = world.issue(&user, 5).await else { return };
        ledger.know(&user, &token, Known::Issued);
        ledger.answered();
        if n % 2 == 0 {
            ledger.know(&user, &token, Known::Kicking);
            ledger.asked();
            let body = json!({"userID": user, "platformID": 5});
            let Ok(answer) = world.as_admin("/auth/force_logout", &body).await else { return };
            if answer.empty().is_err() {
                return;
            }
            ledger.know(&user, &token, Known::Kicked);
            ledger.answered();
        }
    }
}

/// How many records there are, and how many of them have no end.
fn records(data_dir: &Path) -> (u32, u32) {
    let store = rusqlite::Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    let sql = "SELECT count(*), count(*) FILTER (WHERE offline_at IS NULL) FROM record";
    store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The number of entries in the audit, by user.
fn audit(data_dir: &Path) -> HashMap<String, u32> {
    let store = rusqlite::Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    let mut rows = store.prepare("SELECT target, count(*) FROM audit GROUP BY target").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaths_under_load_lose_nothing_that_was_answered() {
    let deaths = size(8, 50);
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let (mut issued, mut kicked, mut open) = (0, 0, 0);
    let mut server = Server::start(&data_dir, "");
    for death in 0..deaths {
        let world = server.world();
        let ledger = Arc::new(Ledger::default());
        // Somebody is online at the moment of death, and must not be afterwards.
        let online = format!("{}", 1000 + death);
        let login = world.issue(&online, 2).await.unwrap();
        let socket = world.open(&online, 2, &login).await.unwrap();
        world.admin_token().await.unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| tokio::spawn(client(world.clone(), format!("{death}-{n}"), ledger.clone())))
            .collect();
        // A different moment each time, counted in answers.
        let enough = 1 + (death * 37) % 113;
        while *ledger.answered.lock().unwrap() < enough {
            ledger.moment.notified().await;
        }
        let in_flight = *ledger.in_flight.lock().unwrap();
        server.kill();
        for client in clients {
            client.await.unwrap();
        }
        drop(socket);

        server = Server::start(&data_dir, "");
        let world = server.world();
        let tokens = ledger.tokens.lock().unwrap().clone();
        let audited = audit(&data_dir);
        for (token, (user, known)) in &tokens {
            let verdict = world.verdict(token).await.unwrap();
            let right = match known {
                Known::Issued => verdict == 0,
                Known::Kicking => verdict == 0 || verdict == KICKED,
                Known::Kicked => verdict == KICKED,
            };
            assert!(right, "death {death}: a token that was {known:?} is now {verdict}");
            // An order that is durable has its entry, one that is not has none.
            let entries = audited.get(user).copied().unwrap_or(0);
            assert_eq!(
                entries,
                u32::from(verdict == KICKED),
                "death {death}: entries of a token that was {known:?}"
            );
        }
        let repeated = tokens.values().filter(|(_, known)| *known == Known::Kicking).take(2);
        for (user, _) in repeated {
            world.force_logout(user, 5).await.unwrap();
            let entries = audit(&data_dir).get(user).copied();
            let before = audited.get(user).copied().unwrap_or(0);
            assert_eq!(entries, Some(before + 1), "death {death}: a repetition is an order of its own");
        }
        assert_eq!(
            records(&data_dir),
            (u32::try_from(death).unwrap() + 1, 0),
            "records, and those without an end, after death {death}"
        );
        assert!(
            world.status(&online).await.unwrap().connections.is_empty(),
            "a user is online after death {death}"
        );
        let count = |wanted| tokens.values().filter(|(_, known)| *known == wanted).count();
        println!(
            "death {death}: {in_flight} in flight, {} answered, {} issued, {} kicked, {} kicks unanswered",
            ledger.answered.lock().unwrap(),
            count(Known::Issued),
            count(Known::Kicked),
            count(Known::Kicking),
        );
        issued += count(Known::Issued);
        kicked += count(Known::Kicked);
        open += in_flight;
    }
    println!(
        "{deaths} deaths: {issued} issued and {kicked} kicked tokens checked, {open} requests were in flight"
    );
    assert!(
        issued >= deaths && kicked >= deaths && open >= deaths,
        "the load was too small to show anything"
    );
    assert!(server.terminate().success(), "SIGTERM must end it with status 0");
}

/// An order to many users is durable when it is answered, and goes on at every start until it has reached all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_many_users_survives_deaths_in_the_middle_of_its_delivery() {
    let (users, deaths) = (size(2_000, 10_000), size(3, 20));
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let ids: Vec<u64> = (1_000_000..).take(users).collect();
    let last = ids.last().unwrap().to_string();
    let mut server = Server::start(&data_dir, "");
    let world = server.world();
    let (token, socket) = world.login(&last, 5).await.unwrap();
    let admin = world.admin_token().await.unwrap();
    let body = json!({"receiveObjectType": "USER", "receiveObjectIds": ids}).to_string();
    let order = post("/api/v1/message/center/online/off", None, &body)
        .header("Authorization", &format!("Bearer {admin}"));
    assert_eq!(world.send(&order).await.unwrap().response.status, 200);
    assert_eq!(
        audit(&data_dir),
        HashMap::from([(String::new(), 1)]),
        "one entry, whatever the number of users"
    );
    let mut left = Vec::new();
    for _ in 0..deaths {
        // Each life after the first one takes it further.
        let before = left.last().copied().unwrap_or(u32::MAX);
        let progress = || async { Ok(before == 0 || unreached(&data_dir) < before) };
        server.world().eventually("the delivery goes on", progress, &true).await.unwrap();
        server.kill();
        left.push(unreached(&data_dir));
        server = Server::start(&data_dir, "");
        // The answer comes from the order or from what its delivery has written down.
        assert_eq!(server.world().verdict(&token).await.unwrap(), KICKED, "users left: {left:?}");
    }
    drop(socket);
    let world = server.world();
    let new = world.issue(&last, 5).await.unwrap();
    let delivered = || async { Ok(unreached(&data_dir)) };
    world.eventually("users that the order has not reached", delivered, &0).await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), KICKED);
    assert_eq!(world.verdict(&new).await.unwrap(), 0, "a token from after the order");
    assert!(left[0] > 0, "the order was delivered before the first death: {left:?}");
    println!("users left at each death: {left:?}");
    assert!(server.terminate().success(), "SIGTERM must end it with status 0");
}

fn unreached(data_dir: &Path) -> u32 {
    let store = rusqlite::Connection::open(data_dir.join("rollcall.sqlite3")).unwrap();
    store.query_row("SELECT count(*) FROM scoped_user", [], |row| row.get(0)).unwrap()
}
