//! `rollcall kick`: takes users offline, by the order that reaches furthest.

use std::io::{BufRead, IsTerminal as _, Write};

use anyhow::bail;
use clap::Args;
use rollcall_core::{config::Settings, platform::Platform};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server},
    exit::{self, CliError},
    output::{print_json, print_line, sanitize},
    table::Table,
    who::statuses,
};

const FORCE_LOGOUT: &str = "/auth/force_logout";
const FORCE_OFF: &str = "/api/v1/message/center/online/off";
/// Ids in one force off; the server takes 10,000.
const AT_ONCE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  rollcall kick 2890713225                  everywhere
  rollcall kick alice bob --platform 2      their Android devices only
  rollcall kick --tenant 7 --yes            everybody of tenant 7 but the caller and the administrators

When it ends with status 0, no connection of theirs is in any answer and every token they had is refused.
  a numeric USER     one force off, as the message center has it: every connection of both protocols, every token that was
                     issued by now, and records of other systems. Tokens issued later work; opaque ones without an issue
                     time stay refused until POST /admin/v1/users/USER/unlock. Of the token's own tenant
  any other USER     a force logout of each platform in turn, but 10, the administrators'
  --platform P       a force logout of that platform, for every USER
  --tenant T         a force off of the tenant. Another tenant than the token's own needs an operator's token
Users need an OpenIM administrator's token; --tenant any token that may force off.

--json prints {\"users\":[{\"online\":false,\"order\":\"force off\",\"userID\":\"101\"}]}, or {\"tenant\":\"7\"}.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Kick {
    /// Whom, by userID
    #[arg(value_name = "USER", required_unless_present = "tenant")]
    users: Vec<String>,
    /// Everybody of this tenant
    #[arg(long, value_name = "TENANT", conflicts_with_all = ["users", "platform"])]
    tenant: Option<i64>,
    /// Only there: 1 IOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux, 8 APad, 9 IPad, 10 Admin, 11 HarmonyOS
    #[arg(long, value_name = "NUMBER", value_parser = platform)]
    platform: Option<Platform>,
    /// Do not ask; needed for a tenant or several users where nobody can be asked
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    call: CallArgs,
}

fn platform(text: &str) -> Result<Platform, String> {
    text.parse().ok().and_then(Platform::from_number).ok_or_else(|| "expected 1 to 11".to_owned())
}

pub(super) fn kick(settings: &Settings, args: &Kick) -> anyhow::Result<()> {
    let server = args.call.server(settings)?;
    let whom = match args.tenant {
        Some(tenant) => Some(format!("everybody of tenant {tenant}")),
        None if args.users.len() > 1 => Some(format!("{} users", args.users.len())),
        None => None,
    };
    if let Some(whom) = whom.filter(|_| !args.yes) {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            bail!(CliError::Usage(format!("taking {whom} offline needs --yes where nobody can be asked")));
        }
        let question = format!("Take {whom} offline, at {}? [y/N] ", server.url());
        if !agreed(&question, &mut std::io::stdin().lock(), &mut std::io::stderr())? {
            bail!(CliError::Negative("nothing was done".to_owned()));
        }
    }
    match args.tenant {
        Some(tenant) => kick_tenant(&server, args, tenant),
        None => kick_users(&server, args),
    }
}

/// Whether the question was answered by a yes.
fn agreed(question: &str, answers: &mut impl BufRead, out: &mut impl Write) -> std::io::Result<bool> {
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn kick_tenant(server: &Server, args: &Kick, tenant: i64) -> anyhow::Result<()> {
    let order = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [tenant.to_string()]});
    server.order(FORCE_OFF, Some(tenant), &order)?;
    if args.call.json {
        return Ok(print_json(&json!({"tenant": tenant.to_string()}))?);
    }
    Ok(print_line(&format!(
        "everybody of tenant {tenant} is offline, but the caller and the administrators"
    ))?)
}

fn kick_users(server: &Server, args: &Kick) -> anyhow::Result<()> {
    // Before the first order: a token that may not ask could not be told what came of it.
    statuses(server, &args.users)?;
    let by_force_off = |user: &String| args.platform.is_none() && is_number(user);
    let (numbers, others): (Vec<&String>, Vec<&String>) =
        args.users.iter().partition(|user| by_force_off(user));
    for some in numbers.chunks(AT_ONCE) {
        server.order(FORCE_OFF, None, &json!({"receiveObjectType": "USER", "receiveObjectIds": some}))?;
    }
    for user in others {
        for platform in platforms(args.platform) {
            server.openim(FORCE_LOGOUT, &json!({"userID": user, "platformID": platform.number()}))?;
        }
    }
    let users = outcome(statuses(server, &args.users)?, args, by_force_off);
    let names = |user: &Value| user.get("userID").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_online = |user: &&Value| user.get("online") == Some(&Value::Bool(true));
    let left: Vec<String> = users.iter().filter(is_online).map(names).collect();
    if args.call.json {
        print_json(&json!({"users": users}))?;
    } else {
        let mut table = Table::of(&["USER", "ORDER", "NOW"]);
        for user in &users {
            let order = user.get("order").and_then(Value::as_str).unwrap_or_default();
            let now = if is_online(&user) { "online" } else { "offline" };
            table.row([names(user).as_str(), order, now]);
        }
        table.print()?;
    }
    if left.is_empty() {
        return Ok(());
    }
    bail!(CliError::Negative(format!(
        "still online, or again with a new token: {}. A numeric user of another tenant than the token's is not reached by a \
         force off; use --platform, or a token of that tenant",
        sanitize(&left.join(", "), None)
    )))
}

/// What came of the orders: with `--platform` only that platform matters.
fn outcome(statuses: Vec<Value>, args: &Kick, by_force_off: impl Fn(&String) -> bool) -> Vec<Value> {
    let number = args.platform.map(Platform::number);
    let told = |(status, user): (Value, &String)| {
        let connections = status.get("connections").and_then(Value::as_array);
        let is_meant = |one: &Value| match number {
            Some(number) => one.get("platformID") == Some(&json!(number)),
            None => true,
        };
        let online = connections.is_some_and(|all| all.iter().any(is_meant));
        let order = if by_force_off(user) { "force off" } else { "force logout" };
        json!({"userID": user, "order": order, "online": online})
    };
    statuses.into_iter().zip(&args.users).map(told).collect()
}

/// The platforms of a force logout. The administrators' own is never meant by "everywhere": it would take the tokens of the
/// back ends that ask in their name.
fn platforms(one: Option<Platform>) -> impl Iterator<Item = Platform> {
    let meant = move |platform: &Platform| one.map_or(*platform != Platform::Admin, |one| one == *platform);
    Platform::ALL.into_iter().filter(meant)
}

/// Whether the message center knows a user by this name: the canonical form of a 64-bit number.
fn is_number(user: &str) -> bool {
    user.parse::<i64>().is_ok_and(|number| number.to_string() == user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, expected) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("no\n", false)]
        {
            let mut question = Vec::new();
            assert_eq!(
                agreed("Take? ", &mut answer.as_bytes(), &mut question).unwrap(),
                expected,
                "{answer:?}"
            );
            assert_eq!(question, b"Take? ");
        }
    }

    #[test]
    fn everywhere_is_every_platform_but_the_administrators() {
        assert_eq!(platforms(None).count(), 10);
        assert_eq!(platforms(Some(Platform::Admin)).collect::<Vec<_>>(), [Platform::Admin]);
    }

    #[test]
    fn a_number_is_one_in_its_canonical_form_only() {
        assert!(is_number("101") && is_number("-5"));
        assert!(
            !is_number("0101")
                && !is_number("+1")
                && !is_number("alice")
                && !is_number("9223372036854775808")
        );
    }
}
