//! A month's bill.

use anyhow::Result;
use serde::Deserialize;

use super::{
    Model,
    counters::{Count, Counters, Operation},
};

/// Days of a month.
pub(super) const DAYS: f64 = 30.0;
/// Seconds of a day.
pub(super) const DAY: f64 = 86_400.0;
/// GB of an object in memory.
const OBJECT_GB: f64 = 0.128;
/// Messages of a socket that are billed as one request.
const MESSAGES: f64 = 20.0;
const MILLION: f64 = 1e6;

/// The price of a million, above what is included.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    per_million: f64,
    included_millions: f64,
}

/// Prices of a plan.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    /// The plan itself, a month.
    pub(super) month: f64,
    worker_requests: Price,
    worker_cpu_ms: Price,
    object_requests: Price,
    object_gb_seconds: Price,
    rows_read: Price,
    rows_written: Price,
    stored_gb: Price,
    log_lines: Price,
}

impl Prices {
    /// Reads a file of prices.
    pub(super) fn read(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }
}

/// A kind of what is billed.
struct Line {
    name: &'static str,
    /// A month's number.
    number: f64,
    /// Of it, what history outside of the objects would save.
    history: f64,
    price: Price,
}

/// What is billed beside the model's own operations, and how much of it there is.
struct Besides {
    name: &'static str,
    rows_written: f64,
    price: Price,
    /// Whether it goes with history.
    is_history: bool,
}

/// A month's bill.
pub(super) struct Bill {
    month: f64,
    lines: Vec<Line>,
    besides: Vec<Besides>,
}

/// How often each operation happens in a month.
struct Month {
    connects: f64,
    tokens: f64,
    logouts: f64,
    statuses: f64,
    checks: f64,
    cutoffs: f64,
}

impl Month {
    fn of(model: &Model) -> Self {
        let daily = model.users * DAYS;
        let seconds = DAYS * DAY;
        // A round of the audit takes half of the configured time.
        let rounds = seconds / (model.audit_seconds / 2.0);
        let asked_a_second =
            model.status + (model.connects + model.tokens + model.logouts) * model.users / DAY;
        Self {
            connects: model.connects * daily,
            tokens: model.tokens * daily,
            logouts: model.logouts * daily,
            statuses: model.status * model.status_users * seconds,
            checks: live(model) * rounds,
            cutoffs: asked_a_second.min(model.isolates) * seconds,
        }
    }

    fn sum(&self, counters: &Counters, part: impl Fn(Count) -> f64) -> f64 {
        let of = |times: f64, operation: &Operation| times * part(operation.both());
        // An audit asks the user alone; the shard reads each record once.
        let check = part(counters.check.user);
        of(self.connects, &counters.connect)
            + of(self.connects, &counters.end)
            + of(self.tokens, &counters.token)
            + of(self.logouts, &counters.forced_logout)
            + of(self.statuses, &counters.status)
            + self.checks * check
    }
}

/// Connections that are open at the same time.
pub(super) fn live(model: &Model) -> f64 {
    model.users * model.connects * (model.hours / 24.0)
}

/// Records that a directory keeps.
pub(super) fn kept(model: &Model) -> f64 {
    model.users * model.connects * model.retention_days
}

/// Entries of the audit that are kept: each forced logout leaves one.
fn audited(model: &Model) -> f64 {
    (model.users * model.logouts * model.audit_retention_days).min(model.audit_max_rows)
}

impl Bill {
    /// The bill of a model.
    pub(super) fn of(model: &Model, counters: &Counters, prices: &Prices) -> Self {
        let month = Month::of(model);
        let object_requests = month.sum(counters, |count| count.requests)
            + month.cutoffs
            + month.connects * model.messages / MESSAGES;
        let status_calls = month.statuses / model.status_users.max(1.0);
        let entry = status_calls + month.connects + month.tokens + month.logouts;
        let cpu = entry * model.entry_ms + month.statuses * model.entry_ms / 5.0 / 10.0;
        // The sweep's daily walk reads every record, and an audit every live one.
        // Those of the audit are counted once a day, in steps: the statement that finds the end of a step reads its rows first.
        let swept = kept(model) * DAYS + month.checks + 2.0 * audited(model) * DAYS;
        let history_gb = kept(model) * model.record_bytes / 1e9;
        // Of an end the shard would only delete its live row.
        let ends = month.connects * (counters.end.shard.written - 1.0);
        let line = |name, number, history, price| Line { name, number, history, price };
        let lines = vec![
            line("requests to the entry", entry, 0.0, prices.worker_requests),
            line("ms of the entry's processor time [E]", cpu, 0.0, prices.worker_cpu_ms),
            line("requests to objects", object_requests, 0.0, prices.object_requests),
            line(
                "GB-s of objects [E]",
                object_requests * model.call_ms / 1e3 * OBJECT_GB,
                0.0,
                prices.object_gb_seconds,
            ),
            line(
                "rows read",
                month.sum(counters, |count| count.read) + swept,
                kept(model) * DAYS,
                prices.rows_read,
            ),
            line("rows written", month.sum(counters, |count| count.written), ends, prices.rows_written),
            line("lines of the log", entry * model.logged, 0.0, prices.log_lines),
            line(
                "GB stored [E]",
                history_gb + model.users * model.user_bytes / 1e9,
                history_gb,
                prices.stored_gb,
            ),
        ];
        let price = Price { included_millions: 0.0, ..prices.rows_written };
        let besides = vec![
            Besides {
                name: "records that are old are deleted, 1 row each",
                rows_written: month.connects,
                price,
                is_history: true,
            },
            Besides {
                name: "tokens that have expired are deleted: the row, the user's own and the alarm",
                rows_written: month.tokens * 3.0,
                price,
                is_history: false,
            },
            Besides {
                name: "each million of new users: their tables",
                rows_written: MILLION * (counters.first_write.both().written - counters.token.both().written),
                price,
                is_history: false,
            },
        ];
        Self { month: prices.month, lines, besides }
    }

    /// The sum of the model's lines, the plan included.
    pub(super) fn modelled(&self) -> f64 {
        self.month + self.lines.iter().map(|line| line.price.of(line.number)).sum::<f64>()
    }

    /// The number of a line.
    #[cfg(test)]
    pub(super) fn number(&self, name: &str) -> f64 {
        self.lines.iter().filter(|line| line.name == name).map(|line| line.number).sum()
    }

    /// What history outside of the objects would save of the lines.
    fn saved(&self) -> f64 {
        self.lines.iter().map(Line::saved).sum()
    }

    /// The lines and what comes besides, as tables.
    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "| a month | number | $ | history outside the objects saves $ |\n|---|---:|---:|---:|\n",
        );
        text.push_str(&format!("| the plan | | {} | |\n", dollars(self.month)));
        for line in &self.lines {
            let (number, price) = (amount(line.number), dollars(line.price.of(line.number)));
            text.push_str(&format!("| {} | {number} | {price} | {} |\n", line.name, saving(line.saved())));
        }
        let (sum, saved) = (dollars(self.modelled()), dollars(self.saved()));
        text.push_str(&format!("| **sum** | | **{sum}** | **{saved}** |\n\n"));
        text.push_str(
            "| besides, rows written | number | $ | history outside saves $ |\n|---|---:|---:|---:|\n",
        );
        for more in &self.besides {
            let price = more.price.of(more.rows_written);
            let saved = saving(if more.is_history { price } else { 0.0 });
            let number = amount(more.rows_written);
            text.push_str(&format!("| {} | {number} | {} | {saved} |\n", more.name, dollars(price)));
        }
        text
    }
}

impl Line {
    fn saved(&self) -> f64 {
        self.price.of(self.number) - self.price.of(self.number - self.history)
    }
}

impl Price {
    fn of(self, number: f64) -> f64 {
        (number / MILLION - self.included_millions).max(0.0) * self.per_million
    }
}

/// A sum to the dollar.
pub(super) fn dollars(sum: f64) -> String {
    format!("{sum:.0}")
}

fn saving(sum: f64) -> String {
    if sum < 0.5 { String::new() } else { dollars(sum) }
}

/// A number to three digits with its unit of thousands.
pub(super) fn amount(number: f64) -> String {
    let (scaled, unit) = [(1e9, " G"), (1e6, " M"), (1e3, " k")]
        .into_iter()
        .find(|(unit, _)| number >= *unit)
        .map_or((number, ""), |(scale, unit)| (number / scale, unit));
    let digits = if scaled >= 100.0 { 0 } else { usize::from(scaled < 10.0) + 1 };
    let text = format!("{scaled:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}
