//! `rollcall kick`: takes users offline, by the order that reaches furthest.

use std::io::{BufRead, IsTerminal as _, Write};

use anyhow::{Context as _, bail};
use clap::Args;
use rollcall_core::{config::Settings, platform::Platform};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit::{self, CliError},
    output::{print_json, print_line, sanitize},
    platform,
    table::Table,
    who::statuses,
};

const FORCE_LOGOUT: &str = "/auth/force_logout";
const FORCE_OFF: &str = "/api/v1/message/center/online/off";
const USERS: &str = "/admin/v1/users";
/// Ids in one force off; the server takes 10,000.
const AT_ONCE: usize = 1_000;

const EXAMPLES: &str = "\
Examples:
  rollcall kick 2890713225                  everywhere
  rollcall kick alice bob --platform Web    their browsers only
  rollcall kick --tenant 7 101 102 --yes    two users of tenant 7
  rollcall kick --tenant 7 --yes            everybody of tenant 7 but the caller and the administrators

When it ends with status 0, no connection, console or record of theirs is online and every token they had is refused.
  a numeric USER     one force off, as the message center has it: every connection of both protocols, every token that was
                     issued by now, and records of other systems. Tokens issued later work; opaque ones without an issue
                     time stay refused until POST /admin/v1/users/USER/unlock. It reaches users of one tenant: that of
                     --tenant, else the token's own
  any other USER     a force logout of each platform in turn, but 10, the administrators'
  --platform P       a force logout of that platform, for every USER of any tenant
  --tenant T         with USERs a force off of them, alone a force off of the whole tenant
A numeric USER needs a sys_admin's token or an OpenIM administrator's; other USERs and --platform an OpenIM administrator's;
--tenant alone any token that may force off. Another tenant than the token's own takes an OpenIM administrator's token, or an
operator's.

--json prints {\"users\":[{\"online\":false,\"order\":\"force off\",\"tenantId\":\"0\",\"userID\":\"101\"}]}, or {\"tenant\":\"7\"}.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Kick {
    /// Whom, by userID
    #[arg(value_name = "USER", required_unless_present = "tenant")]
    users: Vec<String>,
    /// The tenant of the USERs; without USERs everybody of it
    #[arg(long, value_name = "TENANT", conflicts_with = "platform")]
    tenant: Option<i64>,
    /// Only there: 1 IOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux, 8 APad, 9 IPad, 10 Admin, 11 HarmonyOS; by
    /// number or name
    #[arg(long, value_name = "PLATFORM", value_parser = platform::parse)]
    platform: Option<Platform>,
    /// Do not ask; needed for a tenant or several users where nobody can be asked
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    call: CallArgs,
}

pub(super) fn kick(settings: &Settings, args: &Kick) -> anyhow::Result<()> {
    if let Some(name) = args.users.iter().find(|user| args.tenant.is_some() && !is_number(user)) {
        let name = sanitize(name, None);
        bail!(CliError::Usage(format!("{name} is no number: --tenant takes users of the message center")));
    }
    let server = args.call.server(settings)?;
    let whom = match (args.users.len(), args.tenant) {
        (0, Some(tenant)) => Some(format!("everybody of tenant {tenant}")),
        (0 | 1, _) => None,
        (many, _) => Some(format!("{many} users")),
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
        Some(tenant) if args.users.is_empty() => kick_tenant(&server, args, tenant),
        _ => kick_users(&server, args),
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
    look(server, args)?;
    let (numbers, others): (Vec<&String>, Vec<&String>) =
        args.users.iter().partition(|user| args.by_force_off(user));
    for some in numbers.chunks(AT_ONCE) {
        let order = json!({"receiveObjectType": "USER", "receiveObjectIds": some});
        server.order(FORCE_OFF, args.tenant, &order)?;
    }
    for user in others {
        for platform in platforms(args.platform) {
            server.openim(FORCE_LOGOUT, &json!({"userID": user, "platformID": platform.number()}))?;
        }
    }
    let users = look(server, args)?;
    let left: Vec<String> = users.iter().filter(|user| user.online).map(Seen::described).collect();
    if args.call.json {
        let users: Vec<Value> = users.iter().map(Seen::document).collect();
        print_json(&json!({"users": users}))?;
    } else {
        let mut table = Table::of(&["USER", "ORDER", "NOW"]);
        for user in &users {
            table.row([user.id, user.order(), if user.online { "online" } else { "offline" }]);
        }
        table.print()?;
    }
    if left.is_empty() {
        return Ok(());
    }
    bail!(CliError::Negative(format!(
        "still online, or again with a new token: {}. A force off reaches users of one tenant: that of --tenant, else the token's \
         own",
        sanitize(&left.join(", "), None)
    )))
}

/// What is online of a user.
struct Seen<'a> {
    id: &'a str,
    online: bool,
    /// The tenant of a user who gets a force off.
    tenant: Option<String>,
}

impl Seen<'_> {
    const fn order(&self) -> &'static str {
        if self.tenant.is_some() { "force off" } else { "force logout" }
    }

    fn described(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("{} (of tenant {tenant})", self.id),
            None => self.id.to_owned(),
        }
    }

    fn document(&self) -> Value {
        let mut document = json!({"userID": self.id, "order": self.order(), "online": self.online});
        if let (Some(tenant), Some(members)) = (&self.tenant, document.as_object_mut()) {
            members.insert("tenantId".to_owned(), json!(tenant));
        }
        document
    }
}

/// What is online of each user, as far as the order is to reach. A force off reaches consoles and records, which OpenIM's status
/// does not show, and its tenant is not named here: a caller above tenants sees a user of any tenant.
fn look<'a>(server: &Server, args: &'a Kick) -> anyhow::Result<Vec<Seen<'a>>> {
    let others: Vec<String> = args.users.iter().filter(|user| !args.by_force_off(user)).cloned().collect();
    let mut statuses = statuses(server, &others)?.into_iter();
    let number = args.platform.map(Platform::number);
    let is_meant = |one: &Value| number.is_none_or(|number| one.get("platformID") == Some(&json!(number)));
    let see = |user: &'a String| {
        if args.by_force_off(user) {
            let shown = server.admin(&format!("{USERS}/{user}"))?;
            let online = shown.get("online").and_then(Value::as_bool).context("the answer holds no user")?;
            let tenant = text(&shown, "tenantId").context("the answer holds no tenant")?.to_owned();
            return Ok(Seen { id: user, online, tenant: Some(tenant) });
        }
        let status = statuses.next().context("the status answer is too short")?;
        let connections = status.get("connections").and_then(Value::as_array);
        let online = connections.is_some_and(|all| all.iter().any(is_meant));
        Ok(Seen { id: user, online, tenant: None })
    };
    args.users.iter().map(see).collect()
}

impl Kick {
    fn by_force_off(&self, user: &str) -> bool {
        self.platform.is_none() && is_number(user)
    }
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
