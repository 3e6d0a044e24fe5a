//! From two looks at the metrics to what happened between them.

use std::collections::BTreeMap;

use super::scrape::{Scrape, Series};

/// What a counter did in a second, by label.
pub(super) type Rates = BTreeMap<String, f64>;

/// What is shown.
#[derive(Debug, Default, PartialEq)]
pub(super) struct View {
    /// Whether there is an earlier look; else nothing has a rate.
    pub(super) has_rates: bool,
    pub(super) users: f64,
    pub(super) tcp: f64,
    /// Platform, protocol, how many.
    pub(super) connections: Vec<(String, String, f64)>,
    pub(super) connects: Rates,
    pub(super) closes: Rates,
    pub(super) kicks: Rates,
    pub(super) refused: Rates,
    pub(super) dropped: f64,
    /// The busiest first.
    pub(super) routes: Vec<Route>,
    pub(super) commits: Times,
    pub(super) queue: f64,
    pub(super) failures: f64,
    pub(super) panics: f64,
}

/// One route.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Route {
    pub(super) name: String,
    pub(super) times: Times,
    /// Answered with 5xx, per second.
    pub(super) failed: f64,
}

/// How often something was done, and how long it took.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Times {
    pub(super) per_second: f64,
    /// Seconds; `None` where nothing was done.
    pub(super) median: Option<f64>,
    pub(super) p99: Option<f64>,
}

impl View {
    /// Of two looks, or of one, which shows no rates.
    pub(super) fn of(before: Option<&Scrape>, now: &Scrape) -> Self {
        let state =
            |name: &str| total(now.series.iter().filter(|one| one.name == name).map(|one| one.figure));
        let label = |one: &Series, name: &str| one.label(name).unwrap_or_default().to_owned();
        let connections = now.series.iter().filter(|one| one.name == "rollcall_connections");
        let connections =
            connections.map(|one| (label(one, "platform"), label(one, "protocol"), one.figure)).collect();
        let still = Self {
            users: state("rollcall_users_online"),
            tcp: state("rollcall_tcp_connections"),
            connections,
            queue: state("rollcall_store_queue_commits"),
            failures: state("rollcall_store_commit_failures_total"),
            panics: state("rollcall_panics_total"),
            ..Self::default()
        };
        let Some(before) = before else { return still };
        let between = Between::of(before, now);
        let rates = |name: &str, label: &str| between.rates(name, |one| one.label(label).map(str::to_owned));
        Self {
            has_rates: true,
            connects: rates("rollcall_connects_total", "protocol"),
            closes: rates("rollcall_closes_total", "reason"),
            kicks: rates("rollcall_kicks_total", "cause"),
            refused: rates("rollcall_handshake_failures_total", "code"),
            dropped: between.rate("rollcall_dropped_messages_total", |_| true),
            routes: routes(&between),
            commits: between.times("rollcall_store_commit_duration_seconds", |_| true),
            ..still
        }
    }
}

/// What all of them come to; of none a plain 0, where a sum of floats is -0.
pub(super) fn total(figures: impl Iterator<Item = f64>) -> f64 {
    figures.fold(0.0, |all, one| all + one)
}

fn routes(between: &Between) -> Vec<Route> {
    let is_failure = |one: &Series| one.label("status").is_some_and(|status| status.starts_with('5'));
    let names =
        between.rates("rollcall_request_duration_seconds_count", |one| one.label("route").map(str::to_owned));
    let route = |name: String| {
        let is_it = |one: &Series| one.label("route") == Some(&name);
        let times = between.times("rollcall_request_duration_seconds", is_it);
        let failed =
            between.rate("rollcall_request_duration_seconds_count", |one| is_it(one) && is_failure(one));
        Route { times, failed, name }
    };
    let mut routes: Vec<Route> = names.into_keys().map(route).collect();
    routes.sort_by(|one, other| other.times.per_second.total_cmp(&one.times.per_second));
    routes
}

/// What counters went up by.
struct Between {
    seconds: f64,
    grown: Vec<Series>,
}

impl Between {
    fn of(before: &Scrape, now: &Scrape) -> Self {
        let key = |one: &Series| (one.name.clone(), one.labels.clone());
        let known: BTreeMap<_, f64> = before.series.iter().map(|one| (key(one), one.figure)).collect();
        let grown = now.series.iter().map(|one| {
            let before = known.get(&key(one)).copied().unwrap_or(0.0);
            // One that fell began anew: the server was started again.
            let growth = if one.figure < before { one.figure } else { one.figure - before };
            Series { figure: growth, ..one.clone() }
        });
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(f64::EPSILON);
        Self { seconds, grown: grown.collect() }
    }

    /// What every value of a label did in a second; those that did nothing are left out.
    fn rates(&self, name: &str, label: impl Fn(&Series) -> Option<String>) -> Rates {
        let mut rates = Rates::new();
        for one in self.grown.iter().filter(|one| one.name == name && one.figure > 0.0) {
            if let Some(label) = label(one) {
                *rates.entry(label).or_default() += one.figure / self.seconds;
            }
        }
        rates
    }

    fn rate(&self, name: &str, which: impl Fn(&Series) -> bool) -> f64 {
        let grown = self.grown.iter().filter(|one| one.name == name && which(one));
        total(grown.map(|one| one.figure)) / self.seconds
    }

    /// Of a histogram.
    fn times(&self, name: &str, which: impl Fn(&Series) -> bool) -> Times {
        let bucket = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for one in self.grown.iter().filter(|one| one.name == bucket && which(one)) {
            let Some(bound) = one.label("le").and_then(|bound| bound.parse::<f64>().ok()) else { continue };
            match buckets.iter_mut().find(|(other, _)| *other == bound) {
                Some((_, count)) => *count += one.figure,
                None => buckets.push((bound, one.figure)),
            }
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        Times {
            per_second: self.rate(&format!("{name}_count"), which),
            median: quantile(&buckets, 0.5),
            p99: quantile(&buckets, 0.99),
        }
    }
}

/// As Prometheus estimates it: evenly spread within a bucket, and the last bound for what lies above all of them. The buckets
/// hold everything up to their bound.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let all = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = share * all;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank && *count > below {
            return Some(if bound.is_finite() {
                lower + (bound - lower) * (rank - below) / (count - below)
            } else {
                lower
            });
        }
        (lower, below) = (*bound, *count);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn series(name: &str, labels: &[(&str, &str)], figure: f64) -> Series {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Series { name: name.to_owned(), labels, figure }
    }

    fn looks(before: Vec<Series>, now: Vec<Series>) -> View {
        let at = Instant::now();
        let before = Scrape { at, series: before };
        View::of(Some(&before), &Scrape { at: at + Duration::from_secs(2), series: now })
    }

    #[test]
    fn rates_are_of_a_second_and_by_label() {
        let closes = |kicked, left| {
            let name = "rollcall_closes_total";
            vec![
                series(name, &[("reason", "kicked")], kicked),
                series(name, &[("reason", "client_close")], left),
            ]
        };
        let view = looks(closes(10.0, 7.0), closes(13.0, 7.0));
        assert_eq!(view.closes, Rates::from([("kicked".to_owned(), 1.5)]), "what did not happen is left out");
        let view = looks(closes(10.0, 7.0), closes(4.0, 0.0));
        assert_eq!(view.closes, Rates::from([("kicked".to_owned(), 2.0)]), "the server was started again");
        let view = looks(Vec::new(), closes(1.0, 0.0));
        assert_eq!(view.closes, Rates::from([("kicked".to_owned(), 0.5)]), "a series that is new");
    }

    #[test]
    fn a_route_is_one_whatever_its_answers_and_the_busiest_comes_first() {
        let count = |route, status, figure| {
            series("rollcall_request_duration_seconds_count", &[("route", route), ("status", status)], figure)
        };
        let now = vec![count("/a", "200", 2.0), count("/a", "500", 2.0), count("/b", "200", 20.0)];
        let routes = looks(Vec::new(), now).routes;
        let seen: Vec<_> =
            routes.iter().map(|route| (route.name.as_str(), route.times.per_second, route.failed)).collect();
        assert_eq!(seen, [("/b", 10.0, 0.0), ("/a", 2.0, 1.0)]);
    }

    #[test]
    fn quantiles_are_those_that_prometheus_estimates() {
        let buckets = [(0.1, 50.0), (0.2, 90.0), (0.4, 100.0), (f64::INFINITY, 100.0)];
        assert_eq!(quantile(&buckets, 0.5), Some(0.1));
        assert!((quantile(&buckets, 0.7).unwrap() - 0.15).abs() < 1e-9);
        assert!((quantile(&buckets, 0.99).unwrap() - 0.38).abs() < 1e-9);
        assert_eq!(quantile(&[(0.1, 1.0), (f64::INFINITY, 100.0)], 0.99), Some(0.1), "above every bound");
        assert_eq!(quantile(&[(0.1, 0.0), (f64::INFINITY, 0.0)], 0.5), None, "nothing happened");
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_first_look_shows_what_is_and_no_rates() {
        let now = vec![
            series("rollcall_users_online", &[], 3.0),
            series("rollcall_connections", &[("platform", "Web"), ("protocol", "json")], 4.0),
            series("rollcall_closes_total", &[("reason", "client_close")], 7.0),
        ];
        let view = View::of(None, &Scrape { at: Instant::now(), series: now });
        let connections = vec![("Web".to_owned(), "json".to_owned(), 4.0)];
        assert_eq!(view, View { users: 3.0, connections, ..View::default() });
    }
}
