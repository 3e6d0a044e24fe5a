//! `rollcall migrate`: all data from the embedded store into PostgreSQL, and back.

mod answers;
mod cut_off;
mod files;
mod refusals;
mod rows;
mod sides;

use std::path::{Path, PathBuf};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::config;
use serde_json::Value;

use crate::{
    engines::settings,
    kit::{SECRET, Server},
    shell::{document, err, run},
};

/// The embedded store's file.
const FILE: &str = "rollcall.sqlite3";

/// The keys of a schema, as `rollcall migrate` needs them and as a server on the embedded store may have them.
fn keys(settings: &config::Store) -> String {
    format!("[store]\nschema = '{}'\nconnections = 4\n", settings.schema)
}

fn url(settings: &config::Store) -> String {
    settings.url.as_ref().unwrap().expose().clone()
}

/// A server on the engine, with `more` in its configuration.
fn serve(data: &Path, settings: &config::Store, more: &str) -> Server {
    Server::start(data, &format!("{more}{}url = '{}'\n", keys(settings), url(settings)))
}

/// The configuration of a data directory that no server was started on.
fn configure(data: &Path, settings: &config::Store) {
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\n[auth]\nsecret = '{SECRET}'\n{}",
        data.display(),
        keys(settings)
    );
    std::fs::write(data.with_extension("toml"), text).unwrap();
}

/// Moves the store of a data directory into a schema of its own.
fn to(data: &Path, settings: &config::Store) -> Value {
    configure(data, settings);
    document(&run(data, "", &["migrate", "--json", "--to", &url(settings)]), 0)
}

/// Moves what is in a schema into a new data directory.
fn from(settings: &config::Store, data: &Path) -> Value {
    configure(data, settings);
    document(&run(data, "", &["migrate", "--json", "--from", &url(settings)]), 0)
}

/// What the command says when it refuses.
fn refusal(data: &Path, arguments: &[&str]) -> String {
    let answer = run(data, "", arguments);
    assert!(!answer.status.success(), "{answer:?}");
    let said = err(&answer);
    assert!(!said.contains("tests"), "the password is not shown: {said}");
    said
}

/// The same of a server on the engine.
fn refusal_of_server(data: &Path, settings: &config::Store) -> String {
    configure(data, settings);
    let file = data.with_extension("toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}url = '{}'\n", url(settings))).unwrap();
    refusal(data, &["serve"])
}

/// A data directory with a user's token and a record. Returns the token.
async fn fill(data: &Path, settings: &config::Store) -> String {
    let server = Server::start(data, &keys(settings));
    let world = server.world();
    let (token, socket) = world.login("7", 5).await.unwrap();
    socket.close().await.unwrap();
    world.until_platforms("7", &[]).await.unwrap();
    assert!(server.terminate().success());
    token
}

/// A server on the embedded store takes the token, and ends.
async fn is_served(data: &Path, settings: &config::Store, token: &str) {
    let server = Server::start(data, &keys(settings));
    assert_eq!(server.world().verdict(token).await.unwrap(), 0);
    assert!(server.terminate().success());
}

/// The same of a server on the engine.
async fn is_served_by_engine(data: &Path, settings: &config::Store, token: &str) {
    let server = serve(data, settings, "");
    assert_eq!(server.world().verdict(token).await.unwrap(), 0);
    assert!(server.terminate().success());
}

/// A data directory on whose store a server was, and settings of a schema.
fn place(engine: &Postgres) -> (tempfile::TempDir, PathBuf, config::Store) {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    (home, data, settings(engine))
}
