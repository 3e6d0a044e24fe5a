//! Who is connected, as rows: written and removed by the commits that open and end connections.

use rollcall_conformance::{postgres::Postgres, proto};
use rollcall_core::config;

use crate::{
    engines::{client, settings},
    kit::Server,
};

/// A server whose data is in the engine.
pub(crate) fn serve(home: &tempfile::TempDir, settings: &config::Store) -> Server {
    let url = settings.url.as_ref().unwrap().expose();
    let more = format!("[store]\nurl = '{url}'\nschema = '{}'\nconnections = 4\n", settings.schema);
    Server::start(&home.path().join("data"), &more)
}

/// The statement by which the engine's clock is ahead of the true one, as commands see it.
pub(crate) fn clock_ahead_by(seconds: i64) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION clock() RETURNS BIGINT LANGUAGE sql VOLATILE \
         AS 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + {}'",
        1_000 * seconds
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_a_row_from_its_opening_to_its_end_and_no_token_can_be_read_from_it() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let server = serve(&home, &settings);
    let (world, client) = (server.world(), client(&settings).await);
    let rows = async || -> Vec<(String, i64, String)> {
        let sql = "SELECT \"user\", platform, body FROM live ORDER BY platform";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    };
    let (token, mut phone) = world.login("7", 1).await.unwrap();
    let (other, desktop) = world.login("7", 3).await.unwrap();
    let stored = rows().await;
    let shown: Vec<_> = stored.iter().map(|(user, platform, _)| (user.as_str(), *platform)).collect();
    assert_eq!(shown, [("7", 1), ("7", 3)]);
    for (secret, (_, _, body)) in [&token, &other].into_iter().zip(&stored) {
        let (signed, signature) = secret.rsplit_once('.').unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        assert!(!body.contains(claims) && !body.contains(signature), "{body}");
    }
    let status = world.status("7").await.unwrap();
    let tokens: Vec<_> = status.connections.iter().map(|one| one.token.as_str()).collect();
    assert_eq!(tokens, [&token, &other], "those who may see them do");
    phone.ask(2004, "7", Some(&proto::background_status("7", true))).await.unwrap();
    assert!(world.status("7").await.unwrap().connections[0].background);
    world.force_logout("7", 1).await.unwrap();
    phone.kicked().await.unwrap();
    assert_eq!(rows().await.len(), 1);
    desktop.close().await.unwrap();
    world.until_platforms("7", &[]).await.unwrap();
    world.eventually("the last row is gone", || async { Ok(rows().await.len()) }, &0).await.unwrap();
    // What a crash leaves is forgotten by the next start.
    let (_, socket) = world.login("7", 5).await.unwrap();
    assert_eq!(rows().await.len(), 1);
    server.kill();
    drop(socket);
    let server = serve(&home, &settings);
    assert_eq!(rows().await.len(), 0);
    assert_eq!(server.world().platforms("7").await.unwrap(), Vec::<i64>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_another_version_wrote_is_a_connection_that_orders_end() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let server = serve(&home, &settings);
    let (world, client) = (server.world(), client(&settings).await);
    let (token, mut phone) = world.login("7", 1).await.unwrap();
    let (foreign, hash) = ("0f".repeat(16), "ab".repeat(32));
    let add = "INSERT INTO live (connection, \"user\", node, kind, platform, token_hash, opened_at, under, body) \
               VALUES ($1, '7', 1, 0, 5, $2, 1, 0, '{\"form\": \"of another version\"}')";
    client.execute(add, &[&foreign, &hash]).await.unwrap();
    assert_eq!(
        world.platforms("7").await.unwrap(),
        [1],
        "nobody has said that the process of the row serves"
    );
    let other = "INSERT INTO node (id, name, version, started_at, alive_at, lease) VALUES (1, 'other', '', 0, 0, 5000)";
    client.batch_execute(other).await.unwrap();
    let status = world.status("7").await.unwrap();
    let shown: Vec<_> =
        status.connections.iter().map(|one| (one.id.as_str(), one.platform, one.token.as_str())).collect();
    assert!(shown.contains(&(foreign.as_str(), 5, "")) && shown.len() == 2, "{shown:?}");
    world.force_logout("7", 5).await.unwrap();
    assert_eq!(world.platforms("7").await.unwrap(), [1]);
    phone.alive().await.unwrap();
    assert_eq!(world.verdict(&token).await.unwrap(), 0);
}

/// The known-wrong way was to date tokens by the engine's clock, which their verifier does not go by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_good_whatever_the_engines_clock_is_set_to() {
    let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let server = serve(&home, &settings);
    let (world, client) = (server.world(), client(&settings).await);
    for hours in [1, -1] {
        client.batch_execute(&clock_ahead_by(3_600 * hours)).await.unwrap();
        let (token, mut phone) = world.login("7", 1).await.unwrap();
        assert_eq!(world.verdict(&token).await.unwrap(), 0);
        assert_eq!(world.platforms("7").await.unwrap(), [1]);
        world.force_logout("7", 1).await.unwrap();
        phone.kicked().await.unwrap();
        assert_eq!(world.verdict(&token).await.unwrap(), 1506);
    }
}

/// The known-wrong way was a commit that waits for the disk, and for the standby, before its socket is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_to_the_background_waits_for_no_disk() {
    let (engine, home) = (Postgres::start(&[], &[]).unwrap(), tempfile::tempdir().unwrap());
    let settings = settings(&engine);
    let server = serve(&home, &settings);
    let (world, client) = (server.world(), client(&settings).await);
    let (_, mut phone) = world.login("7", 1).await.unwrap();
    client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    // The setting reaches each session in its own time.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let mut logins = 0;
    let hanging = loop {
        logins += 1;
        let (world, user) = (server.world(), (100 + logins).to_string());
        let mut login = tokio::spawn(async move { world.login(&user, 1).await.map(drop) });
        tokio::select! {
            () = crate::commits::until_any(&client, waiting) => break login,
            _ = &mut login => {}
        }
    };
    phone.ask(2004, "7", Some(&proto::background_status("7", true))).await.unwrap();
    assert!(world.status("7").await.unwrap().connections[0].background);
    assert!(!hanging.is_finished(), "others wait");
    hanging.abort();
}
