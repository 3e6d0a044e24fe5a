//! Bearer tokens that nobody issued.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rollcall_conformance::{
    console::issuer::{ANYWHERE, Behavior, Issuer, user_claims},
    http::{Connection, Request, Response},
    settings::{Introspection, Settings},
    world::{STATUS, post},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::kit::Server;

const LIST: &str = "/api/v1/message/center/online";
/// Never, as far as a test is concerned.
const NEVER: Behavior = Behavior::Slow(600_000);

async fn issuer() -> (Issuer, String) {
    let introspection =
        Introspection { url: ANYWHERE.to_owned(), client_id: None, client_secret: None, cache_seconds: 0 };
    let mut settings = Settings { introspection: Some(introspection), ..Settings::default() };
    let issuer = Issuer::wanted(&mut settings).await.unwrap().unwrap();
    let url = settings.introspection.unwrap().url;
    // Every request asks the issuer.
    (issuer, format!("[auth.introspection]\nurl = '{url}'\ncache_seconds = 0\n"))
}

async fn list(connection: &mut Connection, token: &str) -> Response {
    let request = Request::new("GET", LIST).header("authorization", &format!("Bearer {token}"));
    connection.send(&request).await.unwrap()
}

fn key(response: &Response) -> String {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    body["ext"]["eKey"].as_str().unwrap().to_owned()
}

fn administrator() -> Value {
    user_claims(7, 1, &json!({"principal": {"sys_admin": true}}))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_with_a_good_token_does_not_wait_behind_junk() {
    const JUNK: usize = 300;
    let home = tempfile::tempdir().unwrap();
    let (issuer, section) = issuer().await;
    let issuer = Arc::new(issuer);
    let server = Server::start(&home.path().join("data"), &section);
    let address = server.address;
    issuer.activates("good", administrator());
    let mut console = Connection::open(address).await.unwrap();
    assert_eq!(list(&mut console, "good").await.status, 200);

    for n in 0..JUNK {
        issuer.behaves(&format!("junk{n}"), NEVER);
    }
    let (refused, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut flood = JoinSet::new();
    for n in 0..JUNK {
        let (refused, over) = (refused.clone(), over.clone());
        flood.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            // Each as soon as the one before was answered.
            while !over.load(Relaxed) {
                let response = list(&mut connection, &format!("junk{n}")).await;
                if over.load(Relaxed) {
                    break;
                }
                assert_eq!(response.status, 503);
                if key(&response) == "server_busy" {
                    assert_eq!(response.header("retry-after").as_deref(), Some("1"));
                    refused.fetch_add(1, Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        });
    }
    // All places of strangers are taken, and what waits for them too.
    let deadline = Instant::now() + Duration::from_secs(60);
    while refused.load(Relaxed) < JUNK / 2 {
        assert!(Instant::now() < deadline, "junk waits without end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The issuer answers no junk, so whoever waits behind it waits for seconds and is refused.
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let asked = Instant::now();
        let response = list(&mut console, "good").await;
        assert_eq!(response.status, 200, "a console was refused");
        slowest = slowest.max(asked.elapsed());
    }
    println!("the slowest of 50 requests beside {JUNK} of junk took {slowest:?}");
    over.store(true, Relaxed);
    flood.shutdown().await;
    assert_eq!(issuer.asked("good").len(), 51, "the issuer was not asked each time");
}

#[tokio::test]
async fn tokens_that_are_not_good_count_for_the_limit_of_their_address() {
    let home = tempfile::tempdir().unwrap();
    let (issuer, section) = issuer().await;
    let limited = [("ROLLCALL__LIMITS__TOKEN_REQUESTS_PER_MINUTE", "4")];
    let server = Server::start_as(&home.path().join("data"), &section, &limited, "");
    issuer.activates("good", administrator());
    issuer.activates("late", administrator());
    let mut console = Connection::open(server.address).await.unwrap();
    for _ in 0..9 {
        assert_eq!(list(&mut console, "good").await.status, 200);
    }
    for n in 0..3 {
        assert_eq!(list(&mut console, &format!("junk{n}")).await.status, 401);
    }
    assert_eq!(console.send(&post(STATUS, Some("abc"), "{}")).await.unwrap().status, 200);
    // The last one of the minute is spent; the fifth is one too many, whichever family it is of.
    let answer = console.send(&post(STATUS, Some("abc"), "{}")).await.unwrap();
    assert_eq!(answer.status, 429);
    let answer = list(&mut console, "junk9").await;
    assert_eq!((answer.status, key(&answer).as_str()), (429, "too_many_requests"));
    assert!((1..=15).contains(&answer.header("retry-after").unwrap().parse::<u64>().unwrap()));
    assert!(issuer.asked("junk9").is_empty(), "the issuer was asked for an address that has spent its limit");
    assert_eq!(list(&mut console, "late").await.status, 429, "it was never seen to be good");
    let guess = post("/auth/get_admin_token", None, "{}");
    assert_eq!(console.send(&guess).await.unwrap().status, 429);
    assert_eq!(list(&mut console, "good").await.status, 200, "a token that was good is not refused");
}
