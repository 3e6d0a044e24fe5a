//! `rollcall kick`: takes users offline, by the order that reaches furthest.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, IsTerminal as _, Write},
};

use anyhow::{Context as _, bail};
use clap::Args;
use rollcall_core::{config::Settings, deny::LONGEST, directory::filter::FILTERS_LIMIT, platform::Platform};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit::{self, CliError},
    ls::{Filter, LIST, PAGE_LIMIT},
    online::{Caller, Online, UNSEEN, look, word},
    output::{print_json, print_line, sanitize},
    platform, selection,
    table::Table,
    who::STATUS,
};

const FORCE_LOGOUT: &str = "/auth/force_logout";
const FORCE_OFF: &str = "/api/v1/message/center/online/off";
/// Ids in one force off; the server takes 10,000.
const AT_ONCE: usize = 1_000;
/// Users who are named one by one.
const NAMED: usize = 20;

const EXAMPLES: &str = "\
Examples:
  rollcall kick 2890713225                  everywhere
  rollcall kick alice bob --platform Web    their browsers only
  rollcall kick --tenant 7 101 102 --yes    two users in tenant 7 alone
  rollcall kick --tenant 7 --yes            everybody of tenant 7 but the caller and the administrators
  rollcall kick --filter 'fullName MATCH zhang' --dry-run
  rollcall kick --filter 'deviceId EQUAL tv' --platform Web --reason 'stolen'
  rollcall kick 101 --deny 7d --reason 'left the company'

Status 0 says that no connection, console or record of these users is online and that every token they had is refused. Users who
are still online, or may be, are named, with status 4. After --tenant alone the command looks at the tenant's list, which has users
with numbers only.
  a numeric USER     one force off in every tenant where something of the user is online, and in the user's own: every
                     connection of both protocols, every token that was issued by now, and records of other systems. Tokens
                     issued later work; opaque ones without an issue time stay refused until POST /admin/v1/users/USER/unlock
  any other USER     a force logout of each platform in turn, but 10, the administrators'
  --platform P       a force logout of that platform, for every USER
  --tenant T         with USERs a force off of them in that tenant alone, without USERs a force off of the whole tenant
  --filter, --dry-run, --reason, --deny
                     one order to a selection, in one tenant: the users of connections that pass every --filter, or the numeric USERs,
                     both joined by AND. All of such a user goes, and a connection that has ended selects its user as well, unless
                     'online EQUAL true' is a --filter. With --platform it is those connections and their tokens alone. It is looked
                     at first, and exactly that is taken off; `rollcall orders` shows it. A bar shows how far it is. It ends in status 0 when no reader shows
                     any of it and every socket is closed
A numeric USER needs a sys_admin's token or an OpenIM administrator's; other USERs and --platform an OpenIM administrator's;
--tenant alone any token that may force off. A sys_admin's token reaches its own tenant, and about a user whose sockets it did
not see it cannot tell whether that is of another one; an OpenIM administrator's, or an operator's, reaches every tenant.

--json prints {\"users\":[{\"online\":false,\"order\":\"force off\",\"tenantId\":\"0\",\"userID\":\"101\"}]}, where online is null when it
cannot be told, or {\"left\":[\"101\"],\"tenant\":\"7\"}, where left is null for a token that may not read.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Kick {
    /// Users to take offline, by userID
    #[arg(value_name = "USER", required_unless_present_any = ["tenant", "filters"])]
    pub(super) users: Vec<String>,
    /// The one tenant to act in; without USERs everybody of it
    #[arg(long, value_name = "TENANT")]
    pub(super) tenant: Option<i64>,
    /// One platform: 1 IOS, 2 Android, 3 Windows, 4 OSX, 5 Web, 6 MiniWeb, 7 Linux, 8 APad, 9 IPad, 10 Admin, 11 HarmonyOS; by
    /// number or name
    #[arg(long, value_name = "PLATFORM", value_parser = platform::parse)]
    pub(super) platform: Option<Platform>,
    /// 'KEY OPERATOR VALUE' as of `rollcall ls`, such as 'fullName MATCH zhang'; up to 20 times. Only users with such connections, by one
    /// order
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    pub(super) filters: Vec<Filter>,
    /// Only say how many users and connections it would take
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// For how long its users get no token and may not connect: a number with s, m, h or d, at most 365d. Needs an administrator's token.
    /// POST /admin/v1/users/USER/unlock lifts it
    #[arg(long, value_name = "SPAN", value_parser = seconds)]
    pub(super) deny: Option<u32>,
    /// Do not ask; needed for a tenant, a selection or several users without a terminal
    #[arg(long, short)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) call: CallArgs,
}

pub(super) fn kick(settings: &Settings, args: &Kick) -> anyhow::Result<()> {
    if let Some(name) = args.users.iter().find(|user| args.tenant.is_some() && !is_number(user)) {
        let name = sanitize(name, None);
        bail!(CliError::Usage(format!("{name} is no number: --tenant takes users of the message center")));
    }
    if args.filters.len() > FILTERS_LIMIT {
        bail!(CliError::Usage(format!("at most {FILTERS_LIMIT} filters")));
    }
    if args.is_selection() {
        if let Some(name) = args.users.iter().find(|user| !is_number(user)) {
            let name = sanitize(name, None);
            bail!(CliError::Usage(format!(
                "{name} is no number: a selection takes users of the message center"
            )));
        }
        if args.users.is_empty() && args.filters.is_empty() && args.platform.is_none() {
            bail!(CliError::Usage(
                "a selection needs USERs or a --filter; --tenant alone has no dry run".to_owned()
            ));
        }
        return selection::kick_selection(&args.call.server(settings)?, args);
    }
    if args.tenant.is_some() && args.platform.is_some() {
        bail!(CliError::Usage("--tenant and --platform go together with --filter only".to_owned()));
    }
    let server = args.call.server(settings)?;
    let targets = match (args.users.len(), args.tenant) {
        (0, Some(tenant)) => Some(format!("everybody of tenant {tenant}")),
        (0 | 1, _) => None,
        (many, _) => Some(format!("{many} users")),
    };
    if let Some(targets) = targets.filter(|_| !args.yes) {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            bail!(CliError::Usage(format!("taking {targets} offline needs --yes without a terminal")));
        }
        let question = format!("Take {targets} offline, at {}? [y/N] ", server.url());
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
pub(super) fn agreed(
    question: &str,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> std::io::Result<bool> {
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn kick_tenant(server: &Server, args: &Kick, tenant: i64) -> anyhow::Result<()> {
    let order = json!({"receiveObjectType": "TENANT", "receiveObjectIds": [tenant.to_string()]});
    server.order(FORCE_OFF, tenant, &order)?;
    let caller = Caller::ask(server)?;
    let left = if caller.may_read { Some(left_in(server, tenant, &caller)?) } else { None };
    if args.call.json {
        print_json(&json!({"tenant": tenant.to_string(), "left": left}))?;
    }
    match left {
        None => bail!(CliError::Negative(format!(
            "the order to tenant {tenant} is in force; this token may not see who is online there"
        ))),
        Some(left) if !left.is_empty() => bail!(CliError::Negative(format!(
            "still online, as an administrator or again with a new token: {}",
            sanitize(&listed(&left), None)
        ))),
        Some(_) if args.call.json => Ok(()),
        Some(_) => Ok(print_line(&format!(
            "everybody of tenant {tenant} is offline, but the caller and the administrators"
        ))?),
    }
}

/// The users who are online in the tenant's list, without the caller, who is exempt from its own orders.
fn left_in(server: &Server, tenant: i64, caller: &Caller) -> anyhow::Result<BTreeSet<String>> {
    let page = server.console(&format!("{LIST}?online=true&pageSize={PAGE_LIMIT}"), Some(tenant))?;
    let records =
        page.get("list").and_then(Value::as_array).context("the answer holds no list of records")?;
    let users = records.iter().map(|record| text(record, "userId").map(str::to_owned));
    let mut users: BTreeSet<String> = users.collect::<Option<_>>().context("a record has no user")?;
    users.remove(&caller.user);
    Ok(users)
}

/// The first users by name, and the number of the others.
fn listed(users: &BTreeSet<String>) -> String {
    let named = users.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match users.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn kick_users(server: &Server, args: &Kick) -> anyhow::Result<()> {
    let names: Vec<&String> = args.users.iter().filter(|user| !args.by_force_off(user)).collect();
    if !names.is_empty() {
        // A token that may not log them out is refused before the first order.
        server.openim(STATUS, &json!({"userIDs": []}))?;
    }
    let before = look(server, &args.users)?;
    for (tenant, users) in by_tenant(args, &before) {
        for some in users.chunks(AT_ONCE) {
            let order = json!({"receiveObjectType": "USER", "receiveObjectIds": some});
            server.order(FORCE_OFF, tenant, &order)?;
        }
    }
    for user in names {
        for platform in platforms(args.platform) {
            server.openim(FORCE_LOGOUT, &json!({"userID": user, "platformID": platform.number()}))?;
        }
    }
    let mut users = look(server, &args.users)?;
    for (user, before) in users.iter_mut().zip(&before) {
        // A user whose sockets were shown is of a tenant that the order reached.
        user.may_hide &= !before.has_sockets();
    }
    if args.call.json {
        let users: Vec<Value> = users.iter().map(|user| document(args, user)).collect();
        print_json(&json!({"users": users}))?;
    } else {
        let mut table = Table::of(&["USER", "ORDER", "NOW"]);
        for user in &users {
            let now = word(is_left(args, user));
            table.row([&user.user, args.order(&user.user), now]);
        }
        table.print()?;
    }
    let left: Vec<String> = users
        .iter()
        .filter(|user| is_left(args, user) == Some(true))
        .map(|user| described(args, user))
        .collect();
    let unseen: Vec<&str> =
        users.iter().filter(|user| is_left(args, user).is_none()).map(|user| user.user.as_str()).collect();
    let mut told = Vec::new();
    if !left.is_empty() {
        told.push(format!("still online, or again with a new token: {}", left.join(", ")));
    }
    if !unseen.is_empty() {
        told.push(format!("{UNSEEN}: {}", unseen.join(", ")));
    }
    match (told.is_empty(), args.tenant) {
        (true, _) => return Ok(()),
        (false, Some(tenant)) => told.push(format!("The order went to tenant {tenant} alone")),
        (false, None) => {}
    }
    bail!(CliError::Negative(sanitize(&told.join(". "), None)))
}

/// The users of the force offs by the tenant of each: the named one, else those in which something of the user is online, and the
/// user's own, whose tokens are to be refused.
fn by_tenant<'a>(args: &Kick, users: &'a [Online]) -> BTreeMap<i64, Vec<&'a str>> {
    let mut orders: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for user in users.iter().filter(|user| args.by_force_off(&user.user)) {
        let mut tenants = user.tenants();
        tenants.insert(user.tenant);
        let tenants = args.tenant.map_or(tenants, |named| BTreeSet::from([named]));
        for tenant in tenants {
            orders.entry(tenant).or_default().push(&user.user);
        }
    }
    orders
}

/// Whether something is online that the order was to reach; `None` where the token is not shown enough.
fn is_left(args: &Kick, user: &Online) -> Option<bool> {
    args.platform.map_or(user.is_known_online(), |platform| {
        let number = json!(platform.number());
        Some(user.connections.iter().any(|one| one.get("platformID") == Some(&number)))
    })
}

/// A user who is online, with the tenants where the order was a force off.
fn described(args: &Kick, user: &Online) -> String {
    if !args.by_force_off(&user.user) {
        return user.user.clone();
    }
    let tenants: Vec<String> = user.tenants().iter().map(i64::to_string).collect();
    let of = if tenants.len() == 1 { "tenant" } else { "tenants" };
    format!("{} (of {of} {})", user.user, tenants.join(", "))
}

fn document(args: &Kick, user: &Online) -> Value {
    let order = args.order(&user.user);
    let mut document = json!({"userID": user.user, "order": order, "online": is_left(args, user)});
    if let (true, Some(members)) = (args.by_force_off(&user.user), document.as_object_mut()) {
        members.insert("tenantId".to_owned(), json!(user.tenant.to_string()));
    }
    document
}

impl Kick {
    /// Whether it is one order to a selection.
    const fn is_selection(&self) -> bool {
        !self.filters.is_empty() || self.dry_run || self.reason.is_some() || self.deny.is_some()
    }

    fn by_force_off(&self, user: &str) -> bool {
        self.platform.is_none() && is_number(user)
    }

    fn order(&self, user: &str) -> &'static str {
        if self.by_force_off(user) { "force off" } else { "force logout" }
    }
}

/// The platforms of a force logout. The administrators' own is never meant by "everywhere": it would take the tokens of the
/// back ends that ask in their name.
fn platforms(one: Option<Platform>) -> impl Iterator<Item = Platform> {
    let meant = move |platform: &Platform| one.map_or(*platform != Platform::Admin, |one| one == *platform);
    Platform::ALL.into_iter().filter(meant)
}

/// A span of at most 365 days, in seconds.
fn seconds(text: &str) -> Result<u32, String> {
    let problem = || "expected a number with s, m, h or d, such as 90m, of at most 365d".to_owned();
    let unit = text.chars().last().ok_or_else(problem)?;
    let (_, each) = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)]
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(problem)?;
    let number: Option<u32> = text.strip_suffix(unit).and_then(|number| number.parse().ok());
    number
        .and_then(|number| number.checked_mul(each))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(problem)
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
    fn a_span_has_a_unit_and_an_end() {
        let read = ["1s", "90m", "1h", "365d"].map(|text| seconds(text).ok());
        assert_eq!(read, [1, 5_400, 3_600, LONGEST].map(Some));
        for text in ["", "h", "1", "0s", "-1h", "366d", "1.5h", "1w", "9999999999s", "4294967295d", "1µ"] {
            assert!(seconds(text).is_err(), "{text}");
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
