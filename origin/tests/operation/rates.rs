//! Addresses that ask too often: `limits.*`.

use rollcall_conformance::{
    http::{Request, Response},
    world::World,
    ws::{Opening, upgrade},
};
use serde_json::Value;

use crate::kit::{Server, scrape};

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

async fn attempt(world: &World, path: &str, from: &str) -> Response {
    let forwarded = [("x-forwarded-for".to_owned(), from.to_owned())];
    match world.try_upgrade_with(&upgrade(path, &forwarded)).await.unwrap() {
        Opening::Refused(response) => response,
        Opening::Upgraded(_) => panic!("without a token"),
    }
}

fn wait(response: &Response) -> u64 {
    response.header("retry-after").expect("Retry-After").parse().unwrap()
}

#[tokio::test]
async fn upgrades_of_one_address_are_bounded_in_the_words_of_the_path() {
    let home = tempfile::tempdir().unwrap();
    let limited = [
        ("ROLLCALL__LIMITS__HANDSHAKES_PER_MINUTE", "2"),
        ("trusted_proxies", "127.0.0.0/8"),
        ("metrics_listen", "127.0.0.1:0"),
    ];
    let server = Server::start_with(&home.path().join("data"), &limited);
    let world = server.world();
    for _ in 0..2 {
        assert_ne!(attempt(&world, "/", "192.0.2.1").await.status, 429);
    }
    let refused = attempt(&world, "/msg_gateway", "6.6.6.6, 192.0.2.1:4711").await;
    assert_eq!(refused.status, 429);
    assert!((1..=30).contains(&wait(&refused)), "{}", wait(&refused));
    assert_eq!(json(&refused)["errCode"], 429);
    let refused = attempt(&world, "/ws/messageCenter/1/a/websocket", "192.0.2.1").await;
    assert_eq!(refused.status, 429);
    assert_eq!(json(&refused)["code"], "E0");
    assert_eq!(json(&refused)["ext"]["eKey"], "too_many_requests");
    let plain = Request::new("GET", "/?token=abc").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(world.send(&plain).await.unwrap().response.status, 429, "asks why an upgrade was refused");
    let text = Request::new("GET", "/").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(world.send(&text).await.unwrap().response.status, 426);
    assert_ne!(attempt(&world, "/", "192.0.2.2").await.status, 429, "another client of the same proxy");
    world.issue("7", 5).await.expect("tokens have no limit here");
    assert_eq!(
        scrape(&server).await["rollcall_handshake_failures_total{code=\"429\"}"],
        2.0,
        "upgrades alone"
    );
}

#[tokio::test]
async fn requests_for_tokens_of_one_address_are_bounded_and_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let limited = [("ROLLCALL__LIMITS__TOKEN_REQUESTS_PER_MINUTE", "3")];
    let server = Server::start_with(&home.path().join("data"), &limited);
    let world = server.world();
    let guess = Request::post("/auth/get_admin_token").header("operationID", "guess").body("{}");
    for _ in 0..3 {
        assert_eq!(world.send(&guess).await.unwrap().envelope().unwrap().code(), 1001);
    }
    let refused = world.send(&guess).await.unwrap().response;
    assert_eq!(refused.status, 429);
    assert!((1..=20).contains(&wait(&refused)), "{}", wait(&refused));
    assert_eq!(json(&refused)["errCode"], 429);
    assert_ne!(attempt(&world, "/", "").await.status, 429);
    assert_eq!(world.send(&Request::new("GET", "/health")).await.unwrap().response.status, 200);
}

/// A limiter that sorts requests by their headers alone lets whoever calls a guess a handshake guess for ever.
#[tokio::test]
async fn a_guess_that_calls_itself_a_handshake_is_a_guess_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let both = [
        ("ROLLCALL__LIMITS__TOKEN_REQUESTS_PER_MINUTE", "2"),
        ("ROLLCALL__LIMITS__HANDSHAKES_PER_MINUTE", "2"),
    ];
    for limited in [&both[..1], &both[..]] {
        let server = Server::start_with(&home.path().join("data"), limited);
        let world = server.world();
        let guess = Request::post("/auth/get_admin_token")
            .header("operationID", "guess")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .body("{}");
        for _ in 0..2 {
            assert_eq!(world.send(&guess).await.unwrap().envelope().unwrap().code(), 1001, "{limited:?}");
        }
        assert_eq!(world.send(&guess).await.unwrap().response.status, 429, "{limited:?}");
        assert_ne!(attempt(&world, "/", "").await.status, 429, "{limited:?}");
    }
}

#[test]
fn a_limit_of_none_at_all_stops_the_start_and_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command
        .arg("serve")
        .current_dir(home.path())
        .env("ROLLCALL__SERVER__LISTEN", "127.0.0.1:0")
        .env("ROLLCALL__LIMITS__HANDSHAKES_PER_MINUTE", "0");
    let output = crate::kit::output(&mut command);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && complaint.contains("limits.handshakes_per_minute"), "{complaint}");
}
