//! Orders to tenants, to sets of users and to selections, given at one of several servers.

use std::time::{Duration, Instant};

use rollcall_conformance::{
    console::api::{Api, LIST},
    postgres::Postgres,
    proto,
    world::World,
};
use rollcall_core::{
    audit::EntryId,
    deny::DenyWindow,
    directory::view::{Cutoff, ScopedCutoff},
    id::{TenantId, UserId},
    serial::Serial,
    shard::{cutoff, scoped},
    store::{Statement, Value},
    time::Timestamp,
};
use rollcall_origin::store::Store;
use serde_json::{Value as Json, json};
use tokio_postgres::Client;

use crate::{
    engines::{client, settings},
    nodes::{pushed, serve, serve_with, try_open},
    unanswered::order_all,
};

async fn admin(world: &World) -> String {
    world.fresh_admin_token(world.admin().unwrap()).await.unwrap()
}

/// What a server says of users whom an order has taken off: no status, no token and no list has them.
async fn are_off(world: &World, users: &[(&str, &str)]) {
    let (api, admin) = (Api::without_fixture(world).unwrap(), admin(world).await);
    for (user, token) in users {
        assert_eq!(world.platforms(user).await.unwrap(), Vec::<i64>::new());
        assert_eq!(world.verdict(token).await.unwrap(), 1506);
        let list = api.request("GET", &format!("{LIST}?userId={user}&online=true"), &admin);
        assert_eq!(api.ask(&list).await.unwrap().page().unwrap().total, 0);
        assert!(world.open(user, 1, token).await.is_err());
    }
}

async fn count(client: &Client, of: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {of}"), &[]).await.unwrap().get(0)
}

/// The answer to an order to a selection.
async fn give(world: &World, order: String) -> Json {
    let (api, admin) = (Api::without_fixture(world).unwrap(), admin(world).await);
    let request = api.request("POST", "/admin/v1/force-offs", &admin);
    let given = api.ask(&request.header("Content-Type", "application/json").body(order)).await.unwrap();
    serde_json::from_str(given.text().unwrap()).unwrap()
}

async fn undelivered(world: &World, admin: &str) -> Json {
    let api = Api::without_fixture(world).unwrap();
    let shown = api.ask(&api.request("GET", "/admin/v1/tenants/0/order", admin)).await.unwrap();
    let shown: Json = serde_json::from_str(shown.text().unwrap()).unwrap();
    shown["undelivered"].clone()
}

/// The known-wrong way was to bring an order to the sockets of its own server alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_a_tenant_comes_to_the_sockets_of_every_server_and_covers_no_later_login() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let worlds = [first.world(), second.world()];
    let mut took = Vec::new();
    for round in 0..6 {
        let (giver, other) = (&worlds[round % 2], &worlds[(round + 1) % 2]);
        let (near, mut phone) = giver.login("7", 1).await.unwrap();
        let (far, mut desktop) = other.login("8", 3).await.unwrap();
        let (_, mut both) = other.login("7", 3).await.unwrap();
        order_all(giver).await.unwrap();
        let begun = Instant::now();
        are_off(other, &[("7", &near), ("8", &far)]).await;
        are_off(giver, &[("7", &near), ("8", &far)]).await;
        phone.kicked().await.unwrap();
        desktop.kicked().await.unwrap();
        both.kicked().await.unwrap();
        took.push(begun.elapsed());
        // It covers nothing that begins behind it, wherever.
        let (token, mut socket) = other.login("9", 1).await.unwrap();
        assert_eq!(giver.platforms("9").await.unwrap(), [1]);
        assert_eq!(giver.verdict(&token).await.unwrap(), 0);
        socket.alive().await.unwrap();
        giver.force_logout("9", 1).await.unwrap();
    }
    println!("sockets of other servers closed within {:?}", took.iter().max());
    let client = client(&settings).await;
    let rows = || async { Ok(count(&client, "live").await) };
    worlds[0].eventually("every row is gone", rows, &0).await.unwrap();
    for world in &worlds {
        let admin = admin(world).await;
        let shown = || async { Ok(undelivered(world, &admin).await) };
        world.eventually("the order is delivered", shown, &json!([])).await.unwrap();
    }
    assert_eq!(count(&client, "delivery WHERE node IS NOT NULL").await, 0);
}

/// The known-wrong way was that a server knows which orders to sets of users are in force from its own alone: lists of others showed what
/// they took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_a_set_of_users_comes_to_the_sockets_of_every_server() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let more = "[message_center]\ndirect_users = 1\n";
    let first = serve_with(&home, "a", &settings, more);
    let second = serve_with(&home, "b", &settings, more);
    let (one, other) = (first.world(), second.world());
    let (_, mut stays) = other.login("9", 3).await.unwrap();
    for _ in 0..4 {
        let (near, mut phone) = one.login("7", 1).await.unwrap();
        let (far, mut desktop) = other.login("8", 3).await.unwrap();
        let order = json!({"receiveObjectType": "USER", "receiveObjectIds": [7, 8]}).to_string();
        let api = Api::without_fixture(&one).unwrap();
        api.off_text(&admin(&one).await, &order).await.unwrap().empty().unwrap();
        are_off(&other, &[("7", &near), ("8", &far)]).await;
        are_off(&one, &[("7", &near), ("8", &far)]).await;
        phone.kicked().await.unwrap();
        desktop.kicked().await.unwrap();
    }
    stays.alive().await.unwrap();
    assert_eq!(one.platforms("9").await.unwrap(), [3]);
    let client = client(&settings).await;
    let left = || async { Ok((count(&client, "scoped_cutoff").await, count(&client, "delivery").await)) };
    one.eventually("it is delivered", left, &(0, 0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_a_selection_comes_to_the_sockets_of_every_server_directly_and_as_a_cutoff() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    for direct_users in [1_000, 1] {
        let more = format!("[message_center]\ndirect_users = {direct_users}\n");
        let first = serve_with(&home, &format!("a{direct_users}"), &settings, &more);
        let second = serve_with(&home, &format!("b{direct_users}"), &settings, &more);
        let (one, other) = (first.world(), second.world());
        let (near, mut phone) = one.login("7", 1).await.unwrap();
        let (far, mut desktop) = other.login("8", 3).await.unwrap();
        let (_, mut stays) = other.login("9", 3).await.unwrap();
        let admin = admin(&one).await;
        let order = json!({"tenantId": "0", "select": {"userIds": ["7", "8"], "online": true}}).to_string();
        let shown = give(&one, order).await;
        assert_eq!((&shown["state"], &shown["users"]), (&json!("cutOff"), &json!(2)), "{shown}");
        are_off(&other, &[("7", &near), ("8", &far)]).await;
        are_off(&one, &[("7", &near), ("8", &far)]).await;
        phone.kicked().await.unwrap();
        desktop.kicked().await.unwrap();
        stays.alive().await.unwrap();
        // Both servers say how far it is.
        let target = format!("/admin/v1/force-offs/{}?tenantId=0", shown["id"].as_str().unwrap());
        for world in [&one, &other] {
            let api = Api::without_fixture(world).unwrap();
            let reached = || async {
                let shown = api.ask(&api.request("GET", &target, &admin)).await?;
                Ok(serde_json::from_str::<Json>(shown.text()?)?["reached"].clone())
            };
            world.eventually("it has come to both", reached, &json!(2)).await.unwrap();
        }
        other.force_logout("9", 3).await.unwrap();
        assert!(first.terminate().success() && second.terminate().success());
    }
}

/// The known-wrong way was that an order which was put off is gone on with by who put it off, and at a start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_a_selection_that_a_server_leaves_behind_is_gone_on_with_by_another() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    let (token, mut phone) = other.login("7", 1).await.unwrap();
    let mut client = client(&settings).await;
    let holding = client.transaction().await.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended('7', hashtextextended($1, 3)))";
    holding.execute(lock, &[&settings.schema]).await.unwrap();
    let order = json!({"tenantId": "0", "select": {"userIds": ["7"]}}).to_string();
    let shown = give(&one, order).await;
    assert_eq!(shown["state"], json!("ordered"), "{shown}");
    assert!(tokio::task::spawn_blocking(move || first.terminate()).await.unwrap().success());
    holding.rollback().await.unwrap();
    phone.kicked().await.unwrap();
    are_off(&other, &[("7", &token)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_at_another_server_is_told_of_an_order_once() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
    let (one, other) = (first.world(), second.world());
    // Orders to many spare it.
    let watcher_id = one.admin().unwrap().to_owned();
    let token = admin(&one).await;
    let mut watcher = one.open(&watcher_id, 10, &token).await.unwrap();
    watcher.ask(2005, &watcher_id, Some(&proto::subscription(&["7"], &[]))).await.unwrap();
    for _ in 0..3 {
        // Sockets at both servers, so that both bring it.
        let (_, mut phone) = other.login("7", 1).await.unwrap();
        pushed(&mut watcher, &[1]).await;
        let (_, mut desktop) = one.login("7", 3).await.unwrap();
        pushed(&mut watcher, &[1, 3]).await;
        order_all(&other).await.unwrap();
        phone.kicked().await.unwrap();
        desktop.kicked().await.unwrap();
        pushed(&mut watcher, &[]).await;
        // What comes next answers this one, so that nothing came twice.
        watcher.alive().await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        watcher.alive().await.unwrap();
    }
}

/// What a server has committed that died before it told anybody.
async fn given_by_a_server_that_died(settings: &rollcall_core::config::Store, order: GivenOrder) -> Store {
    let store = try_open(settings, 5).await.unwrap();
    let engine = store.postgres().unwrap();
    let at = Timestamp::from_millis(
        match engine.begin("test", &[Statement::new("SELECT clock()", [])], SHORT).await.unwrap().1[0][0][0] {
            Value::Int(now) => now,
            _ => unreachable!(),
        },
    );
    let answers = store.load(vec![cutoff::newest()]).await.unwrap();
    let newest = cutoff::read_newest(&answers[0]).unwrap();
    let mut all = match order {
        GivenOrder::Tenant => vec![cutoff::set(TenantId(0), &Cutoff::next(None, newest, Vec::new(), at))],
        GivenOrder::Users => {
            let until = at + Duration::from_secs(3_600);
            let (order, by) = (EntryId::draw(at, 1), UserId::from(900));
            let window = DenyWindow { tenant: TenantId(0), until, order, by, reason: None };
            scoped::keep(TenantId(0), &ScopedCutoff::next(newest, [7, 8], at), "off", Some(&window))
        }
    };
    let (columns, values) = match order {
        GivenOrder::Tenant => ("serial, node, tenant, notice", "?1, ?2, 0, 'off'"),
        GivenOrder::Users => ("serial, node", "?1, ?2"),
    };
    let serial = Serial::next(newest).number();
    all.push(Statement::new(
        format!("INSERT INTO delivery ({columns}) VALUES ({values})"),
        [serial.into(), engine.node().into()],
    ));
    store.commit(all).await.unwrap();
    store
}

#[derive(Clone, Copy)]
enum GivenOrder {
    Tenant,
    Users,
}

const SHORT: rollcall_origin::store::Patience = rollcall_origin::store::Patience::Short;

/// The known-wrong way was that the server that gives an order brings it to its users, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_whose_server_died_behind_its_commit_comes_to_its_users_all_the_same() {
    for order in [GivenOrder::Tenant, GivenOrder::Users] {
        let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
        let settings = settings(&engine);
        let (first, second) = (serve(&home, "a", &settings), serve(&home, "b", &settings));
        let (one, other) = (first.world(), second.world());
        let (near, mut phone) = one.login("7", 1).await.unwrap();
        let (far, mut desktop) = other.login("8", 3).await.unwrap();
        let client = client(&settings).await;
        drop(given_by_a_server_that_died(&settings, order).await);
        are_off(&one, &[("7", &near), ("8", &far)]).await;
        are_off(&other, &[("7", &near), ("8", &far)]).await;
        phone.kicked().await.unwrap();
        desktop.kicked().await.unwrap();
        let left = || async {
            let scoped = count(&client, "scoped_cutoff").await;
            Ok((
                scoped,
                count(&client, "delivery WHERE node IS NOT NULL").await,
                count(&client, "live").await,
            ))
        };
        one.eventually("nothing is left of it", left, &(0, 0, 0)).await.unwrap();
        if matches!(order, GivenOrder::Users) {
            for world in [&one, &other] {
                let mut denied = Vec::new();
                for user in ["7", "8", "9"] {
                    denied.push(world.issue(user, 5).await.is_err());
                }
                assert_eq!(denied, [true, true, false]);
            }
        }
    }
}
