//! `rollcall who`: what is known of users' live connections.

use std::collections::HashMap;

use clap::Args;
use rollcall_core::{config::Settings, platform::Platform};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit::{self, CliError},
    online::{Online, look, word},
    output::print_json,
    table::Table,
};

/// Who is online on which connection and token; for OpenIM administrators alone.
pub(super) const STATUS: &str = "/user/get_users_online_status";
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

A user who never logged in is offline like any other. Needs a sys_admin's token, which sees the users of its own tenant, or an
OpenIM administrator's or operator's, which sees everyone. Of a user without a socket in its tenant a sys_admin's token does not
tell whether it is of another one: \"not of your tenant, or offline\". A record line is one that another system imported.
The end of a connection's token is shown to OpenIM administrators.

--json prints {\"users\":[{\"userID\":\"101\",\"tenantId\":\"0\",\"online\":true,\"connections\":[{\"platformID\":5,
\"platform\":\"Web\",\"connID\":\"…\",\"background\":false,\"token\":\"…x7Tq0w\"}],\"consoles\":[],
\"recordTenants\":[\"0\"]}]}, in the order of the command line; recordTenants are the tenants with records that are online. online is null where it
cannot be told.";

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
    let users = look(&server, &args.users)?;
    let tokens = tokens(&server, &args.users)?;
    if args.call.json {
        let users: Vec<Value> = users.iter().map(|user| document(user, &tokens)).collect();
        return Ok(print_json(&json!({"users": users}))?);
    }
    let mut table = Table::of(&["USER", "STATUS", "PLATFORM", "CONNECTION", "BACKGROUND", "TOKEN"]);
    for user in &users {
        if !user.is_online() {
            table.row([user.user.as_str(), word(user.is_known_online()), "-", "-", "-", "-"]);
        }
        for one in user.connections.iter().map(|one| connection(one, &tokens)) {
            let of = |member| text(&one, member).unwrap_or("-");
            let background = one.get("background").and_then(Value::as_bool);
            let background = if background == Some(true) { "yes" } else { "no" };
            table.row([&user.user, "online", of("platform"), of("connID"), background, of("token")]);
        }
        for console in &user.consoles {
            table.row([&user.user, "online", "console", console, "-", "-"]);
        }
        for tenant in imports(user) {
            table.row([&user.user, "online", "record", &format!("in tenant {tenant}"), "-", "-"]);
        }
    }
    Ok(table.print()?)
}

/// The tenants with records that no socket of the user stands behind: it would be in the user's own.
fn imports(user: &Online) -> impl Iterator<Item = i64> {
    let behind = user.has_sockets().then_some(user.tenant);
    user.record_tenants.iter().copied().filter(move |tenant| Some(*tenant) != behind)
}

/// The tokens of connections, by the connections' ids. None where the server shows them to others alone.
fn tokens(server: &Server, users: &[String]) -> anyhow::Result<HashMap<String, String>> {
    let mut tokens = HashMap::new();
    for some in users.chunks(AT_ONCE) {
        let answer = match server.openim(STATUS, &json!({"userIDs": some})) {
            Ok(answer) => answer,
            Err(error) if matches!(error.downcast_ref(), Some(CliError::Token(_))) => break,
            Err(error) => return Err(error),
        };
        let connections = |user: &Value| user.get("detailPlatformStatus")?.as_array().cloned();
        for one in answer.as_array().into_iter().flatten().filter_map(connections).flatten() {
            if let (Some(id), Some(token)) = (text(&one, "connID"), text(&one, "token")) {
                tokens.insert(id.to_owned(), shortened(token));
            }
        }
    }
    Ok(tokens)
}

/// What `--json` shows of a user.
fn document(user: &Online, tokens: &HashMap<String, String>) -> Value {
    let tenants: Vec<String> = user.record_tenants.iter().map(i64::to_string).collect();
    let connections: Vec<Value> = user.connections.iter().map(|one| connection(one, tokens)).collect();
    json!({
        "userID": user.user,
        "tenantId": user.tenant.to_string(),
        "online": user.is_known_online(),
        "connections": connections,
        "consoles": user.consoles,
        "recordTenants": tenants,
    })
}

fn connection(one: &Value, tokens: &HashMap<String, String>) -> Value {
    let number = one.get("platformID").and_then(Value::as_i64);
    json!({
        "platformID": number,
        "platform": number.and_then(Platform::from_number).map(Platform::name),
        "connID": one.get("connID"),
        "background": one.get("isBackground"),
        "token": text(one, "connID").and_then(|id| tokens.get(id)),
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
