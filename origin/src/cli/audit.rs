//! `rollcall audit`: who gave which order, when, from where.

use anyhow::Context as _;
use clap::Args;
use rollcall_core::{
    audit::{self, Operation},
    config::Settings,
    platform::Platform,
};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit,
    output::print_json,
    table::Table,
};

const AUDIT: &str = "/admin/v1/audit";
/// The most entries that are held at a time.
const ENTRIES_LIMIT: u32 = 100_000;

const TITLES: [&str; 8] = ["AT", "BY", "FROM", "OPERATION", "WHAT", "USERS", "ENDED", "STATE"];

const EXAMPLES: &str = "\
Examples:
  rollcall audit
  rollcall audit --user 2890713225
  rollcall audit --operation off --from '2026-11-26 08:00:00' --to '2026-11-27' --limit 1000
  rollcall audit --by imAdmin --json | jq '.list[].selection'

The newest order comes first. Dates are in the server's message_center.time_zone, or have an offset of their own.
  OPERATION  off and tenantOff (a force off of users, of a tenant), forceLogout, tokensRevoke, userUnlock, tenantUnlock,
             recordsImport, populationImport, reshard, forceOff and forceOffDryRun (an order to a selection, its dry run)
  WHAT       what it names: the first 20 where there are more
  USERS      how many users it was given to; of --user, 1
  ENDED      how many connections ended with it; - where they end afterwards
  STATE      done; inForce of an order that is delivered to its users afterwards; begun of a change of shards, and of an import
             that is under way or broke off
--user finds the orders that were carried out user by user. Those to more than message_center.direct_users users, and to a whole
tenant, are found without it. Needs an administrator's token of the tenant.

--json prints {\"list\":[…],\"next\":\"…\"}: the entries as the server has them, each with the SHA-256 of the caller's token, and
where --before goes on, if there are more.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Audit {
    /// Orders from this date on
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Orders up to this date, its second included
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Orders of this caller, by userID
    #[arg(long, value_name = "USER")]
    by: Option<String>,
    /// Orders that do this, such as off
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    operation: Option<Operation>,
    /// Orders that were given to this user, by userID
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Of this tenant; of the token's own if left out. Only an operator's token may name another
    #[arg(long, value_name = "TENANT")]
    tenant: Option<i64>,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(ENTRIES_LIMIT)))]
    limit: u32,
    /// Only those before this entry, by its id: the `next` of a --json before
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    #[command(flatten)]
    call: CallArgs,
}

fn operation(text: &str) -> Result<Operation, String> {
    Operation::from_name(text)
        .ok_or_else(|| format!("expected {}", Operation::ALL.map(Operation::name).join(", ")))
}

pub(super) fn audit(settings: &Settings, args: &Audit) -> anyhow::Result<()> {
    let server = args.call.server(settings)?;
    let (mut entries, mut next) = (Vec::new(), args.before.clone());
    loop {
        let left = args.limit.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let page = ask(&server, args, left.min(audit::LIMIT), next.as_deref())?;
        entries.extend(page.entries);
        next = page.next;
        // A page may be short, or empty, and not be the last.
        if next.is_none() || entries.len() >= args.limit as usize {
            break;
        }
    }
    if args.call.json {
        let mut all = json!({ "list": entries });
        if let (Some(all), Some(next)) = (all.as_object_mut(), next) {
            all.insert("next".to_owned(), next.into());
        }
        return Ok(print_json(&all)?);
    }
    let mut table = Table::of(&TITLES);
    for entry in &entries {
        let of = |name| text(entry, name).unwrap_or("-");
        let count = |name| entry.get(name).map_or_else(|| "-".to_owned(), Value::to_string);
        let by = entry.get("by").and_then(|by| text(by, "userId")).unwrap_or("-");
        let what = entry.get("selection").map(selection).filter(|what| !what.is_empty());
        table.row([
            of("at"),
            by,
            of("remoteAddress"),
            of("operation"),
            what.as_deref().unwrap_or("-"),
            &count("users"),
            &count("connections"),
            of("progress"),
        ]);
    }
    Ok(table.print()?)
}

struct Page {
    entries: Vec<Value>,
    next: Option<String>,
}

fn ask(server: &Server, args: &Audit, limit: u32, before: Option<&str>) -> anyhow::Result<Page> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    let given = [
        ("from", args.from.as_deref()),
        ("to", args.to.as_deref()),
        ("by", args.by.as_deref()),
        ("operation", args.operation.map(Operation::name)),
        ("userId", args.user.as_deref()),
        ("before", before),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let mut answer = server.admin_get(&format!("{AUDIT}?{}", query.finish()), args.tenant)?;
    let next = text(&answer, "next").map(str::to_owned);
    match answer.get_mut("list").map(Value::take) {
        Some(Value::Array(entries)) => Ok(Page { entries, next }),
        _ => None.context("the answer holds no entries"),
    }
}

/// What an order names, in one line.
fn selection(selection: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    let list = |name: &str| -> Vec<String> {
        let items = selection.get(name).and_then(Value::as_array).into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let more = |total: &str, shown: usize| {
        let total = selection.get(total).and_then(Value::as_u64).unwrap_or(0);
        let left = total.saturating_sub(shown as u64);
        (left > 0).then(|| format!("and {left} more"))
    };
    words.extend(text(selection, "receivers").map(str::to_owned));
    words.extend(list("select"));
    let ids = list("ids");
    let rest = more("idsTotal", ids.len());
    words.extend(ids.into_iter().chain(rest));
    words.extend(text(selection, "userId").map(|user| format!("user {user}")));
    let platform = selection.get("platformID").and_then(Value::as_i64).and_then(Platform::from_number);
    words.extend(platform.map(|platform| format!("on {}", platform.name())));
    words.extend(text(selection, "connID").map(|id| format!("connection {id}")));
    let hashes = list("sha256");
    let rest = more("sha256Total", hashes.len());
    let short = |hash: String| format!("token {}…", hash.get(..8).unwrap_or(&hash));
    words.extend(hashes.into_iter().map(short).chain(rest));
    words.extend(selection.get("shards").map(|shards| format!("{shards} shards")));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_order_names_is_one_line() {
        for (of, line) in [
            (json!({}), ""),
            (json!({"receivers": "USER", "ids": ["1", "2"], "idsTotal": 2}), "USER 1 2"),
            (json!({"receivers": "USER", "ids": ["1"], "idsTotal": 41}), "USER 1 and 40 more"),
            (json!({"userId": "a", "platformID": 5}), "user a on Web"),
            (
                json!({"userId": "a", "sha256": ["0123456789"], "sha256Total": 3}),
                "user a token 01234567… and 2 more",
            ),
            (json!({"shards": 32}), "32 shards"),
            (
                json!({"scope": "user", "select": ["online EQUAL true"], "ids": ["7"], "idsTotal": 1}),
                "online EQUAL true 7",
            ),
        ] {
            assert_eq!(selection(&of), line);
        }
    }

    #[test]
    fn a_wrong_operation_is_answered_with_the_right_ones() {
        assert!(operation("kick").unwrap_err().contains("off, tenantOff, forceLogout"));
        assert_eq!(operation("reshard"), Ok(Operation::Reshard));
    }
}
