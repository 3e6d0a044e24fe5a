//! A backup that is made under load has all that was answered before it, and can be served from.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rollcall_conformance::{http::Request, world::World};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    kit::Server,
    shell::{ended, err, run},
};

const CLIENTS: usize = 8;
/// Answers before the backup begins.
const ENOUGH: usize = 200;
const KICKED: i64 = 1506;
/// The SHA-256 of `password`.
const STATIC: &str = "[[auth.tokens]]\nsha256 = '5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8'\n\
                      user_id = 100\ntenant_id = 1\nsys_admin = true\n";

/// Tokens whose issue was answered, and of those the ones whose kick was asked for and answered.
#[derive(Default)]
struct Ledger {
    issued: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
    kicked: Mutex<Vec<String>>,
    moment: Notify,
    enough: AtomicBool,
}

async fn client(world: World, name: usize, ledger: Arc<Ledger>) {
    for n in 0_u32.. {
        if ledger.enough.load(Ordering::Relaxed) {
            return;
        }
        let user = format!("{name}-{n}");
        let token = world.issue(&user, 5).await.unwrap();
        ledger.issued.lock().unwrap().push(token.clone());
        if n % 2 == 0 {
            ledger.asked.lock().unwrap().push(token.clone());
            world.force_logout(&user, 5).await.unwrap();
            ledger.kicked.lock().unwrap().push(token);
        }
        ledger.moment.notify_one();
    }
}

/// The status of a console's question with the configured token, which an order can only end.
async fn console(world: &World, order: bool) -> u16 {
    let mut request = Request::new("GET", "/api/v1/message/center/online");
    if order {
        request = Request::post("/api/v1/message/center/online/off");
        request.body =
            json!({"receiveObjectType": "USER", "receiveObjectIds": [100]}).to_string().into_bytes();
    }
    world.send(&request.header("authorization", "Bearer password")).await.unwrap().response.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_every_token_kick_and_cutoff_that_was_answered() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, STATIC);
    let world = server.world();
    let (_, _socket) = world.login("101", 2).await.unwrap();
    assert_eq!(console(&world, false).await, 200);
    assert_eq!(console(&world, true).await, 200);
    assert_eq!(console(&world, false).await, 401, "the order left a cutoff");

    let ledger = Arc::new(Ledger::default());
    let clients: Vec<_> =
        (0..CLIENTS).map(|n| tokio::spawn(client(world.clone(), n, ledger.clone()))).collect();
    while ledger.issued.lock().unwrap().len() < ENOUGH {
        ledger.moment.notified().await;
    }
    let kicked = ledger.kicked.lock().unwrap().clone();
    let issued = ledger.issued.lock().unwrap().clone();
    let file = home.path().join("backup.sqlite3");
    let (dir, name) = (data_dir.clone(), file.to_str().unwrap().to_owned());
    let made = tokio::task::spawn_blocking(move || run(&dir, "", &["backup", &name])).await.unwrap();
    let during = ledger.issued.lock().unwrap().len() - issued.len();
    ledger.enough.store(true, Ordering::Relaxed);
    assert!(ended(&made, 0).contains("backup.sqlite3: "));
    for client in clients {
        client.await.unwrap();
    }
    assert!(during > 0, "nothing was written while the backup was made");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    server.kill();

    let restored = home.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::copy(&file, restored.join("rollcall.sqlite3")).unwrap();
    let server = Server::start(&restored, STATIC);
    let world = server.world();
    // A kick that was asked for before the backup ended may be in it or not.
    let asked = ledger.asked.lock().unwrap().clone();
    for token in &issued {
        let verdict = world.verdict(token).await.unwrap();
        let right = match (kicked.contains(token), asked.contains(token)) {
            (true, _) => verdict == KICKED,
            (false, true) => verdict == KICKED || verdict == 0,
            (false, false) => verdict == 0,
        };
        assert!(right, "{verdict}, kicked before: {}", kicked.contains(token));
    }
    assert!(kicked.len() >= CLIENTS, "the load was too small to show anything");
    assert_eq!(console(&world, false).await, 401, "the cutoff is in the backup");
    assert!(world.status("101").await.unwrap().connections.is_empty(), "sockets are not restored");
    let admin = world.admin_token().await.unwrap();
    let ended_records =
        run(&restored, &admin, &["ls", "--offline", "--filter", "userId EQUAL 101", "--json"]);
    assert!(ended(&ended_records, 0).contains("\"total\":1"), "its record has ended");
}

#[test]
fn a_backup_overwrites_nothing_and_needs_a_store() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    drop(Server::start(&data_dir, ""));
    let file = home.path().join("backup.sqlite3");
    ended(&run(&data_dir, "", &["backup", file.to_str().unwrap()]), 0);
    let again = run(&data_dir, "", &["backup", file.to_str().unwrap()]);
    ended(&again, 1);
    assert!(err(&again).contains("never overwrites"), "{}", err(&again));
    let empty = home.path().join("empty");
    std::fs::write(empty.with_extension("toml"), format!("[server]\ndata_dir = '{}'\n", empty.display()))
        .unwrap();
    let nothing = run(&empty, "", &["backup", "x.sqlite3"]);
    ended(&nothing, 1);
    assert!(err(&nothing).contains("there is no store"), "{}", err(&nothing));
    assert!(!empty.exists(), "asking makes no data directory");
}
