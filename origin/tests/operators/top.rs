//! `rollcall top` against a running server.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use rollcall_conformance::http::{Connection, Request};
use serde_json::{Value, json};

use crate::{
    kit::{Server, Watchdog, scrape},
    shell::{document, ended, err, run},
};

const LISTEN: (&str, &str) = ("metrics_listen", "127.0.0.1:0");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_gets_what_is_there_and_what_happened_between_two_looks() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[LISTEN]);
    let world = server.world();
    let (_, _socket) = world.login("7", 5).await.unwrap();
    let (_, _other) = world.login("7", 1).await.unwrap();
    let metrics = format!("http://{}", server.metrics.unwrap());
    let looking = tokio::task::spawn_blocking(move || {
        document(&run(&data, "", &["top", "--metrics", &metrics, "--once", "--json", "--every", "2"]), 0)
    });
    // Whenever the two looks are, there are some between them.
    let mut connection = Connection::open(server.address).await.unwrap();
    while !looking.is_finished() {
        assert_eq!(connection.send(&Request::new("GET", "/health")).await.unwrap().status, 200);
        // A pace, so that the rate is known.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seen = looking.await.unwrap();
    assert_eq!(seen["users_online"], 1, "{seen}");
    let connections = json!([
        {"platform": "IOS", "protocol": "json", "count": 1},
        {"platform": "Web", "protocol": "json", "count": 1},
    ]);
    assert_eq!(seen["connections"], connections);
    assert_eq!(seen["per_second"]["connects"], json!({}), "nobody came meanwhile");
    assert_eq!(seen["store"]["failures"], 0);
    let health = &seen["requests"][0];
    assert_eq!(health["route"], "/health", "{seen}");
    let rate = health["per_second"].as_f64().unwrap();
    assert!(rate > 1.0 && rate <= 50.0, "{rate} a second");
    assert!(health["p99_seconds"].as_f64().unwrap() > 0.0, "{seen}");
}

#[tokio::test]
async fn documents_follow_one_a_line_until_it_is_stopped() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[LISTEN]);
    let metrics = format!("http://{}", server.metrics.unwrap());
    let mut top = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["top", "--metrics", &metrics, "--json", "--every", "1"])
        .current_dir(home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _watchdog = Watchdog::over(&top);
    let lines = BufReader::new(top.stdout.take().unwrap()).lines();
    let seen: Vec<Value> = lines.take(2).map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    top.kill().unwrap();
    top.wait().unwrap();
    assert_eq!(seen.iter().map(|view| &view["users_online"]).collect::<Vec<_>>(), [0, 0]);
    let help = ended(&run(&data, "", &["top", "--help"]), 0);
    assert!(help.contains("one document a line") && help.contains("until it is stopped"), "{help}");
}

#[tokio::test]
async fn what_is_no_terminal_gets_plain_text() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[LISTEN]);
    let metrics = format!("http://{}/metrics", server.metrics.unwrap());
    let said = ended(&run(&data, "", &["top", "--metrics", &metrics, "--once", "--every", "1"]), 0);
    assert!(said.starts_with(&format!("rollcall at {metrics}\n\nusers 0   connections 0   ")), "{said}");
    assert!(said.contains("PER SECOND"), "{said}");
    assert!(!said.contains('\x1b'), "{said}");
}

#[tokio::test]
async fn without_metrics_it_says_what_to_set_and_elsewhere_that_these_are_none() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let server = Server::start_with(&data, &[LISTEN]);
    let output = run(&data, "", &["top", "--once"]);
    ended(&output, 2);
    assert!(err(&output).contains("server.metrics_listen"), "{}", err(&output));
    let elsewhere = format!("http://{}/health", server.address);
    let output = run(&data, "", &["top", "--once", "--metrics", &elsewhere]);
    ended(&output, 1);
    assert!(err(&output).contains("without metrics of a rollcall"), "{}", err(&output));
    scrape(&server).await;
    let gone = format!("http://{}", server.metrics.unwrap());
    server.kill();
    let output = run(&data, "", &["top", "--once", "--metrics", &gone]);
    ended(&output, 1);
    assert!(err(&output).contains("no answer from"), "{}", err(&output));
}
