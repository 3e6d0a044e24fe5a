//! Servers that are refused, and one that is spoken to in TLS.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{config, secret::Secret};

use crate::engines::{client, open, settings};

async fn refusal(settings: &config::Store) -> String {
    format!("{:#}", open(settings).await.err().expect("it was opened"))
}

#[tokio::test]
async fn a_database_in_another_encoding_and_a_server_without_room_are_refused() {
    let engine = Postgres::shared().unwrap();
    let settings = settings(&engine);
    let make = "CREATE DATABASE other ENCODING 'SQL_ASCII' TEMPLATE template0";
    client(&settings).await.batch_execute(make).await.unwrap();
    let url = engine.url();
    let url = url.rsplit_once('/').map(|(server, _)| format!("{server}/other")).unwrap();
    let other = config::Store { url: Some(Secret::new(url)), ..settings.clone() };
    let error = refusal(&other).await;
    assert!(error.contains("SQL_ASCII") && error.contains("UTF8"), "{error}");
    let error = refusal(&config::Store { connections: 1000, ..settings }).await;
    assert!(error.contains("1008 sessions"), "{error}");
}

#[tokio::test]
async fn a_server_that_may_lose_what_was_answered_is_refused_and_so_is_one_that_does_not_take_us() {
    let engine = Postgres::start(&["--auth=scram-sha-256"], &["fsync=off"]).unwrap();
    let settings = settings(&engine);
    // It takes the password, and is refused.
    let error = refusal(&settings).await;
    assert!(error.contains("fsync off"), "{error}");
    let address = format!("127.0.0.1:{}", engine.port());
    for url in [
        format!("postgres://rollcall:hunter2@{address}/postgres"),
        "postgres://rollcall:hunter2@127.0.0.1:1/postgres".to_owned(),
        // The server has no certificate, and this program asks for one.
        format!("postgres://rollcall:hunter2@{address}/postgres?sslmode=verify-full"),
    ] {
        let error = refusal(&config::Store { url: Some(Secret::new(url)), ..settings.clone() }).await;
        assert!(error.starts_with("store.url") && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_server_whose_crash_would_damage_what_was_answered_is_refused_and_so_is_a_standby() {
    let engine = Postgres::start(&[], &[]).unwrap();
    let settings = settings(&engine);
    client(&settings).await.batch_execute("ALTER SYSTEM SET full_page_writes = off").await.unwrap();
    engine.crash().unwrap();
    engine.resume().unwrap();
    let error = refusal(&settings).await;
    assert!(error.contains("full_page_writes off"), "{error}");
    engine.crash().unwrap();
    engine.resume_as_standby().unwrap();
    let error = refusal(&settings).await;
    assert!(error.starts_with("store.url") && error.contains("does not allow writes"), "{error}");
}

#[test]
fn a_secret_that_only_this_machine_knows_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("rollcall.toml");
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\n[store]\nurl = 'postgres://rollcall@127.0.0.1:1/postgres'\n",
        home.path().join("data").display()
    );
    fs::write(&config, text).unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    let answer = serve.args(["serve", "--config"]).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(!answer.status.success() && said.contains("auth.secret"), "{said}");
    assert!(!home.path().join("data/secret").exists(), "none is made");
}

#[tokio::test]
async fn sessions_are_encrypted_for_the_server_that_the_authority_vouches_for_and_for_no_other() {
    let home = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let write = |name: &str, text: String| {
        let path = home.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) =
        (write("server.pem", made.cert.pem()), write("key.pem", made.signing_key.serialize_pem()));
    let stranger = write("other.pem", other.cert.pem());
    let files = [format!("ssl_cert_file={certificate}"), format!("ssl_key_file={key}")];
    let engine = Postgres::start(&[], &["ssl=on", &files[0], &files[1]]).unwrap();
    let plain = settings(&engine);
    let of = |host: &str, ca: &str| {
        let url = engine.url().replace("127.0.0.1", host);
        let url = Some(Secret::new(format!("{url}?sslmode=verify-full")));
        config::Store { url, ca: Some(ca.to_owned()), ..plain.clone() }
    };
    let store = open(&of("127.0.0.1", &certificate)).await.unwrap();
    store.commit(Vec::new()).await.unwrap();
    let sql = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name = 'rollcall'";
    let row = client(&plain).await.query_one(sql, &[]).await.unwrap();
    let (all, encrypted): (i64, i64) = (row.get(0), row.get(1));
    assert!(all >= 2 && all == encrypted, "{encrypted} of {all}");
    for refused in [of("127.0.0.1", &stranger), of("localhost", &certificate)] {
        let error = refusal(&refused).await;
        assert!(error.starts_with("store.url") && error.contains("certificate"), "{error}");
    }
}
