//! How a view is written: for people, and for programs.

use serde_json::{Value, json};

use super::{
    super::{output::sanitize, table::Table},
    view::{Rates, Times, View, total},
};

/// Routes that are shown to people.
const ROUTES: usize = 15;

/// For people, in lines that are no wider than `width` where that can be.
pub(super) fn lines(view: &View, url: &str, width: Option<u16>) -> Vec<String> {
    let connections = total(view.connections.iter().map(|(_, _, count)| *count));
    let mut lines = vec![
        sanitize(&format!("rollcall at {url}"), None),
        String::new(),
        format!(
            "users {}   connections {connections}   tcp {}   store queue {}   commit failures {}   panics {}",
            view.users, view.tcp, view.queue, view.failures, view.panics
        ),
    ];
    if let Some(width) = width.map(usize::from) {
        lines = lines.into_iter().map(|line| line.chars().take(width).collect()).collect();
    }
    let mut add = |table: Table| {
        lines.push(String::new());
        lines.extend(table.lines(width));
    };
    if !view.connections.is_empty() {
        let mut table = Table::of(&["PLATFORM", "PROTOCOL", "CONNECTIONS"]);
        for (platform, protocol, count) in &view.connections {
            table.row([platform.as_str(), protocol, &count.to_string()]);
        }
        add(table);
    }
    if view.has_rates {
        add(events(view));
        add(times(view));
    }
    lines
}

fn events(view: &View) -> Table {
    let mut table = Table::of(&["PER SECOND", "ALL", "OF THEM"]);
    for (what, rates) in [
        ("connects", &view.connects),
        ("closes", &view.closes),
        ("kicks", &view.kicks),
        ("refused", &view.refused),
    ] {
        let parts: Vec<_> = rates.iter().map(|(label, rate)| format!("{label} {rate:.1}")).collect();
        table.row([what, &format!("{:.1}", total(rates.values().copied())), &parts.join("  ")]);
    }
    table.row(["dropped", &format!("{:.1}", view.dropped), ""]);
    table
}

fn times(view: &View) -> Table {
    let mut table = Table::of(&["WHAT", "PER SECOND", "FAILED", "MEDIAN", "P99"]);
    let commits = &view.commits;
    let row = |table: &mut Table, name: &str, times: &Times, failed: &str| {
        let rate = format!("{:.1}", times.per_second);
        table.row([name, &rate, failed, &duration(times.median), &duration(times.p99)]);
    };
    row(&mut table, "commits", commits, "-");
    for route in view.routes.iter().take(ROUTES) {
        row(&mut table, &route.name, &route.times, &format!("{:.1}", route.failed));
    }
    table
}

fn duration(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("{:.1} ms", seconds * 1000.0),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

/// For programs.
pub(super) fn document(view: &View) -> Value {
    let connections = view.connections.iter().map(|(platform, protocol, count)| {
        json!({"platform": platform, "protocol": protocol, "count": whole(*count)})
    });
    let requests = view.routes.iter().map(|route| {
        let Times { per_second, median, p99 } = &route.times;
        json!({
            "route": route.name, "per_second": per_second, "failed_per_second": route.failed,
            "p50_seconds": median, "p99_seconds": p99,
        })
    });
    let rates = |rates: &Rates| json!(rates);
    let Times { per_second, median, p99 } = &view.commits;
    json!({
        "users_online": whole(view.users),
        "connections": connections.collect::<Vec<_>>(),
        "tcp_connections": whole(view.tcp),
        "per_second": {
            "connects": rates(&view.connects), "closes": rates(&view.closes), "kicks": rates(&view.kicks),
            "refused": rates(&view.refused), "dropped": view.dropped,
        },
        "requests": requests.collect::<Vec<_>>(),
        "store": {
            "per_second": per_second, "p50_seconds": median, "p99_seconds": p99,
            "queue": whole(view.queue), "failures": whole(view.failures),
        },
        "panics": whole(view.panics),
    })
}

/// What is counted is no fraction, and far below where a fraction would begin to lose some.
fn whole(count: f64) -> u64 {
    count.round() as u64
}

#[cfg(test)]
mod tests {
    use super::{super::view::Route, *};

    fn view() -> View {
        let times = |per_second| Times { per_second, median: Some(0.000_25), p99: Some(1.5) };
        View {
            has_rates: true,
            users: 3.0,
            tcp: 5.0,
            connections: vec![("Web".into(), "json".into(), 4.0), ("console".into(), "text".into(), 1.0)],
            closes: Rates::from([("kicked".into(), 1.5), ("client_close".into(), 0.5)]),
            routes: vec![Route { name: "/health".into(), times: times(0.5), failed: 0.25 }],
            commits: Times { per_second: 0.0, median: None, p99: None },
            ..View::default()
        }
    }

    #[test]
    fn people_see_what_is_and_what_happens() {
        let expected = "\
rollcall at http://127.0.0.1:9/metrics

users 3   connections 5   tcp 5   store queue 0   commit failures 0   panics 0

PLATFORM  PROTOCOL  CONNECTIONS
Web       json      4
console   text      1

PER SECOND  ALL  OF THEM
connects    0.0
closes      2.0  client_close 0.5  kicked 1.5
kicks       0.0
refused     0.0
dropped     0.0

WHAT     PER SECOND  FAILED  MEDIAN  P99
commits  0.0         -       -       -
/health  0.5         0.2     0.2 ms  1.5 s";
        assert_eq!(lines(&view(), "http://127.0.0.1:9/metrics", None).join("\n"), expected);
    }

    #[test]
    fn a_narrow_terminal_is_not_overrun() {
        let lines = lines(&view(), "http://127.0.0.1:9/metrics", Some(30));
        assert!(lines.iter().all(|line| line.chars().count() <= 30), "{lines:#?}");
    }

    #[test]
    fn programs_read_whole_numbers_where_things_are_counted() {
        let document = document(&view());
        assert_eq!(document["users_online"], 3);
        assert_eq!(
            document["connections"][1],
            json!({"platform": "console", "protocol": "text", "count": 1})
        );
        assert_eq!(document["per_second"]["closes"], json!({"kicked": 1.5, "client_close": 0.5}));
        assert_eq!(document["requests"][0]["p99_seconds"], 1.5);
        assert_eq!(document["store"]["p50_seconds"], Value::Null);
    }
}
