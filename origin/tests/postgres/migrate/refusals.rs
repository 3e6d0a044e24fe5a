//! What is not moved, and what is not served afterwards.

use rollcall_conformance::postgres::Postgres;
use rollcall_core::config;

use rusqlite::Connection;

use super::{
    FILE, configure, fill, from, is_served, is_served_by_engine, keys, place, refusal, serve, to, url,
};
use crate::{
    engines::{client, open},
    kit::{SECRET, Server},
    shell::{ended, err, run},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_use_is_not_moved_and_nothing_is_added_to_what_is_there() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let url = url(&settings);
    let there = ["migrate", "--to", &url];
    // No directory, and none is made; no store in it.
    configure(&data, &settings);
    assert!(refusal(&data, &there).contains("there is no data directory"), "{}", refusal(&data, &there));
    assert!(!data.exists());
    std::fs::create_dir(&data).unwrap();
    assert!(refusal(&data, &there).contains("there is no store in"), "{}", refusal(&data, &there));
    // No direction, both, and no URL.
    assert_eq!(run(&data, "", &["migrate"]).status.code(), Some(2));
    assert_eq!(run(&data, "", &["migrate", "--to", &url, "--from", &url]).status.code(), Some(2));
    let said = run(&data, "", &["migrate", "--to"]);
    assert!(said.status.code() == Some(2) && err(&said).contains("store.url is not set"), "{}", err(&said));
    // A variable that is not set is no choice of store.url.
    let file = data.with_extension("toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}url = '{url}'\n")).unwrap();
    for direction in ["--to", "--from"] {
        let said = run(&data, "", &["migrate", direction, ""]);
        assert!(said.status.code() == Some(2) && err(&said).contains("the URL is empty"), "{}", err(&said));
    }
    // A server on the one side, and on the other.
    let server = Server::start(&data, &keys(&settings));
    server.world().issue("7", 5).await.unwrap();
    assert!(refusal(&data, &there).contains("another rollcall uses"), "{}", refusal(&data, &there));
    assert!(server.terminate().success());
    let (node, elsewhere) = (home.path().join("node"), home.path().join("elsewhere"));
    let server = serve(&node, &settings, "");
    assert!(refusal(&data, &there).contains("another rollcall uses"), "{}", refusal(&data, &there));
    // It has started, and nothing else: its schema is as good as empty. Then it has a token.
    assert!(server.terminate().success());
    let server = serve(&node, &settings, "");
    server.world().issue("8", 5).await.unwrap();
    assert!(server.terminate().success());
    let said = refusal(&data, &there);
    assert!(said.contains("holds data already") && said.contains("DROP SCHEMA"), "{said}");
    assert!(data.join(FILE).exists(), "nothing was moved");
    // Back: over a store, and from a schema without one.
    assert!(refusal(&data, &["migrate", "--from", &url]).contains("has a store already"));
    let empty = config::Store { schema: format!("{}_none", settings.schema), ..settings.clone() };
    configure(&elsewhere, &empty);
    let said = refusal(&elsewhere, &["migrate", "--from", &url]);
    assert!(said.contains("there is no store in the schema"), "{said}");
    let client = client(&settings).await;
    let made = "SELECT to_regnamespace($1) IS NOT NULL";
    let is_made: bool = client.query_one(made, &[&empty.schema]).await.unwrap().get(0);
    assert!(!is_made, "asking makes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_moved_is_not_served_where_it_was() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let server = Server::start(&data, &keys(&settings));
    let token = server.world().issue("7", 5).await.unwrap();
    assert!(server.terminate().success());
    // A server that has only started is no data.
    assert!(serve(&home.path().join("node"), &settings, "").terminate().success());
    configure(&data, &settings);
    let url = url(&settings);
    let said = ended(&run(&data, "", &["migrate", "--to", &url]), 0);
    assert!(said.contains("token: ") && said.contains("next: set store.url"), "{said}");
    assert!(!said.contains("tests"), "the password is not shown: {said}");
    let backup = home.path().join("backup");
    for arguments in [&["serve"][..], &["token", "admin"], &["backup", backup.to_str().unwrap()]] {
        let said = refusal(&data, arguments);
        assert!(said.contains("was moved to the schema") && said.contains("store.url"), "{said}");
    }
    assert!(refusal(&data, &["migrate", "--to", &url]).contains("was moved to the schema"));
    assert!(!data.join(FILE).exists(), "asking makes no store");
    // Without its secret, every token would be refused where it goes.
    let back = home.path().join("back");
    let text = format!("[server]\ndata_dir = '{}'\n{}", back.display(), keys(&settings));
    std::fs::write(back.with_extension("toml"), text).unwrap();
    assert!(refusal(&back, &["migrate", "--from", &url]).contains("auth.secret"));
    from(&settings, &back);
    let text = std::fs::read_to_string(back.with_extension("toml")).unwrap();
    let node = home.path().join("node");
    std::fs::write(
        node.with_extension("toml"),
        format!("{}url = '{url}'\n", text.replace(back.to_str().unwrap(), node.to_str().unwrap())),
    )
    .unwrap();
    let said = refusal(&node, &["serve"]);
    assert!(said.contains("the data was moved to") && said.contains(back.to_str().unwrap()), "{said}");
    // And back into the first directory, whose old state is kept beside it.
    let third = config::Store { schema: format!("{}_third", settings.schema), ..settings.clone() };
    to(&back, &third);
    from(&third, &data);
    assert!(data.join("rollcall.sqlite3.migrated").exists());
    let server = Server::start(&data, &keys(&settings));
    assert_eq!(server.world().verdict(&token).await.unwrap(), 0);
    assert!(server.terminate().success());
    assert!(refusal(&data, &["migrate", "--to", &url]).contains("from an earlier move"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_a_newer_program_is_not_moved_although_this_one_can_serve_it() {
    let engine = Postgres::shared().unwrap();
    let (home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    open(&settings).await.unwrap().close().await;
    let client = client(&settings).await;
    let step = async |by: i64| {
        let sql = format!("UPDATE version SET version = version + {by}");
        client.batch_execute(&sql).await.unwrap();
    };
    step(1).await;
    let url = url(&settings);
    let said = refusal(&data, &["migrate", "--to", &url]);
    assert!(said.contains("run the newer program"), "{said}");
    assert!(!data.join("migrated_to").exists());
    step(-1).await;
    to(&data, &settings);
    step(1).await;
    is_served_by_engine(&home.path().join("node"), &settings, &token).await;
    let back = home.path().join("back");
    configure(&back, &settings);
    let said = refusal(&back, &["migrate", "--from", &url]);
    assert!(said.contains("run the newer program"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_refused_is_named_by_its_number_and_not_shown() {
    let engine = Postgres::shared().unwrap();
    let (_home, data, settings) = place(&engine);
    let token = fill(&data, &settings).await;
    let store = Connection::open(data.join(FILE)).unwrap();
    let sql = "UPDATE record SET device_id = 'a-hidden-device' || hex(randomblob(4000)) RETURNING id";
    let id: i64 = store.query_row(sql, [], |row| row.get(0)).unwrap();
    store.close().unwrap();
    let there = ["migrate", "--to", &url(&settings)];
    configure(&data, &settings);
    let said = refusal(&data, &there);
    assert!(
        said.contains(&format!("the row with the id {id}")) && said.contains("longer than an index"),
        "{said}"
    );
    assert!(!said.contains("a-hidden-device"), "{said}");
    let store = Connection::open(data.join(FILE)).unwrap();
    store.execute("UPDATE record SET device_id = 'a-hidden-device'", []).unwrap();
    store.close().unwrap();
    // The engine tells the row, which is nobody's business.
    open(&settings).await.unwrap().close().await;
    let client = client(&settings).await;
    let none = "ALTER TABLE record ADD CONSTRAINT short CHECK (length(device_id) < 3)";
    client.batch_execute(none).await.unwrap();
    let said = refusal(&data, &there);
    assert!(said.contains("(23514)") && said.contains(&format!("the row with the id {id}")), "{said}");
    assert!(!said.contains("a-hidden-device"), "{said}");
    is_served(&data, &settings, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_generated_secret_are_not_moved_under_another_one() {
    let engine = Postgres::shared().unwrap();
    let (_home, data, settings) = place(&engine);
    fill(&data, &settings).await;
    let generated = "a generated secret of the directory";
    std::fs::write(data.join("secret"), generated).unwrap();
    configure(&data, &settings);
    let there = ["migrate", "--to", &url(&settings)];
    let said = refusal(&data, &there);
    assert!(said.contains("auth.previous_secrets") && !said.contains(generated), "{said}");
    assert!(!said.contains(SECRET) && data.join(FILE).exists(), "{said}");
    let file = data.with_extension("toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let known = format!("[auth]\nprevious_secrets = ['{generated}']\n");
    std::fs::write(&file, text.replace("[auth]\n", &known)).unwrap();
    ended(&run(&data, "", &there), 0);
}
