//! `kick` ends connections and tokens.

use serde_json::json;

use crate::{
    kit::Server,
    shell::{document, ended, err, golden, run},
};

const KICKED: i64 = 1506;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_ends_connections_and_tokens_of_numbers_and_names_alike() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (alice, mut phone) = world.login("alice", 2).await.unwrap();
    let (number, mut browser) = world.login("101", 5).await.unwrap();
    let (bystander, _stays) = world.login("bob", 2).await.unwrap();

    let shown = ended(&run(&data_dir, &admin, &["kick", "--yes", "alice", "101", "nobody"]), 0);
    assert_eq!(
        golden(&shown),
        [
            "USER    ORDER         NOW",
            "alice   force logout  offline",
            "101     force off     offline",
            "nobody  force logout  offline",
        ]
    );
    for socket in [&mut phone, &mut browser] {
        socket.kicked().await.unwrap();
    }
    assert_eq!(world.verdict(&alice).await.unwrap(), KICKED);
    assert_eq!(world.verdict(&number).await.unwrap(), KICKED);
    assert_eq!(world.verdict(&bystander).await.unwrap(), 0);
    assert_eq!(world.platforms("bob").await.unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_alone_can_be_kicked() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (phone_token, _phone) = world.login("101", 2).await.unwrap();
    let (browser_token, _browser) = world.login("101", 5).await.unwrap();
    let told = document(&run(&data_dir, &admin, &["kick", "101", "--platform", "2", "--json"]), 0);
    assert_eq!(told, json!({"users": [{"userID": "101", "order": "force logout", "online": false}]}));
    assert_eq!(world.verdict(&phone_token).await.unwrap(), KICKED);
    assert_eq!(world.verdict(&browser_token).await.unwrap(), 0);
    assert_eq!(world.platforms("101").await.unwrap(), [5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_kicked_after_a_yes_and_another_one_never_in_silence() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (token, _socket) = world.login("101", 5).await.unwrap();
    for arguments in [&["kick", "--tenant", "0"][..], &["kick", "101", "102"]] {
        let unasked = run(&data_dir, &admin, arguments);
        ended(&unasked, 2);
        assert!(err(&unasked).contains("--yes"), "{}", err(&unasked));
    }
    ended(&run(&data_dir, &admin, &["kick", "--tenant", "9", "--yes"]), 3);
    assert_eq!(world.platforms("101").await.unwrap(), [5], "nothing of it was carried out");
    let told = document(&run(&data_dir, &admin, &["kick", "--tenant", "0", "--yes", "--json"]), 0);
    assert_eq!(told, json!({"tenant": "0"}));
    assert_eq!(world.platforms("101").await.unwrap(), [0_i64; 0]);
    assert_eq!(world.verdict(&token).await.unwrap(), KICKED);
}

/// Of another tenant than the token's: a force off ignores such a user without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whom_the_order_did_not_reach_is_told() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let foreign = format!("[[auth.tokens]]\nsha256 = '{}'\nuser_id = 7\ntenant_id = 3\n", "0".repeat(64));
    let server = Server::start(&data_dir, &foreign);
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (_, _socket) = world.login("7", 5).await.unwrap();
    let unreached = run(&data_dir, &admin, &["kick", "7"]);
    assert!(ended(&unreached, 4).contains("online"));
    assert!(err(&unreached).contains("another tenant"), "{}", err(&unreached));
    ended(&run(&data_dir, &admin, &["kick", "7", "--platform", "5"]), 0);
    assert_eq!(world.platforms("7").await.unwrap(), [0_i64; 0]);
}
