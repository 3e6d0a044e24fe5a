//! `rollcall orders`: orders to selections, and how far they are.

use anyhow::Context as _;
use clap::Args;
use rollcall_core::{audit::EntryId, config::Settings};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit,
    output::print_json,
    selection::ORDERS,
    table::Table,
};

/// Orders of one page, as many as a server gives.
const PAGE: u32 = 100;

const TITLES: [&str; 10] =
    ["ID", "AT", "BY", "SCOPE", "STATE", "USERS", "REACHED", "CONNECTIONS", "DENIED UNTIL", "REASON"];

const EXAMPLES: &str = "\
Examples:
  rollcall orders
  rollcall orders 0197dd1b5c000123456789abcdef0123
  rollcall orders --limit 20 --json | jq '.list[].state'

Orders to selections: those of `rollcall kick --filter` and of POST /admin/v1/force-offs, the newest first. All orders are in
`rollcall audit`.
  STATE    cutOff: no reader shows any more what it took; ordered: it goes on
  REACHED  users who have got their frames and closes; of one order, UNREACHED names the first 20 of the others
Needs a token that may read.

--json prints {\"list\":[…],\"next\":\"…\"}, or the one order.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Orders {
    /// One order, by its id
    #[arg(value_name = "ID")]
    id: Option<EntryId>,
    /// Of this tenant; of the token's own if left out. Only an operator's token may name another
    #[arg(long, value_name = "TENANT")]
    tenant: Option<i64>,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Only those before this one, by its id: the `next` of a --json before
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    before: Option<EntryId>,
    #[command(flatten)]
    call: CallArgs,
}

pub(super) fn orders(settings: &Settings, args: &Orders) -> anyhow::Result<()> {
    let server = args.call.server(settings)?;
    if let Some(id) = args.id {
        let order = server.admin_get(&format!("{ORDERS}/{id}"), args.tenant)?;
        if args.call.json {
            return Ok(print_json(&order)?);
        }
        table(std::slice::from_ref(&order)).print()?;
        let unreached = order.get("unreached").and_then(Value::as_array).into_iter().flatten();
        let unreached: Vec<&str> = unreached.filter_map(Value::as_str).collect();
        if !unreached.is_empty() {
            let mut table = Table::of(&["UNREACHED"]);
            unreached.iter().for_each(|user| table.row([*user]));
            table.print()?;
        }
        return Ok(());
    }
    let (mut orders, mut next) = (Vec::new(), args.before.map(|id| id.to_string()));
    loop {
        let left = args.limit.saturating_sub(u32::try_from(orders.len()).unwrap_or(u32::MAX));
        let page = page(&server, args.tenant, left.min(PAGE), next.as_deref())?;
        orders.extend(page.0);
        next = page.1;
        if next.is_none() || orders.len() >= args.limit as usize {
            break;
        }
    }
    if args.call.json {
        let mut all = json!({ "list": orders });
        if let (Some(all), Some(next)) = (all.as_object_mut(), next) {
            all.insert("next".to_owned(), next.into());
        }
        return Ok(print_json(&all)?);
    }
    Ok(table(&orders).print()?)
}

fn page(
    server: &Server,
    tenant: Option<i64>,
    limit: u32,
    before: Option<&str>,
) -> anyhow::Result<(Vec<Value>, Option<String>)> {
    let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
    let mut answer = server.admin_get(&format!("{ORDERS}?limit={limit}{before}"), tenant)?;
    let next = text(&answer, "next").map(str::to_owned);
    match answer.get_mut("list").map(Value::take) {
        Some(Value::Array(orders)) => Ok((orders, next)),
        _ => None.context("the answer holds no orders"),
    }
}

fn table(orders: &[Value]) -> Table {
    let mut table = Table::of(&TITLES);
    for order in orders {
        let of = |name| text(order, name).unwrap_or("-");
        let count = |name| order.get(name).map_or_else(|| "-".to_owned(), Value::to_string);
        table.row([
            of("id"),
            of("at"),
            of("by"),
            of("scope"),
            of("state"),
            &count("users"),
            &count("reached"),
            &count("connections"),
            of("denyUntil"),
            of("reason"),
        ]);
    }
    table
}
