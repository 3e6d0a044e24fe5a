//! Pages of browsers that ask for sockets: `server.allowed_origins`.

use rollcall_conformance::{
    world::World,
    ws::{Handshake, Opening, upgrade},
};
use serde_json::{Value, json};

use crate::kit::Server;

/// Every path that a socket is opened at, without a token.
const PATHS: [&str; 6] = [
    "/",
    "/ws",
    "/msg_gateway",
    "/ws/messageCenter",
    "/ws/messageCenter/websocket",
    "/ws/messageCenter/123/abc/websocket",
];

async fn status(world: &World, path: &str, origins: &[&str]) -> u16 {
    let headers: Vec<_> = origins.iter().map(|origin| ("origin".to_owned(), (*origin).to_owned())).collect();
    match world.try_upgrade_with(&upgrade(path, &headers)).await.unwrap() {
        Opening::Refused(response) => response.status,
        // It waits for a login.
        Opening::Upgraded(_) => 101,
    }
}

#[tokio::test]
async fn a_page_that_is_not_listed_is_refused_at_every_path_before_its_token_is_looked_at() {
    let home = tempfile::tempdir().unwrap();
    let listed = "https://chat.example,http://127.0.0.1:8080";
    let server = Server::start_with(&home.path().join("data"), &[("allowed_origins", listed)]);
    let world = server.world();
    for path in PATHS {
        // What a client without a token is told where it may ask.
        let judged = status(&world, path, &[]).await;
        assert_ne!(judged, 403, "{path}");
        assert_eq!(status(&world, path, &["https://Chat.example"]).await, judged, "{path}");
        assert_eq!(status(&world, path, &["http://127.0.0.1:8080"]).await, judged, "{path}");
        for stranger in ["https://evil.example", "http://chat.example", "http://127.0.0.1", "null"] {
            assert_eq!(status(&world, path, &[stranger]).await, 403, "{path} from {stranger}");
        }
        assert_eq!(
            status(&world, path, &["https://chat.example", "https://evil.example"]).await,
            403,
            "{path}"
        );
    }
    let token = world.issue("7", 5).await.unwrap();
    let handshake = Handshake::new("7", 5, &token);
    let strange =
        world.try_upgrade(&handshake.clone().header("origin", "https://evil.example")).await.unwrap();
    let Opening::Refused(refusal) = strange else { panic!("a strange page's socket is open") };
    let told: Value = serde_json::from_slice(&refusal.body).unwrap();
    assert_eq!((refusal.status, &told["errCode"]), (403, &json!(1002)), "{told}");
    let origin = [("origin".to_owned(), "https://evil.example".to_owned())];
    let strange = world.try_upgrade_with(&upgrade("/ws/messageCenter", &origin)).await.unwrap();
    let Opening::Refused(refusal) = strange else { panic!("a strange page's console is open") };
    let told: Value = serde_json::from_slice(&refusal.body).unwrap();
    assert_eq!((refusal.status, &told["ext"]["eKey"]), (403, &json!("forbidden")), "{told}");
    assert_eq!(world.platforms("7").await.unwrap(), [0i64; 0], "a refused page's user is not online");
    let mut socket = world.enter(&handshake.header("origin", "https://chat.example")).await.unwrap();
    socket.alive().await.unwrap();
    assert!(!server.log().contains("server.allowed_origins"), "{}", server.log());
}

#[tokio::test]
async fn without_a_list_every_page_may_connect_and_the_log_warns() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    server.until_logged("server.allowed_origins is not set").await;
    let token = world.issue("7", 5).await.unwrap();
    let handshake = Handshake::new("7", 5, &token).header("origin", "https://anything.example");
    world.enter(&handshake).await.unwrap().alive().await.unwrap();
}

#[test]
fn an_entry_that_is_no_origin_stops_the_start_and_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command
        .arg("serve")
        .current_dir(home.path())
        .env("ROLLCALL__SERVER__LISTEN", "127.0.0.1:0")
        .env("ROLLCALL__SERVER__ALLOWED_ORIGINS", "https://chat.example/app");
    let output = crate::kit::output(&mut command);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{complaint}");
    assert!(complaint.contains("server.allowed_origins"), "{complaint}");
    assert!(complaint.contains("https://chat.example/app"), "{complaint}");
}
