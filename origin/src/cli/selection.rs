//! `rollcall kick` with a selection: a dry run, a question, and the order that carries exactly that out.

use std::{io::IsTerminal as _, thread, time::Duration};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::{
    client::{Server, text},
    exit::CliError,
    kick::{Kick, agreed},
    output::{print_json, print_line, sanitize},
};

/// Where orders to selections are given and shown.
pub(super) const ORDERS: &str = "/admin/v1/force-offs";
/// The pause between two looks at an order that goes on.
const LOOK: Duration = Duration::from_millis(500);

/// Looks what the selection is, and takes it offline unless that is all.
pub(super) fn kick_selection(server: &Server, args: &Kick) -> anyhow::Result<()> {
    let body = body(args);
    let run = server.admin(ORDERS, &with(&body, "dryRun", json!(true)))?;
    let count = |name: &str| run.get(name).and_then(Value::as_u64).context("the answer counts no users");
    let (users, connections) = (count("users")?, count("connections")?);
    if args.dry_run {
        return show_dry_run(args, &run, users, connections);
    }
    let targets = targets(users, connections);
    if users > 0 && !args.yes {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            bail!(CliError::Usage(format!("taking {targets} offline needs --yes without a terminal")));
        }
        let question = format!("Take {targets} offline, at {}? [y/N] ", server.url());
        if !agreed(&question, &mut std::io::stdin().lock(), &mut std::io::stderr())? {
            bail!(CliError::Negative("nothing was done".to_owned()));
        }
    }
    let receipt = run.get("receipt").cloned().context("the answer holds no receipt")?;
    let given = server.admin(ORDERS, &with(&body, "receipt", receipt))?;
    let order = follow(server, given, tenant_of(&run))?;
    if args.call.json {
        return Ok(print_json(&order)?);
    }
    let id = text(&order, "id").unwrap_or("-");
    Ok(print_line(&format!("{targets} are offline, by the order {id}"))?)
}

/// The connections are those that match: of a user who is selected by one that has ended, there may be none.
fn targets(users: u64, connections: u64) -> String {
    format!("{users} users with {connections} matching connections")
}

fn tenant_of(document: &Value) -> Option<i64> {
    text(document, "tenantId").and_then(|tenant| tenant.parse().ok())
}

fn show_dry_run(args: &Kick, run: &Value, users: u64, connections: u64) -> anyhow::Result<()> {
    if args.call.json {
        return Ok(print_json(run)?);
    }
    print_line(&format!("{} would be taken offline", targets(users, connections)))?;
    let first = run.get("firstUsers").and_then(Value::as_array).into_iter().flatten();
    let first: Vec<&str> = first.filter_map(Value::as_str).collect();
    if !first.is_empty() {
        let more = users.saturating_sub(first.len() as u64);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        print_line(&sanitize(&format!("{}{rest}", first.join(", ")), None))?;
    }
    Ok(())
}

/// Watches an order until it has come to all of its users. It goes on without us.
fn follow(server: &Server, mut order: Value, tenant: Option<i64>) -> anyhow::Result<Value> {
    let id = text(&order, "id").context("the answer is no order")?.to_owned();
    let path = match tenant {
        Some(tenant) => format!("{ORDERS}/{id}?tenantId={tenant}"),
        None => format!("{ORDERS}/{id}"),
    };
    let counted = |order: &Value, name: &str| order.get(name).and_then(Value::as_u64).unwrap_or(0);
    let bar = ProgressBar::new(counted(&order, "users"));
    let bar = match ProgressStyle::with_template("{wide_bar} {pos}/{len} users {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    loop {
        let (users, reached) = (counted(&order, "users"), counted(&order, "reached"));
        bar.set_position(reached);
        if reached >= users && text(&order, "state") == Some("cutOff") {
            bar.finish_and_clear();
            return Ok(order);
        }
        thread::sleep(LOOK);
        order = server.admin_get(&path, None)?;
    }
}

/// The order that the arguments make.
pub(super) fn body(args: &Kick) -> Value {
    let mut select = Map::new();
    if !args.users.is_empty() {
        select.insert("userIds".to_owned(), json!(args.users));
    }
    if !args.filters.is_empty() {
        select.insert("filters".to_owned(), args.filters.iter().map(super::ls::Filter::json).collect());
    }
    let mut body = Map::new();
    if let Some(platform) = args.platform {
        select.insert("platforms".to_owned(), json!([platform.number()]));
        body.insert("scope".to_owned(), json!("connection"));
    }
    body.insert("select".to_owned(), Value::Object(select));
    body.extend(args.tenant.map(|tenant| ("tenantId".to_owned(), json!(tenant.to_string()))));
    body.extend(args.reason.as_ref().map(|reason| ("reason".to_owned(), json!(reason))));
    body.extend(args.deny.map(|seconds| ("denySeconds".to_owned(), json!(seconds))));
    Value::Object(body)
}

fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    body
}
