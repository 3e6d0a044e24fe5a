//! `import`: good lines, bad lines, again and onwards.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    kit::Server,
    shell::{document, ended, err, run, run_with},
};

/// More than two batches.
const LINES: usize = 2_345;
const BAD: usize = 1_703;
const LONG: usize = 2_101;
const EMPTY: usize = 17;

fn file() -> String {
    let mut text = String::new();
    for line in 1..=LINES {
        match line {
            BAD => text.push_str("{\"id\":\"x\"}\n"),
            LONG => writeln!(text, "{{\"id\":{}}}", "1".repeat(20_000)).unwrap(),
            EMPTY => text.push('\n'),
            _ => {
                let record = json!({"id": line, "tenantId": 0, "userId": line, "onlineDate": "2026-01-01T08:00:00Z",
                    "offlineDate": "2026-01-01T09:00:00Z"});
                writeln!(text, "{record}").unwrap();
            }
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_lines_are_named_by_their_number_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let admin = server.world().admin_token().await.unwrap();
    let path = home.path().join("records.ndjson");
    std::fs::write(&path, file()).unwrap();
    let name = path.to_str().unwrap();

    let first = run(&data_dir, &admin, &["import", name]);
    assert_eq!(ended(&first, 4), "2342 imported, 0 updated, 2 rejected\n");
    let said = err(&first);
    let rejected: Vec<&str> = said.lines().filter(|line| line.starts_with(name)).collect();
    assert_eq!(rejected.len(), 2, "{said}");
    assert!(rejected[0].starts_with(&format!("{name}:{BAD}: ")), "{said}");
    assert_eq!(rejected[1], format!("{name}:{LONG}: the line is longer than 16384 bytes"));

    let again = document(&run(&data_dir, &admin, &["import", name, "--json"]), 4);
    assert_eq!(
        (&again["imported"], &again["updated"], &again["rejectedTotal"]),
        (&json!(0), &json!(2342), &json!(2))
    );
    assert_eq!(again["rejected"][0]["line"], BAD);

    let onwards = run(&data_dir, &admin, &["import", name, "--from", &(LONG + 1).to_string()]);
    assert_eq!(ended(&onwards, 0), format!("0 imported, {} updated, 0 rejected\n", LINES - LONG));
    let variables = [("ROLLCALL_TOKEN", admin.as_str())];
    let piped = run_with(&data_dir, &variables, &["import", "-"], "{}\n");
    assert!(ended(&piped, 4).contains("1 rejected") && err(&piped).contains("-:1: "), "{}", err(&piped));
}

#[test]
fn an_import_that_breaks_off_says_where_to_go_on() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    let server = Server::start(&data_dir, "");
    let url = format!("http://{}", server.address);
    drop(server);
    let variables = [("ROLLCALL_TOKEN", "a-token-that-is-never-seen"), ("ROLLCALL_URL", url.as_str())];
    let broken = run_with(&data_dir, &variables, &["import", "-", "--from", "3"], "{}\n{}\n{}\n");
    assert_eq!(ended(&broken, 1), "0 imported, 0 updated, 0 rejected\n");
    assert!(err(&broken).contains("--from 3 "), "{}", err(&broken));
    let missing = run_with(&data_dir, &variables, &["import", "no-such-file"], "");
    ended(&missing, 1);
    assert!(err(&missing).contains("cannot read no-such-file"), "{}", err(&missing));
}
