//! The text of a scrape: the counters, and the state at that moment.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rollcall_api::{
    RefusedBodies,
    metrics::{CONSOLE, console_protocol, protocol},
};
use rollcall_core::user::{Connection, Console};

use super::{
    counters::Metrics,
    process::Process,
    table::{
        BODIES_REFUSED, BODY_BYTES, COMMIT_FAILURES, CONNECTIONS, DESCRIPTORS, MEMORY, MOST_DESCRIPTORS,
        Metric, PREFIX, STORE_QUEUE, TCP_CONNECTIONS, UNDELIVERED, UNSEEN_USERS, USERS_ONLINE,
    },
};

/// Connections of one kind: platform and protocol.
type Kind = (&'static str, &'static str);

/// Counts of live connections and their users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    kinds: BTreeMap<Kind, i64>,
    users: i64,
}

impl Census {
    /// Adds a user's connections.
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

/// What a scrape reports beside the counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The live connections.
    pub(crate) census: Census,
    /// Open TCP connections.
    pub(crate) tcp_connections: usize,
    /// Commits that wait for the store's writer.
    pub(crate) queued_commits: usize,
    /// Commits that failed since the start.
    pub(crate) commit_failures: u64,
    /// What request bodies hold, in bytes.
    pub(crate) body_bytes: usize,
    /// Requests whose body found no room since the start.
    pub(crate) refused_bodies: RefusedBodies,
    /// Users who were never seen, and whom orders name.
    pub(crate) unseen_users: u64,
    /// Orders whose delivery is under way.
    pub(crate) undelivered: usize,
    /// What the process takes.
    pub(crate) process: Process,
}

/// Writes the text of scrapes.
#[derive(Clone)]
pub(crate) struct Exposition {
    metrics: Metrics,
    /// Looks the state up. A closure, so that metrics depend on nothing that they observe.
    state: Arc<dyn Fn() -> State + Send + Sync>,
}

impl Exposition {
    /// An exposition of `metrics`, and of the state that `state` looks up at each scrape.
    pub(crate) fn new(metrics: Metrics, state: impl Fn() -> State + Send + Sync + 'static) -> Self {
        Self { metrics, state: Arc::new(state) }
    }

    /// The text of one scrape. With very many connections this takes some milliseconds.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        self.metrics.register(&mut registry);
        registry.register_collector(Box::new((self.state)()));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        connections(&self.census, &mut encoder)?;
        refused_bodies(self.refused_bodies, &mut encoder)?;
        single(&BODY_BYTES, &gauge(self.body_bytes), &mut encoder)?;
        single(&USERS_ONLINE, &ConstGauge::new(self.census.users), &mut encoder)?;
        single(&TCP_CONNECTIONS, &gauge(self.tcp_connections), &mut encoder)?;
        single(&STORE_QUEUE, &gauge(self.queued_commits), &mut encoder)?;
        single(&UNSEEN_USERS, &gauge(self.unseen_users), &mut encoder)?;
        single(&UNDELIVERED, &gauge(self.undelivered), &mut encoder)?;
        let Process { memory_bytes, descriptors, most_descriptors } = self.process;
        for (metric, figure) in
            [(&MEMORY, memory_bytes), (&DESCRIPTORS, descriptors), (&MOST_DESCRIPTORS, most_descriptors)]
        {
            if let Some(figure) = figure {
                single(metric, &gauge(figure), &mut encoder)?;
            }
        }
        single(&COMMIT_FAILURES, &ConstCounter::new(self.commit_failures), &mut encoder)
    }
}

fn gauge(count: impl TryInto<i64>) -> ConstGauge {
    ConstGauge::new(count.try_into().unwrap_or(i64::MAX))
}

fn single(metric: &Metric, figure: &impl EncodeMetric, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    figure.encode(encoder.encode_descriptor(metric.bare_name(), &help(metric), None, figure.metric_type())?)
}

/// The help text in the form of the registry, which adds a full stop.
fn help(metric: &Metric) -> String {
    format!("{}.", metric.meaning)
}

fn connections(census: &Census, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = ConstGauge::new(0).metric_type();
    let mut family = encoder.encode_descriptor(CONNECTIONS.bare_name(), &help(&CONNECTIONS), None, kind)?;
    for ((platform, protocol), count) in &census.kinds {
        let labels = [("platform", *platform), ("protocol", *protocol)];
        ConstGauge::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn refused_bodies(refused: RefusedBodies, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = ConstCounter::new(0_u64).metric_type();
    let name = BODIES_REFUSED.bare_name();
    let mut family = encoder.encode_descriptor(name, &help(&BODIES_REFUSED), None, kind)?;
    let RefusedBodies { strangers, users, administrators } = refused;
    for (caller, count) in [("stranger", strangers), ("user", users), ("administrator", administrators)] {
        ConstCounter::new(count).encode(family.encode_family(&[("caller", caller)])?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use rollcall_api::metrics::{CloseReason, ConnectionLimit, KickCause};

    use super::{super::table::METRICS, *};

    /// A scrape after one event of every kind.
    fn eventful() -> String {
        let metrics = Metrics::new(true);
        metrics.connected("json");
        metrics.closed(CloseReason::IdleTimeout);
        metrics.kicked(KickCause::Order);
        metrics.refused("1503");
        metrics.answered("/health", 200, Duration::from_millis(1));
        metrics.committed(Duration::from_millis(1));
        metrics.dropped(1);
        metrics.accepted();
        metrics.rejected(ConnectionLimit::PerAddress);
        metrics.panicked();
        metrics.forgot_unseen(1);
        let census = Census { kinds: [(("Web", "json"), 1)].into(), users: 1 };
        let process = Process { memory_bytes: Some(1), descriptors: Some(1), most_descriptors: Some(1) };
        let state = move || State { census: census.clone(), tcp_connections: 1, process, ..State::default() };
        Exposition::new(metrics, state).text().unwrap()
    }

    #[test]
    fn everything_in_the_table_is_scraped_and_nothing_else() {
        let text = eventful();
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
        let text = eventful();
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
