//! The message center's consoles, as tests of logins and of SockJS's transports need them.

use rollcall_conformance::{
    console::fixture::sha256,
    http::{Connection, Request, Response},
    world::World,
};
use serde_json::Value;
use tokio::time::Instant;

use crate::kit::Server;

pub const ADMIN: &str = "the-token-of-the-administrator";
pub const USER: &str = "the-token-of-user-101";
pub const OTHER: &str = "the-token-of-user-102";
pub const SOCKET: &str = "/ws/messageCenter";

/// A server with users 101 and 102 and an administrator of one tenant.
pub fn server(home: &tempfile::TempDir, variables: &[(&str, &str)]) -> Server {
    let token = |text: &str, user: i64, admin: bool| {
        let sha256 = sha256(text);
        format!(
            "[[auth.tokens]]\nsha256 = '{sha256}'\nuser_id = {user}\ntenant_id = 1\nsys_admin = {admin}\n"
        )
    };
    let tokens = [token(ADMIN, 100, true), token(USER, 101, false), token(OTHER, 102, false)].concat();
    Server::start_as(
        &home.path().join("data"),
        &format!("{tokens}[presence]\ngrace_seconds = 0\n"),
        variables,
        "",
    )
}

/// How many records of a user are online.
pub async fn online(world: &World, user: i64) -> u64 {
    let list = format!("/api/v1/message/center/online?userId={user}&online=true");
    let list = Request::new("GET", &list).header("Authorization", &format!("Bearer {ADMIN}"));
    let answer = world.send(&list).await.unwrap().json().unwrap();
    answer["data"]["total"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

/// Waits until so many are.
pub async fn until_online(world: &World, user: i64, wanted: u64) {
    let deadline = Instant::now() + std::time::Duration::from_secs(60);
    while online(world, user).await != wanted {
        assert!(Instant::now() < deadline, "{wanted} records of {user} are never online");
    }
}

/// Forces a user offline.
pub async fn take_off(world: &World, user: i64) {
    let body = format!(r#"{{"receiveObjectType":"USER","receiveObjectIds":[{user}]}}"#);
    let off = Request::post("/api/v1/message/center/online/off")
        .header("Authorization", &format!("Bearer {ADMIN}"))
        .body(body);
    assert_eq!(world.send(&off).await.unwrap().response.status, 200);
}

/// A request on a connection of its own.
pub async fn ask(server: &Server, request: &Request) -> Response {
    Connection::open(server.address).await.unwrap().send(request).await.unwrap()
}

pub fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// The machine word of a refusal.
pub fn key(response: &Response) -> String {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    body["ext"]["eKey"].as_str().unwrap().to_owned()
}
