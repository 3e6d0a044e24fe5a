//! `rollcall who`: what is known of users' live connections.

use anyhow::Context as _;
use clap::Args;
use rollcall_core::{config::Settings, platform::Platform};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit,
    output::print_json,
    table::Table,
};

const STATUS: &str = "/user/get_users_online_status";
/// Users in one question; servers may be configured to take no more than a few.
const AT_ONCE: usize = 100;
/// Characters of a token's end that are shown: enough to tell two apart, useless otherwise.
const TOKEN_END: usize = 6;
/// A token that is not much longer than what would be shown of it is not shown at all.
const TOKEN_LEAST: usize = 40;

const EXAMPLES: &str = "\
Examples:
  rollcall who 2890713225
  rollcall who 101 alice --json | jq '.users[] | select(.online)'

A user who never logged in is offline like any other. Needs an OpenIM administrator's token.
Of a connection's token only the end is shown.

--json prints {\"users\":[{\"userID\":\"101\",\"online\":true,\"connections\":[{\"platformID\":5,\"platform\":\"Web\",
\"connID\":\"…\",\"background\":false,\"token\":\"…x7Tq0w\"}]}]}, in the order of the command line.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Who {
    /// Users, by userID
    #[arg(required = true, value_name = "USER")]
    users: Vec<String>,
    #[command(flatten)]
    call: CallArgs,
}

pub(super) fn who(settings: &Settings, args: &Who) -> anyhow::Result<()> {
    let server = args.call.server(settings)?;
    let users = statuses(&server, &args.users)?;
    if args.call.json {
        return Ok(print_json(&json!({"users": users}))?);
    }
    let mut table = Table::of(&["USER", "STATUS", "PLATFORM", "CONNECTION", "BACKGROUND", "TOKEN"]);
    for user in &users {
        let name = user.get("userID").and_then(Value::as_str).unwrap_or_default();
        let connections = user.get("connections").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if connections.is_empty() {
            table.row([name, "offline", "-", "-", "-", "-"]);
        }
        for one in connections {
            let of = |member| text(one, member).unwrap_or("-");
            let background = one.get("background").and_then(Value::as_bool);
            let background = if background == Some(true) { "yes" } else { "no" };
            table.row([name, "online", of("platform"), of("connID"), background, of("token")]);
        }
    }
    Ok(table.print()?)
}

/// What `--json` shows of each user, in the order of `users`.
pub(super) fn statuses(server: &Server, users: &[String]) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::with_capacity(users.len());
    for some in users.chunks(AT_ONCE) {
        let answer = server.openim(STATUS, &json!({"userIDs": some}))?;
        let listed = answer.as_array().context("the status answer holds no list")?;
        all.extend(listed.iter().map(shown));
    }
    Ok(all)
}

fn shown(user: &Value) -> Value {
    let connections = user.get("detailPlatformStatus").and_then(Value::as_array);
    let connections: Vec<Value> = connections.into_iter().flatten().map(connection).collect();
    json!({
        "userID": user.get("userID"),
        "online": user.get("status").and_then(Value::as_i64) == Some(1),
        "connections": connections,
    })
}

fn connection(one: &Value) -> Value {
    let number = one.get("platformID").and_then(Value::as_i64);
    json!({
        "platformID": number,
        "platform": number.and_then(Platform::from_number).map(Platform::name),
        "connID": one.get("connID"),
        "background": one.get("isBackground"),
        "token": shortened(one.get("token").and_then(Value::as_str).unwrap_or_default()),
    })
}

/// The end of a token: its beginning is that of every other one.
fn shortened(token: &str) -> String {
    let length = token.chars().count();
    let shown = if length < TOKEN_LEAST { 0 } else { TOKEN_END };
    std::iter::once('…').chain(token.chars().skip(length - shown)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_token_nothing_is_shown_that_could_be_used() {
        assert_eq!(shortened(&format!("{}abcdef", "x".repeat(100))), "…abcdef");
        assert_eq!(shortened("short-and-opaque"), "…");
        assert_eq!(shortened(""), "…");
    }
}
