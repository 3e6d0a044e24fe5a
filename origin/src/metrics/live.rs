//! What is looked up when somebody asks, and the whole text that is answered.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rollcall_core::{
    gateway::{Encoding, Wire},
    user::{Connection, Console},
};

use super::table::{
    COMMIT_FAILURES, CONNECTIONS, Metric, PREFIX, STORE_QUEUE, TCP_CONNECTIONS, USERS_ONLINE,
};
use crate::users::Users;

/// Everything that [`protocol`] says.
pub(super) const PROTOCOLS: [&str; 6] = ["gob", "gob_gzip", "json", "json_gzip", "stomp", "text"];
/// A console's platform: OpenIM's platforms do not know consoles.
const CONSOLE: &str = "console";

/// Connections of one kind: platform and protocol.
type Kind = (&'static str, &'static str);

/// What a connection speaks, as a label.
pub(crate) const fn protocol(wire: Wire) -> &'static str {
    match (wire.encoding, wire.gzip) {
        (Encoding::Gob, false) => "gob",
        (Encoding::Gob, true) => "gob_gzip",
        (Encoding::Json, false) => "json",
        (Encoding::Json, true) => "json_gzip",
    }
}

/// What a console speaks, as a label.
pub(crate) const fn console_protocol(console: &Console) -> &'static str {
    if console.session.is_some() { "stomp" } else { "text" }
}

/// Counts what is live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    kinds: BTreeMap<Kind, i64>,
    users: i64,
}

impl Census {
    /// Takes in a user's connections.
    pub(crate) fn take<'a>(
        &mut self,
        connections: impl Iterator<Item = &'a Connection>,
        consoles: impl Iterator<Item = &'a Console>,
    ) {
        let connections = connections.map(|one| (one.token.platform.name(), protocol(one.wire)));
        let consoles = consoles.map(|one| (CONSOLE, console_protocol(one)));
        let mut online = false;
        for kind in connections.chain(consoles) {
            *self.kinds.entry(kind).or_default() += 1;
            online = true;
        }
        self.users += i64::from(online);
    }
}

/// What is there to be looked up.
#[derive(Clone)]
pub(crate) struct Live {
    users: Users,
    tcp_connections: std::sync::Arc<dyn Fn() -> usize + Send + Sync>,
}

impl Live {
    /// Of these users, and of as many TCP connections as the function says.
    pub(crate) fn new(users: Users, tcp_connections: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self { users, tcp_connections: std::sync::Arc::new(tcp_connections) }
    }

    /// Everything as it is scraped; takes some milliseconds when very many are connected.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        if let Some(figures) = &self.users.metrics().figures {
            figures.register(&mut registry);
        }
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Collector for Live {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let census = self.users.census();
        let store = self.users.store();
        connections(&census, &mut encoder)?;
        single(&USERS_ONLINE, &ConstGauge::new(census.users), &mut encoder)?;
        single(&TCP_CONNECTIONS, &gauge((self.tcp_connections)()), &mut encoder)?;
        single(&STORE_QUEUE, &gauge(store.queued()), &mut encoder)?;
        single(&COMMIT_FAILURES, &ConstCounter::new(store.condition().failures()), &mut encoder)
    }
}

fn gauge(count: usize) -> ConstGauge {
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
}

fn single(metric: &Metric, figure: &impl EncodeMetric, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    figure.encode(encoder.encode_descriptor(metric.bare(), &help(metric), None, figure.metric_type())?)
}

/// As a registry writes it for what it holds itself.
fn help(metric: &Metric) -> String {
    format!("{}.", metric.meaning)
}

fn connections(census: &Census, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = ConstGauge::new(0).metric_type();
    let mut family = encoder.encode_descriptor(CONNECTIONS.bare(), &help(&CONNECTIONS), None, kind)?;
    for ((platform, protocol), count) in &census.kinds {
        let labels = [("platform", *platform), ("protocol", *protocol)];
        ConstGauge::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use rollcall_core::{config::Settings, secret::Secret};

    use super::{
        super::{CloseReason, ConnectionLimit, Kick, METRICS},
        *,
    };
    use crate::server;

    /// Those of a server to which everything has happened that can be counted.
    fn eventful(home: &tempfile::TempDir) -> Live {
        let mut settings = Settings::default();
        settings.auth.secret = Some(Secret::from("0123456789abcdef0123456789abcdef"));
        settings.server.metrics_listen = Some("127.0.0.1:0".to_owned());
        let users = server::open(settings, home.path()).unwrap();
        let metrics = users.metrics();
        metrics.connected("json");
        metrics.closed(CloseReason::IdleTimeout);
        metrics.kicked(Kick::Order);
        metrics.refused("1503");
        metrics.answered("/health", 200, Duration::from_millis(1));
        metrics.committed(Duration::from_millis(1));
        metrics.dropped(1);
        metrics.accepted();
        metrics.rejected(ConnectionLimit::PerAddress);
        metrics.panicked();
        Live::new(users, || 1)
    }

    #[test]
    fn everything_in_the_table_is_scraped_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let text = eventful(&home).text().unwrap();
        let scraped: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let known: Vec<_> = METRICS.iter().map(|metric| format!("{} {}", metric.name, metric.kind)).collect();
        assert_eq!(scraped, known.iter().map(String::as_str).collect());
        for metric in METRICS {
            let help = format!("# HELP {} {}.", metric.name, metric.meaning);
            assert!(text.lines().any(|line| line == help), "{help} is not in\n{text}");
        }
    }

    #[test]
    fn every_series_has_the_labels_of_its_metric() {
        let home = tempfile::tempdir().unwrap();
        let text = eventful(&home).text().unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
            let labels: Vec<_> = labels.filter(|label| *label != "le").collect();
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
            let is_it = |metric: &&Metric| metric.name == name || Some(metric.name) == of_histogram;
            let metric = METRICS.iter().find(is_it).unwrap_or_else(|| panic!("{line} is in no table"));
            assert_eq!(labels, metric.labels, "{line}");
        }
    }
}
