//! `kick` ends connections and tokens.

use rollcall_conformance::{
    console::fixture::sha256,
    http::Request,
    ws::{Handshake, Socket},
};
use serde_json::json;

use crate::{
    kit::Server,
    shell::{document, ended, err, golden, run, run_with},
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
    ended(&run(&data_dir, &admin, &["kick", "--tenant", "9", "--yes"]), 0);
    assert_eq!(world.platforms("101").await.unwrap(), [5], "it is of another tenant");
    let told = document(&run(&data_dir, &admin, &["kick", "--tenant", "0", "--yes", "--json"]), 0);
    assert_eq!(told, json!({"tenant": "0", "left": []}));
    assert_eq!(world.platforms("101").await.unwrap(), [0_i64; 0]);
    assert_eq!(world.verdict(&token).await.unwrap(), KICKED);
}

/// The tokens of a `sys_admin` of tenant 3 and of user 7 of that tenant, and their configuration.
const SYS_ADMIN: &str = "an-opaque-token-of-the-administrator-of-tenant-3";
const CONSOLE: &str = "an-opaque-token-of-user-7-of-tenant-3";

fn tenant_3() -> String {
    let token = |text: &str, more: &str| {
        format!("[[auth.tokens]]\nsha256 = '{}'\ntenant_id = 3\n{more}\n", sha256(text))
    };
    format!("{}{}", token(SYS_ADMIN, "user_id = 6\nsys_admin = true"), token(CONSOLE, "user_id = 7"))
}

/// A console of user 7, which OpenIM's status does not show.
async fn console(server: &Server) -> Socket {
    let handshake = Handshake::empty().path("/ws/messageCenter").set("access_token", CONSOLE);
    let mut socket = server.world().upgraded(&handshake).await.unwrap();
    socket.control_ping(b"here").await.unwrap();
    socket
}

/// An imported record of user 7 that is online.
fn record(id: i64, tenant: i64) -> String {
    json!({"id": id, "tenantId": tenant, "userId": 7, "onlineDate": "2026-01-01T08:00:00Z", "leaseUntil": "2099-01-01T00:00:00Z"})
        .to_string()
}

/// The known-wrong way was one order to the token's own tenant, and a look at that tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_reaches_sockets_consoles_and_records_of_every_tenant() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, &tenant_3());
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let mut console = console(&server).await;
    let records = format!("{}\n{}\n{}\n", record(1, 3), record(2, 9), record(3, -4));
    let import = || {
        let variables = [("ROLLCALL_TOKEN", admin.as_str())];
        ended(&run_with(&data_dir, &variables, &["import", "-"], &records), 0)
    };
    import();

    let seen = document(&run(&data_dir, &admin, &["who", "7", "--json"]), 0);
    assert_eq!(seen["users"][0]["recordTenants"], json!(["-4", "3", "9"]));
    assert_eq!(seen["users"][0]["consoles"].as_array().unwrap().len(), 1);
    let listed = golden(&ended(&run(&data_dir, &admin, &["who", "7"]), 0));
    assert_eq!(
        listed,
        [
            "USER  STATUS  PLATFORM  CONNECTION                        BACKGROUND  TOKEN",
            "7     online  console   <thirty-two hexadecimal digits->  -           -",
            "7     online  record    in tenant -4                      -           -",
            "7     online  record    in tenant 9                       -           -",
        ]
    );

    let elsewhere = run(&data_dir, &admin, &["kick", "--tenant", "2", "7"]);
    assert!(ended(&elsewhere, 4).contains("online"));
    assert!(err(&elsewhere).contains("7 (of tenants -4, 3, 9)"), "{}", err(&elsewhere));
    let one = run(&data_dir, &admin, &["kick", "--tenant", "9", "7"]);
    ended(&one, 4);
    assert!(err(&one).contains("7 (of tenants -4, 3). The order went to tenant 9 alone"), "{}", err(&one));

    import();
    let told = document(&run(&data_dir, &admin, &["kick", "7", "--json"]), 0);
    assert_eq!(
        told,
        json!({"users": [{"userID": "7", "order": "force off", "online": false, "tenantId": "3"}]})
    );
    console.text().await.unwrap();
    assert_eq!(console.closed(4001).await.unwrap(), "forced_offline");
    assert_eq!(document(&run(&data_dir, &admin, &["who", "7", "--json"]), 0)["users"][0]["online"], false);
    for tenant in ["-4", "3", "9"] {
        let listed = document(
            &run(&data_dir, &admin, &["ls", "--online", &format!("--tenant={tenant}"), "--json"]),
            0,
        );
        assert_eq!(listed["total"], 0, "tenant {tenant}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_is_kicked_whatever_the_tenant() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, &tenant_3());
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let (_, _socket) = world.login("7", 5).await.unwrap();
    let (_, _other) = world.login("7", 2).await.unwrap();
    ended(&run(&data_dir, &admin, &["kick", "7", "--platform", "web"]), 0);
    assert_eq!(world.platforms("7").await.unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sys_admin_kicks_users_of_the_own_tenant_and_no_other() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, &tenant_3());
    let world = server.world();
    let variables = [("ROLLCALL_TOKEN", SYS_ADMIN)];
    let lines = format!("{}\n{}\n", record(1, 3), record(2, 2));
    let imported = run_with(&data_dir, &variables, &["import", "-"], &lines);
    assert_eq!(ended(&imported, 4), "1 imported, 0 updated, 1 rejected\n");
    assert!(err(&imported).contains("-:2: tenantId: 2"), "{}", err(&imported));
    let (token, _stranger) = world.login("101", 5).await.unwrap();
    let mut console = console(&server).await;

    let elsewhere = [("ROLLCALL_TOKEN", &*world.admin_token().await.unwrap())];
    ended(&run_with(&data_dir, &elsewhere, &["import", "-"], &record(4, 5)), 0);
    let seen = document(&run(&data_dir, SYS_ADMIN, &["who", "7", "101", "--json"]), 0);
    let shown =
        |user: usize| (seen["users"][user]["online"].clone(), seen["users"][user]["recordTenants"].clone());
    assert_eq!(shown(0), (json!(true), json!(["3"])));
    assert_eq!(shown(1), (json!(null), json!([])), "a user of tenant 0, or one who is offline");
    let told = ended(&run(&data_dir, SYS_ADMIN, &["who", "101"]), 0);
    assert!(told.contains("not of your tenant, or offline"), "{told}");

    let shown = ended(&run(&data_dir, SYS_ADMIN, &["kick", "7"]), 0);
    assert!(shown.contains("offline") && !shown.contains("not of"), "its console was seen: {shown}");
    console.text().await.unwrap();
    assert_eq!(console.closed(4001).await.unwrap(), "forced_offline");
    let unseen = run(&data_dir, SYS_ADMIN, &["kick", "101"]);
    assert!(ended(&unseen, 4).contains("not of your tenant, or offline"));
    assert!(err(&unseen).contains("not of your tenant, or offline: 101"), "{}", err(&unseen));
    let document = document(&run(&data_dir, SYS_ADMIN, &["kick", "101", "--json"]), 4);
    assert_eq!(document["users"][0]["online"], json!(null));
    assert_eq!(world.verdict(&token).await.unwrap(), 0, "a user of tenant 0, which tenant 3 does not see");
    for arguments in
        [&["kick", "--tenant", "0", "101"][..], &["kick", "--tenant", "0", "-y"], &["ls", "--tenant", "0"]]
    {
        let refused = run(&data_dir, SYS_ADMIN, arguments);
        ended(&refused, 3);
        assert!(err(&refused).contains("operator_client_id"), "{}", err(&refused));
        assert!(!err(&refused).contains("sys_admin"), "the advice is what was done: {}", err(&refused));
    }
}

/// The token of user 8, who may take a tenant offline and may not read.
const BLIND: &str = "an-opaque-token-of-user-8-who-may-force-off-and-not-read";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_left_of_a_tenant_is_named() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let blind = format!(
        "[[auth.tokens]]\nsha256 = '{}'\ntenant_id = 3\nuser_id = 8\npermissions = ['SignOut']\n",
        sha256(BLIND)
    );
    let server =
        Server::start(&data_dir, &format!("admin_user_ids = ['imAdmin', '9']\n{}{blind}", tenant_3()));
    let world = server.world();
    let admin = world.admin_token().await.unwrap();
    let mut console = console(&server).await;
    // Imported records of the administrator's own, which no order to the tenant ends.
    let exempt = record(1, 3).replace("\"userId\":7", "\"userId\":9");
    ended(&run_with(&data_dir, &[("ROLLCALL_TOKEN", admin.as_str())], &["import", "-"], &exempt), 0);

    let told = run(&data_dir, SYS_ADMIN, &["kick", "--tenant", "3", "--yes"]);
    assert_eq!(ended(&told, 4), "");
    assert!(err(&told).contains("still online"), "{}", err(&told));
    assert!(err(&told).trim_end().ends_with(": 9"), "{}", err(&told));
    console.text().await.unwrap();
    assert_eq!(console.closed(4001).await.unwrap(), "forced_offline");
    let told = document(&run(&data_dir, SYS_ADMIN, &["kick", "--tenant", "3", "--yes", "--json"]), 4);
    assert_eq!(told, json!({"tenant": "3", "left": ["9"]}));

    // The orders took the other caller's token as well.
    let unlock =
        Request::post("/admin/v1/tenants/3/unlock").header("Authorization", &format!("Bearer {admin}"));
    assert_eq!(world.send(&unlock).await.unwrap().response.status, 200);
    let told = run(&data_dir, BLIND, &["kick", "--tenant", "3", "--yes"]);
    ended(&told, 4);
    assert!(err(&told).contains("the order to tenant 3 is in force"), "{}", err(&told));
    let told = document(&run(&data_dir, BLIND, &["kick", "--tenant", "3", "--yes", "--json"]), 4);
    assert_eq!(told, json!({"tenant": "3", "left": null}));
}

/// OpenIM's endpoints know no opaque tokens, so that another one is no remedy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sys_admin_who_asks_openims_endpoints_is_not_told_to_use_the_same_token() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let _server = Server::start(&data_dir, &tenant_3());
    for arguments in [&["kick", "alice"][..], &["kick", "7", "--platform", "Web"]] {
        let refused = run(&data_dir, SYS_ADMIN, arguments);
        ended(&refused, 3);
        assert!(err(&refused).contains("rollcall token admin"), "{}", err(&refused));
        assert!(!err(&refused).contains("sys_admin"), "{}", err(&refused));
    }
    let named = run(&data_dir, SYS_ADMIN, &["kick", "--tenant", "3", "alice"]);
    ended(&named, 2);
    assert!(err(&named).contains("alice"), "{}", err(&named));
    let unknown = run(&data_dir, SYS_ADMIN, &["kick", "7", "--platform", "Browser"]);
    ended(&unknown, 2);
    assert!(err(&unknown).contains("5 Web"), "{}", err(&unknown));
}
