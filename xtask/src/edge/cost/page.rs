//! `docs/edge-cost.md`.

use super::{
    BOUND, Model,
    bill::{self, Bill, Prices, amount, dollars},
    counters::{Counters, Operation},
    scale,
};

/// Ten times the users of the model, with a directory that was made for them.
const TIMES: f64 = 10.0;

/// The page.
pub(super) fn of(model: &Model, counters: &Counters, prices: &Prices) -> String {
    let always = Model { hours: 12.0, ..model.clone() };
    let big = Model {
        users: TIMES * model.users,
        status: TIMES * model.status,
        isolates: TIMES * model.isolates,
        shards: 4.0 * model.shards,
        ..model.clone()
    };
    let sections = [
        HEAD.to_owned(),
        operations(counters),
        MODEL.to_owned(),
        Bill::of(model, counters, prices).table(),
        always_open(model, &always, |model| Bill::of(model, counters, prices)),
        Bill::of(&always, counters, prices).table(),
        BIG.to_owned(),
        scale::section(&big, counters),
        "\n".to_owned(),
        Bill::of(&big, counters, prices).table(),
        NOTES.to_owned(),
    ];
    sections.concat()
}

const HEAD: &str = "\
# What the edge costs

<!-- Written by `cargo xtask edge cost --write`; do not edit. -->

The bill of a month on Cloudflare's paid plan, computed from what the tests count on the local runtime. Other numbers:
`cargo xtask edge cost --users 200000 --connects 5`, and `--help` for all of the model.

## Operations

Rows read and written as the runtime's cursors tell, a set alarm counted as one row written, and requests to objects. Each operation
finds its user's object after hibernation; the user has 60 kicked tokens that have not expired. An edge-only test fails when an operation
costs more than `tests/edge_counters.toml` records; `rollcall-conformance edge-only --record` writes that file.

";

const MODEL: &str = "
## The bill

A million users a day, each with two connects of an hour and one token; ten status calls a second about 100 users each. Prices of
November 2026 (`xtask/src/edge/cost/prices.toml`; `--prices FILE` takes others). Each answer is a line of the log. [E] marks lines that
rest on an estimate: times and sizes are not counted, and flags change them.

";

const BIG: &str = "
## Ten million users, on paper

No test runs at this size. The numbers follow from the operations above, with ten times the status calls, and a busiest hour four
times as busy as the day.

";

const NOTES: &str = "
An order is in force for every answer one second after it is durable, however many users it covers; what takes longer is its delivery,
the frames and closes of sockets. A delivery asks 48 users at a time in each shard; 0.1 s for each of them is an estimate.

Nobody is logged out by force in these models (`--logouts`). An entry of the audit is read twice a day besides, by the count of those
that are too many: the 10 M that a tenant keeps at most come to 600 M rows read a month, which cost $0.60 above what is included.
";

/// Why connections that stay open cost more.
fn always_open(model: &Model, always: &Model, bill: impl Fn(&Model) -> Bill) -> String {
    let costs = |model: &Model| bill(model).modelled();
    let rarer = Model { audit_seconds: 2.0 * always.audit_seconds, ..always.clone() };
    let [few, many] = [model, always].map(|model| amount(bill::live(model)));
    let [more, less] = [costs(always) - costs(model), costs(always) - costs(&rarer)].map(dollars);
    format!(
        "\n### Sockets always open\n\n\
         The same users with two connections that stay open for {} h each: {many} at the same time in place of {few}. They cost ${more} more\n\
         than those above, for which ${} is the bound. A hibernating connection costs nothing itself, but an audit compares every live record\n\
         with its user twice in `presence.audit_seconds` ({}), and each comparison is a request to an object. With twice the seconds the bill\n\
         is ${less} smaller, and what a crash left open may count in totals for twice as long.\n\n",
        always.hours,
        dollars(BOUND),
        model.audit_seconds,
    )
}

fn operations(counters: &Counters) -> String {
    let mut text = String::from(
        "| operation | requests, user's object | shard | rows read, user's object | shard | rows written, user's object | shard |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
    );
    let rows = [
        ("first token of a user, with its tables", &counters.first_write),
        ("token", &counters.token),
        ("connect", &counters.connect),
        ("natural end, with the grace period's alarm", &counters.end),
        ("forced logout of a platform with one token", &counters.forced_logout),
        ("order to a user that ends nothing, with the alarm of its entry", &counters.order_alone),
        ("status of one user", &counters.status),
        ("comparison of a live record with its user", &counters.check),
    ];
    for (name, Operation { user, shard }) in rows {
        text.push_str(&format!(
            "| {name} | {} | {} | {} | {} | {} | {} |\n",
            user.requests, shard.requests, user.read, shard.read, user.written, shard.written
        ));
    }
    text
}
