//! The sessions of the README and of `docs/backends.md`, run as they are printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "a test"
)]

mod kit;

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use kit::{Server, Watchdog};

/// Ends the output of one command.
const END: &str = "---8<---";

/// The commands of all `console` blocks of a page with the lines printed under each.
fn session(page: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page)).unwrap();
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => steps.push((command.to_owned(), Vec::new())),
            None => steps.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    steps
}

/// Tokens, ids and dates differ from run to run; their form does not.
fn masked(line: &str) -> String {
    let is_hex =
        |word: &str| word.len() == 32 && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_token = |word: &str| word.starts_with("eyJ") && word.split('.').count() == 3 && word.len() > 150;
    let is_record = |word: &str| word.len() == 19 && word.bytes().all(|b| b.is_ascii_digit());
    let is_date = |word: &str| {
        let form: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        form == "0000-00-00 00:00:00"
    };
    let mask = |word: &str| match word {
        word if is_hex(word) => "<connID>".to_owned(),
        word if is_token(word) => "<token>".to_owned(),
        word if is_record(word) => "<record>".to_owned(),
        word if is_date(word) => "<date>".to_owned(),
        word if word.starts_with('…') => "<end of token>".to_owned(),
        word => word.to_owned(),
    };
    // Members of JSON stand between quotation marks, cells of a table between blanks, of which there may be an odd number.
    let cell = |padded: &str| {
        let word = padded.trim_start();
        format!("{}{}", &padded[..padded.len() - word.len()], mask(word))
    };
    let cells = |part: &str| part.split("  ").map(cell).collect::<Vec<_>>().join("  ");
    line.split('"').map(cells).collect::<Vec<_>>().join("\"")
}

#[test]
fn the_session_prints_what_the_readme_says() {
    prints_what_the_page_says("README.md");
}

#[test]
fn the_session_prints_what_the_page_for_back_ends_says() {
    prints_what_the_page_says("docs/backends.md");
}

fn prints_what_the_page_says(page: &str) {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let steps = session(page);
    assert!(steps.len() >= 9, "the session was not found: {steps:?}");

    // As printed, with the server that this test started in the place of the one in the other terminal.
    let mut script = format!(
        "cd '{}'\nrollcall() {{ '{}' --config '{}' \"$@\"; }}\n",
        home.path().display(),
        env!("CARGO_BIN_EXE_rollcall"),
        home.path().join("data.toml").display()
    );
    let mut clients = 0;
    for (command, printed) in &steps {
        if command.starts_with("alias rollcall=") {
            continue;
        }
        script.push_str(&command.replace("http://127.0.0.1:10002", &format!("http://{}", server.address)));
        script.push('\n');
        // What the client in the background prints belongs to the step in which it is printed: it is waited for.
        let begins = command.ends_with('&');
        if begins || printed.iter().any(|line| line.starts_with("close 4006")) {
            clients += usize::from(begins);
            let log = format!("client{clients}.log");
            if begins {
                script.truncate(script.len() - "&\n".len());
                script.push_str(&format!("> {log} &\n"));
            }
            let lines = if begins { 1 } else { 3 };
            script.push_str(&format!(
                "for _ in $(seq 1000); do\n[ -e {log} ] && [ \"$(wc -l < {log})\" -ge {lines} ] && break\n\
                 read -t 0.02 <> <(:)\ndone\n"
            ));
            script.push_str(&if begins { format!("head -1 {log}\n") } else { format!("tail -2 {log}\n") });
        }
        script.push_str(&format!("echo '{END}'\n"));
    }
    let mut shell = Command::new("bash")
        .process_group(0)
        .env_remove("ROLLCALL_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _watchdog = Watchdog::over(&shell);
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();

    let end = format!("{END}\n");
    let mut heard = output.split(&end);
    for (command, printed) in steps.iter().filter(|(command, _)| !command.starts_with("alias")) {
        let lines = heard.next().unwrap_or_default().lines().map(masked).filter(|line| !line.is_empty());
        let expected: Vec<String> = printed.iter().map(|line| masked(line)).collect();
        assert_eq!(lines.collect::<Vec<_>>(), expected, "{command}\nall of it:\n{output}");
    }
}
