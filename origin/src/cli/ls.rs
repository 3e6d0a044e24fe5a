//! `rollcall ls`: connections that are or were, of the message center's list.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use rollcall_core::{
    config::Settings,
    directory::{
        filter::{FILTERS_LIMIT, Key, Operator},
        query::OrderBy,
    },
};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server, text},
    exit,
    output::print_json,
    table::Table,
};

pub(super) const LIST: &str = "/api/v1/message/center/online";
/// The largest page that a server gives.
pub(super) const PAGE_LIMIT: u32 = 2_000;
const PAGES_LIMIT: u32 = 100_000;

const TITLES: [&str; 7] = ["USER", "NAME", "SINCE", "UNTIL", "ADDRESS", "DEVICE", "AGENT"];

const EXAMPLES: &str = "\
Examples:
  rollcall ls --online
  rollcall ls --filter 'fullName MATCH zhang' --order-by onlineDate --limit 50
  rollcall ls --filter 'userId IN 101,102' --filter 'offlineDate GREATER_THAN 2026-11-26 08:00:00'
  rollcall ls --offline --all --json > ended.json

A filter is 'KEY OPERATOR VALUE'; several are joined by AND.
  keys       userId fullName deviceId remoteAddress online onlineDate offlineDate
  operators  EQUAL NOT_EQUAL MATCH NOT_MATCH (contains) MATCH_END NOT_MATCH_END (begins with) IN NOT_IN (a,b,c)
             GREATER_THAN GREATER_THAN_EQUAL LESS_THAN LESS_THAN_EQUAL IS_NULL IS_NOT_NULL (without a value)
Texts have no ranges, numbers and dates no MATCH. Dates are in the server's message_center.time_zone.

--json prints {\"list\":[…],\"total\":N}: the records as the server has them (numbers of 64 bits are texts) and the number of
all that match, whatever the page.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Ls {
    /// Connections that are live
    #[arg(long, conflicts_with = "offline")]
    online: bool,
    /// Connections that have ended
    #[arg(long)]
    offline: bool,
    /// Of this tenant; of the token's own if left out. Only an operator's token may name another
    #[arg(long, value_name = "TENANT")]
    tenant: Option<i64>,
    /// 'KEY OPERATOR VALUE', such as 'fullName MATCH zhang'; up to 20 times
    #[arg(long = "filter", value_name = "FILTER", value_parser = Filter::parse)]
    filters: Vec<Filter>,
    /// The column to sort by: id, userId, fullName, onlineDate or offlineDate
    #[arg(long, value_name = "COLUMN", value_parser = order_by, default_value = "id")]
    order_by: OrderBy,
    /// The direction
    #[arg(long, value_enum, default_value_t = Sort::Desc)]
    sort: Sort,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGE_LIMIT)))]
    limit: u32,
    /// Which page of so many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(PAGES_LIMIT)))]
    page: u32,
    /// Every page. While connections come and go, a record may be missed or seen twice
    #[arg(long, conflicts_with_all = ["limit", "page"])]
    all: bool,
    #[command(flatten)]
    call: CallArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sort {
    /// Lowest first
    Asc,
    /// Highest first
    Desc,
}

/// One question of the message center's list (`docs/rules/message-center.md#filters`).
#[derive(Clone, Debug)]
pub(super) struct Filter {
    key: Key,
    operator: Operator,
    value: String,
}

impl Filter {
    /// Reads `KEY OPERATOR VALUE`; the value is what follows, blanks inside it included.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (key, rest) = word(text);
        let (operator, value) = word(rest);
        let key = Key::from_name(key).ok_or_else(|| unknown("key", key, Key::ALL.map(Key::name)))?;
        let operator = Operator::from_name(operator)
            .ok_or_else(|| unknown("operator", operator, Operator::ALL.map(Operator::name)))?;
        if operator.needs_value() && value.is_empty() {
            return Err(format!("{} needs a value: '{} {0} VALUE'", operator.name(), key.name()));
        }
        Ok(Self { key, operator, value: value.to_owned() })
    }

    /// The filter as a member of a selection.
    pub(super) fn json(&self) -> Value {
        let (key, op) = (self.key.name(), self.operator.name());
        if self.operator.needs_value() {
            json!({"key": key, "op": op, "value": self.value})
        } else {
            json!({"key": key, "op": op})
        }
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn unknown<const N: usize>(what: &str, given: &str, good: [&str; N]) -> String {
    format!(
        "{given:?} is no {what}; a filter is 'KEY OPERATOR VALUE', and the {what}s are {}",
        good.join(", ")
    )
}

fn order_by(text: &str) -> Result<OrderBy, String> {
    OrderBy::from_name(text).ok_or_else(|| format!("expected {}", OrderBy::ALL.map(OrderBy::name).join(", ")))
}

pub(super) fn ls(settings: &Settings, args: &Ls) -> anyhow::Result<()> {
    if args.filters.len() > FILTERS_LIMIT {
        anyhow::bail!(exit::CliError::Usage(format!("at most {FILTERS_LIMIT} filters")));
    }
    let server = args.call.server(settings)?;
    let (size, first) = if args.all { (PAGE_LIMIT, 1) } else { (args.limit, args.page) };
    let page = Page::ask(&server, args, size, first)?;
    match (args.all, args.call.json) {
        (false, true) => Ok(print_json(&json!({"list": page.list, "total": page.total}))?),
        (false, false) => Ok(table(&page.list, true).print()?),
        (true, json) => all(&server, args, page, json),
    }
}

/// Prints page after page, so that no more than one is held.
fn all(server: &Server, args: &Ls, mut page: Page, json: bool) -> anyhow::Result<()> {
    let (mut number, total) = (1, page.total);
    let mut out = std::io::stdout();
    if json {
        write!(out, "{{\"list\":[")?;
    }
    loop {
        if json {
            for (place, record) in page.list.iter().enumerate() {
                let comma = if number == 1 && place == 0 { "" } else { "," };
                write!(out, "{comma}{record}")?;
            }
        } else {
            table(&page.list, number == 1).print()?;
        }
        if page.list.len() < PAGE_LIMIT as usize || number == PAGES_LIMIT {
            break;
        }
        number += 1;
        page = Page::ask(server, args, PAGE_LIMIT, number)?;
    }
    if json {
        writeln!(out, "],\"total\":{total}}}")?;
    }
    Ok(())
}

fn table(records: &[Value], titled: bool) -> Table {
    let mut table = if titled { Table::of(&TITLES) } else { Table::untitled() };
    for record in records {
        let columns =
            ["userId", "fullName", "onlineDate", "offlineDate", "remoteAddress", "deviceId", "userAgent"];
        table.row(columns.map(|name| text(record, name).unwrap_or("-")));
    }
    table
}

struct Page {
    list: Vec<Value>,
    total: u64,
}

impl Page {
    fn ask(server: &Server, args: &Ls, size: u32, number: u32) -> anyhow::Result<Self> {
        let mut data = server.console(&format!("{LIST}?{}", query(args, size, number)), args.tenant)?;
        let total = text(&data, "total").and_then(|total| total.parse().ok());
        let list = data.get_mut("list").map(Value::take);
        match (total, list) {
            (Some(total), Some(Value::Array(list))) => Ok(Self { list, total }),
            _ => None.context("the answer holds no list of records"),
        }
    }
}

fn query(args: &Ls, size: u32, number: u32) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("pageNo", &number.to_string()).append_pair("pageSize", &size.to_string());
    query.append_pair("orderBy", args.order_by.name());
    query.append_pair("orderSort", if matches!(args.sort, Sort::Asc) { "ASC" } else { "DESC" });
    if args.online || args.offline {
        query.append_pair("online", if args.online { "true" } else { "false" });
    }
    for (index, Filter { key, operator, value }) in args.filters.iter().enumerate() {
        query.append_pair(&format!("filters[{index}].key"), key.name());
        query.append_pair(&format!("filters[{index}].op"), operator.name());
        query.append_pair(&format!("filters[{index}].value"), value);
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_key_an_operator_and_all_that_follows() {
        let filter = Filter::parse("fullName  MATCH  zhang san").unwrap();
        assert_eq!(
            (filter.key, filter.operator, filter.value.as_str()),
            (Key::FullName, Operator::Match, "zhang san")
        );
        assert!(Filter::parse("offlineDate IS_NULL").is_ok());
    }

    #[test]
    fn a_wrong_filter_is_answered_with_the_right_words() {
        assert!(Filter::parse("name MATCH x").unwrap_err().contains("userId, fullName, deviceId"));
        assert!(Filter::parse("fullName LIKE x").unwrap_err().contains("EQUAL, NOT_EQUAL, MATCH"));
        assert_eq!(
            Filter::parse("fullName MATCH").unwrap_err(),
            "MATCH needs a value: 'fullName MATCH VALUE'"
        );
    }
}
