//! Every metric by name. A test compares the table of `docs/operating.md#watch` with this one.

use rollcall_api::metrics as names;

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name as it is scraped.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels, in the order of their exposition.
    pub labels: &'static [&'static str],
    /// Its meaning, with its unit.
    pub meaning: &'static str,
}

/// The prefix of every name.
pub(super) const PREFIX: &str = "rollcall";

const fn metric(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric { name, kind, labels, meaning }
}

pub(super) const CONNECTIONS: Metric =
    metric("rollcall_connections", "gauge", &["platform", "protocol"], "Live connections of users");
pub(super) const USERS_ONLINE: Metric =
    metric("rollcall_users_online", "gauge", &[], "Users who have a live connection");
pub(super) const TCP_CONNECTIONS: Metric =
    metric("rollcall_tcp_connections", "gauge", &[], "Open TCP connections, sockets of users among them");
pub(super) const TCP_ACCEPTED: Metric =
    metric("rollcall_tcp_accepted_total", "counter", &[], "TCP connections that were let in");
pub(super) const TCP_REJECTED: Metric = metric(
    "rollcall_tcp_rejected_total",
    "counter",
    &["bound"],
    "TCP connections above server.max_connections (all) or server.max_connections_per_address (address)",
);
pub(super) const CONNECTS: Metric =
    metric(names::CONNECTS, "counter", &["protocol"], "Connections that became live");
pub(super) const CLOSES: Metric =
    metric(names::CLOSES, "counter", &["reason"], "Sockets of live connections that are gone");
pub(super) const KICKS: Metric = metric(
    names::KICKS,
    "counter",
    &["cause"],
    "Connections that were taken offline by a login or by an order",
);
pub(super) const HANDSHAKE_FAILURES: Metric = metric(
    names::HANDSHAKE_FAILURES,
    "counter",
    &["code"],
    "Upgrades that were refused: errCode of the gateway, eKey of the message center, else the HTTP status",
);
pub(super) const REQUEST_DURATION: Metric = metric(
    names::REQUEST_DURATION,
    "histogram",
    &["route", "status"],
    "From a request's head to its answer, upgrades among them; route is a template, or none",
);
pub(super) const COMMIT_DURATION: Metric = metric(
    "rollcall_store_commit_duration_seconds",
    "histogram",
    &[],
    "From the wish to make a change durable to the store's answer",
);
pub(super) const COMMIT_FAILURES: Metric =
    metric(names::COMMIT_FAILURES, "counter", &[], "Transactions that the store could not commit");
pub(super) const STORE_QUEUE: Metric =
    metric("rollcall_store_queue_commits", "gauge", &[], "Commits that wait for the store's writer");
pub(super) const UNSEEN_USERS: Metric = metric(
    "rollcall_unseen_users",
    "gauge",
    &[],
    "Users who were never seen and have an order kept about them; 1,000,000 at most",
);
pub(super) const UNSEEN_FORGOTTEN: Metric = metric(
    "rollcall_unseen_users_forgotten_total",
    "counter",
    &[],
    "Users who were never seen and whose orders were forgotten early, because newer orders named too many others",
);
pub(super) const UNDELIVERED: Metric = metric(
    "rollcall_orders_undelivered",
    "gauge",
    &[],
    "Orders to whole tenants or many users that are in force and whose sockets are being closed",
);
pub(super) const DROPPED_MESSAGES: Metric = metric(
    "rollcall_dropped_messages_total",
    "counter",
    &[],
    "Messages to clients that were cut because they read too slowly",
);

pub(super) const BODY_BYTES: Metric = metric(
    "rollcall_request_body_bytes",
    "gauge",
    &[],
    "Memory that request bodies hold, in bytes; server.body_budget_bytes at most",
);
pub(super) const BODIES_REFUSED: Metric = metric(
    "rollcall_request_bodies_refused_total",
    "counter",
    &["caller"],
    "Requests that were answered 503 because their body found no room: of a stranger, a user or an administrator",
);

pub(super) const MEMORY: Metric =
    metric("rollcall_memory_bytes", "gauge", &[], "Resident memory of the process, in bytes");
pub(super) const DESCRIPTORS: Metric =
    metric("rollcall_descriptors", "gauge", &[], "Open files and sockets of the process");
pub(super) const MOST_DESCRIPTORS: Metric = metric(
    "rollcall_descriptors_limit",
    "gauge",
    &[],
    "The most files and sockets that the process may open",
);

pub(super) const PANICS: Metric = metric(
    "rollcall_panics_total",
    "counter",
    &[],
    "Requests and sockets whose handler broke; each is a bug",
);

/// Every metric, in the order of the documented table.
pub const METRICS: &[Metric] = &[
    CONNECTIONS,
    USERS_ONLINE,
    CONNECTS,
    CLOSES,
    KICKS,
    HANDSHAKE_FAILURES,
    DROPPED_MESSAGES,
    REQUEST_DURATION,
    BODY_BYTES,
    BODIES_REFUSED,
    COMMIT_DURATION,
    COMMIT_FAILURES,
    STORE_QUEUE,
    UNSEEN_USERS,
    UNSEEN_FORGOTTEN,
    UNDELIVERED,
    TCP_CONNECTIONS,
    TCP_ACCEPTED,
    TCP_REJECTED,
    MEMORY,
    DESCRIPTORS,
    MOST_DESCRIPTORS,
    PANICS,
];

impl Metric {
    /// The name without what the registry adds: the prefix, and the suffix of a counter.
    pub(super) fn bare_name(&self) -> &'static str {
        let name = self.name.strip_prefix(PREFIX).unwrap_or(self.name).trim_start_matches('_');
        name.strip_suffix("_total").unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rollcall_api::metrics::CloseReason;

    use super::*;

    fn row(metric: &Metric) -> String {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |", metric.name, metric.kind, labels.join(", "), metric.meaning)
    }

    /// The page's section about metrics.
    fn watch() -> String {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (_, part) = page.split_once("\n## Watch\n").unwrap();
        part.split("\n## ").next().unwrap().to_owned()
    }

    #[test]
    fn the_documented_table_equals_this_one() {
        let table = METRICS.iter().map(row).collect::<Vec<_>>().join("\n");
        assert!(
            watch().contains(&format!("|\n{table}\n\n")),
            "docs/operating.md must hold this table:\n{table}"
        );
    }

    #[test]
    fn every_metric_that_the_page_names_exists() {
        let part = watch();
        let words = part.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: Vec<_> = words.filter(|word| word.starts_with("rollcall_")).collect();
        assert!(named.len() > METRICS.len(), "{named:?}");
        for name in named {
            let exists = METRICS.iter().any(|metric| match metric.kind {
                "histogram" => {
                    name.strip_prefix(metric.name).is_some_and(|end| matches!(end, "" | "_bucket" | "_count"))
                }
                _ => name == metric.name,
            });
            assert!(exists, "{name}");
        }
    }

    #[test]
    fn every_reason_of_a_close_is_documented() {
        let part = watch();
        let (_, reasons) = part.split_once("| reason | what happened |\n|---|---|\n").unwrap();
        let documented: Vec<_> = reasons
            .lines()
            .map_while(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(reason, _)| reason)
            .collect();
        assert_eq!(documented, CloseReason::ALL.map(CloseReason::label));
    }
}
