//! One run of the command.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::kit::{Server, Watchdog};

/// Runs `rollcall` on a server's data directory, as `token`'s holder.
pub fn run(data_dir: &Path, token: &str, arguments: &[&str]) -> Output {
    run_with(data_dir, &[("ROLLCALL_TOKEN", token)], arguments, "")
}

/// The same with other variables, and something on stdin.
pub fn run_with(data_dir: &Path, variables: &[(&str, &str)], arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .arg("--config")
        .arg(data_dir.with_extension("toml"))
        .args(arguments)
        .env_remove("ROLLCALL_URL")
        .env_remove("ROLLCALL_TOKEN")
        .envs(variables.iter().copied())
        .current_dir(data_dir.parent().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _watchdog = Watchdog::over(&child);
    // A command that needs nothing from there may have ended by now.
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    let secret = variables.iter().find(|(name, _)| *name == "ROLLCALL_TOKEN").map_or("", |(_, value)| value);
    let said = format!("{}{}", out(&output), err(&output));
    assert!(secret.len() < 20 || !said.contains(secret), "the token was printed: {said}");
    output
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What was printed, after an end with this status.
pub fn ended(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{}{}", out(output), err(output));
    out(output)
}

/// The one document that was printed, after an end with this status.
pub fn document(output: &Output, status: i32) -> Value {
    serde_json::from_str(&ended(output, status)).unwrap()
}

/// The address of a server.
pub fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// A table with what differs from run to run replaced by something as wide.
pub fn golden(text: &str) -> Vec<String> {
    let mask = |padded: &str| {
        let cell = padded.trim_start();
        let blank = &padded[..padded.len() - cell.len()];
        let is_hex = cell.len() == 32 && cell.bytes().all(|byte| byte.is_ascii_hexdigit());
        let form: String = cell.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let masked = match cell {
            _ if is_hex => "<thirty-two hexadecimal digits->".to_owned(),
            cell if cell.starts_with('…') => "…token.".to_owned(),
            _ if form == "0000-00-00 00:00:00" => "<date and time ----".to_owned(),
            cell => cell.to_owned(),
        };
        format!("{blank}{masked}")
    };
    text.lines().map(|line| line.split("  ").map(mask).collect::<Vec<_>>().join("  ")).collect()
}
