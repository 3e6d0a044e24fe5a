//! Commits that happened and had no answer.

use rollcall_conformance::{
    console::{api::Api, reply::Reply},
    postgres::Postgres,
    proto,
    world::World,
};
use rollcall_core::config;
use serde_json::json;

use crate::{
    engines::{client, settings},
    kit::Server,
    live::serve,
    proxy::{MARK, Proxy},
};

/// A server that reaches its engine by a way on which answers get lost.
async fn behind_a_proxy(
    home: &tempfile::TempDir,
) -> (std::sync::Arc<Postgres>, config::Store, Proxy, Server) {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let proxy = Proxy::to(engine.port()).await;
    let server = serve(home, &proxy.before(&settings, engine.port()));
    (engine, settings, proxy, server)
}

/// The known-wrong way was to answer the repetition while the socket was open, since it had no row any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_is_in_force_and_its_repetition_is_answered_when_the_socket_is_closed() {
    let home = tempfile::tempdir().unwrap();
    let (_engine, _, proxy, server) = behind_a_proxy(&home).await;
    let world = server.world();
    let (token, mut phone) = world.login("7", 1).await.unwrap();
    let (_, mut desktop) = world.login("7", 5).await.unwrap();
    world.admin_token().await.unwrap();
    proxy.lose(1);
    assert!(world.force_logout("7", 1).await.is_err(), "whether it happened is not known");
    assert_eq!(proxy.left(), 0);
    world.force_logout("7", 1).await.unwrap();
    assert_eq!(world.platforms("7").await.unwrap(), [5]);
    phone.kicked().await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), 1506);
    desktop.alive().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_refused_and_nothing_of_it_stays() {
    let home = tempfile::tempdir().unwrap();
    let (_engine, settings, proxy, server) = behind_a_proxy(&home).await;
    let (world, client) = (server.world(), client(&settings).await);
    let (_, mut desktop) = world.login("7", 5).await.unwrap();
    let token = world.issue("7", 1).await.unwrap();
    proxy.lose(1);
    assert!(world.open("7", 1, &token).await.is_err());
    assert_eq!(proxy.left(), 0);
    assert_eq!(world.platforms("7").await.unwrap(), [5], "no client was let in");
    let rows = || async { Ok(client.query_one("SELECT count(*) FROM live", &[]).await?.get::<_, i64>(0)) };
    world.eventually("its row is gone", rows, &1).await.unwrap();
    let open = "SELECT count(*) FROM record WHERE offline_at IS NULL";
    let records = || async { Ok(client.query_one(open, &[]).await?.get::<_, i64>(0)) };
    world.eventually("its record has ended", records, &1).await.unwrap();
    desktop.alive().await.unwrap();
    let mut phone = world.open("7", 1, &token).await.unwrap();
    phone.alive().await.unwrap();
}

/// The known-wrong way was that the end of a grace period waited for the next command of the user.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ended_is_offline_and_its_record_ends() {
    let home = tempfile::tempdir().unwrap();
    let (_engine, settings, proxy, server) = behind_a_proxy(&home).await;
    let (world, client) = (server.world(), client(&settings).await);
    let (_, phone) = world.login("7", 1).await.unwrap();
    proxy.lose(1);
    phone.close().await.unwrap();
    world.until_platforms("7", &[]).await.unwrap();
    let open = "SELECT count(*) FROM record WHERE offline_at IS NULL";
    let records = || async { Ok(client.query_one(open, &[]).await?.get::<_, i64>(0)) };
    world.eventually("its record has ended", records, &0).await.unwrap();
    assert_eq!(proxy.left(), 0);
}

/// An order of the administrator's to everybody of the default tenant.
pub(crate) async fn order_all(world: &World) -> anyhow::Result<()> {
    let admin = world.fresh_admin_token(world.admin()?).await?;
    order_all_as(world, &admin).await?.empty()
}

/// The answer to it.
async fn order_all_as(world: &World, admin: &str) -> anyhow::Result<Reply> {
    let order = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [0]}).to_string();
    Api::without_fixture(world)?.off_text(admin, &order).await
}

/// The known-wrong way was to draw the serial of an order from memory, and that of what begins from the store: the repetition had the
/// serial of the first one, and did not cover the logins in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_to_a_tenant_is_in_force_and_its_repetition_covers_who_came_in_between() {
    let home = tempfile::tempdir().unwrap();
    let (_engine, _, proxy, server) = behind_a_proxy(&home).await;
    let world = server.world();
    let (before, mut phone) = world.login("7", 1).await.unwrap();
    order_all(&world).await.unwrap();
    phone.kicked().await.unwrap();
    let (between, mut phone) = world.login("7", 1).await.unwrap();
    // The token of the administrator is a commit too.
    let admin = world.fresh_admin_token(world.admin().unwrap()).await.unwrap();
    proxy.lose(1);
    let answer = order_all_as(&world, &admin).await.unwrap();
    assert_eq!(proxy.left(), 0);
    assert!(answer.empty().is_err(), "whether it happened is not known");
    // It did, and is carried out.
    phone.kicked().await.unwrap();
    let (after, mut phone) = world.login("7", 1).await.unwrap();
    order_all(&world).await.unwrap();
    phone.kicked().await.unwrap();
    for token in [before, between, after] {
        assert_eq!(world.verdict(&token).await.unwrap(), 1506);
    }
    let (token, mut phone) = world.login("7", 1).await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), 0);
    phone.alive().await.unwrap();
}

/// The known-wrong way was to keep the frames of sockets that the commit ended, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_is_told_although_the_store_says_that_it_was() {
    let home = tempfile::tempdir().unwrap();
    let (_engine, settings, proxy, server) = behind_a_proxy(&home).await;
    let (world, client) = (server.world(), client(&settings).await);
    let (_, mut watcher) = world.login("8", 5).await.unwrap();
    watcher.ask(2005, "8", Some(&proto::subscription(&["7"], &[]))).await.unwrap();
    let (_, phone) = world.login("7", 1).await.unwrap();
    watcher.binary().await.unwrap();
    // The commit that writes down what the watcher knows.
    let mark = format!(
        "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '{MARK}'; RETURN NEW; END $$; \
         CREATE TRIGGER mark AFTER UPDATE ON subscription FOR EACH ROW EXECUTE FUNCTION mark()"
    );
    client.batch_execute(&mark).await.unwrap();
    proxy.lose_marked(1);
    phone.close().await.unwrap();
    let push = watcher.binary().await.unwrap();
    assert!(push.contains("2005"), "{push}");
    assert_eq!(proxy.left(), 0);
    watcher.alive().await.unwrap();
}
