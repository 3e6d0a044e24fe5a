//! Questions in PromQL that this repository publishes: each is of metrics, labels and values that are exported.

use std::{collections::BTreeSet, path::Path};

use rollcall_api::metrics::{CONSOLE, CloseReason, ConnectionLimit, KickCause, PROTOCOLS};
use serde_json::Value;

use super::table::{METRICS, Metric};

/// Labels that Prometheus adds to every series.
const ADDED: [&str; 2] = ["instance", "job"];
/// What is exported by Prometheus itself.
const UP: &str = "up";
/// Functions and operators that published questions use.
const WORDS: [&str; 17] = [
    "sum",
    "max",
    "min",
    "by",
    "on",
    "and",
    "or",
    "unless",
    "rate",
    "increase",
    "histogram_quantile",
    "avg_over_time",
    "max_over_time",
    "clamp_min",
    "offset",
    "ignoring",
    "group_left",
];

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A piece of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Word(String),
    Text(String),
    Sign(char),
}

fn pieces(question: &str) -> Vec<Piece> {
    let mut all = Vec::new();
    let mut rest = question.chars().peekable();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    while let Some(first) = rest.next() {
        match first {
            '"' => all.push(Piece::Text(rest.by_ref().take_while(|c| *c != '"').collect())),
            first if is_word(first) => {
                let mut word = String::from(first);
                while let Some(next) = rest.next_if(|c| is_word(*c)) {
                    word.push(next);
                }
                all.push(Piece::Word(word));
            }
            first if first.is_whitespace() => {}
            first => all.push(Piece::Sign(first)),
        }
    }
    all
}

/// What a question reads of one metric.
struct Selected<'a> {
    name: &'a str,
    /// Whether it asks how fast the series grows.
    is_rate: bool,
    labels: BTreeSet<&'static str>,
}

/// The metric of a series, and whether it counts.
fn exported(name: &str) -> Option<(&'static Metric, bool)> {
    METRICS.iter().find_map(|metric| match metric.kind {
        "histogram" => {
            let part = name.strip_prefix(metric.name)?;
            matches!(part, "_bucket" | "_count" | "_sum").then_some((metric, true))
        }
        kind => (metric.name == name).then_some((metric, kind == "counter")),
    })
}

/// The values of a label, where all are written down.
fn values(metric: &Metric, label: &str) -> Option<Vec<&'static str>> {
    Some(match label {
        "reason" => CloseReason::ALL.map(CloseReason::label).to_vec(),
        "cause" => KickCause::ALL.map(KickCause::label).to_vec(),
        "bound" => ConnectionLimit::ALL.map(ConnectionLimit::label).to_vec(),
        "protocol" => PROTOCOLS.to_vec(),
        "caller" => vec!["stranger", "user", "administrator"],
        "platform" if metric.labels.contains(&"protocol") => vec!["Web", "IOS", CONSOLE],
        _ => return None,
    })
}

/// What is wrong with a question; nothing, or the first thing.
fn fault(question: &str) -> Option<String> {
    let pieces = pieces(question);
    let mut depth = Vec::new();
    let mut selected: Vec<Selected<'_>> = Vec::new();
    let mut by: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        at += 1;
        match piece {
            Piece::Sign(open @ ('(' | '[')) => depth.push(*open),
            Piece::Sign(close @ (')' | ']')) => {
                let open = if *close == ')' { '(' } else { '[' };
                if depth.pop() != Some(open) {
                    return Some(format!("{close} closes nothing"));
                }
            }
            Piece::Word(word) if word == "by" || word == "on" => {
                for piece in &pieces[at..] {
                    match piece {
                        Piece::Word(label) => by.push(label),
                        Piece::Sign(')') => break,
                        _ => {}
                    }
                }
                while pieces.get(at) != Some(&Piece::Sign(')')) {
                    at += 1;
                }
                at += 1;
            }
            Piece::Word(word) if word.starts_with("rollcall") || word == UP => {
                let of = exported(word);
                if of.is_none() && word != UP {
                    return Some(format!("{word} is not exported"));
                }
                let metric = of.map(|(metric, _)| metric);
                let mut labels: BTreeSet<&'static str> = ADDED.into();
                labels.extend(metric.iter().flat_map(|metric| metric.labels));
                labels.extend(word.ends_with("_bucket").then_some("le"));
                if pieces.get(at) == Some(&Piece::Sign('{')) {
                    loop {
                        let (label, value) = match (pieces.get(at + 1), pieces.get(at + 2..)) {
                            (Some(Piece::Word(label)), Some(rest)) => {
                                let value = rest.iter().find_map(|piece| match piece {
                                    Piece::Text(text) => Some(text.as_str()),
                                    _ => None,
                                });
                                (label, value.unwrap_or_default())
                            }
                            _ => return Some(format!("the labels of {word} do not read")),
                        };
                        if !labels.contains(label.as_str()) {
                            return Some(format!("{word} has no label {label}"));
                        }
                        let known = metric.and_then(|metric| values(metric, label));
                        if let Some(known) = known.filter(|_| !value.contains('$'))
                            && let Some(other) = value.split('|').find(|one| !known.contains(one))
                        {
                            return Some(format!("{label} of {word} is never {other}"));
                        }
                        while !matches!(pieces.get(at), Some(Piece::Text(_))) {
                            at += 1;
                        }
                        at += 1;
                        match pieces.get(at) {
                            Some(Piece::Sign(',')) => {}
                            Some(Piece::Sign('}')) => break,
                            _ => return Some(format!("the labels of {word} do not end")),
                        }
                    }
                    at += 1;
                }
                let is_rate = pieces.get(at) == Some(&Piece::Sign('['));
                if of.is_some_and(|(_, counts)| counts) && !is_rate {
                    return Some(format!("{word} only grows: ask for its rate"));
                }
                selected.push(Selected { name: word, is_rate, labels });
                // `avg_over_time` takes a span of a gauge.
                let over_time = question.contains("_over_time");
                if is_rate && of.is_some_and(|(_, counts)| !counts) && !over_time {
                    return Some(format!("{word} is a gauge: it has no rate"));
                }
            }
            Piece::Word(word) => {
                let is_number = word.starts_with(|c: char| c.is_ascii_digit());
                if !is_number && !word.starts_with('$') && !WORDS.contains(&word.as_str()) {
                    return Some(format!("{word} is not known"));
                }
            }
            Piece::Sign(_) | Piece::Text(_) => {}
        }
    }
    if !depth.is_empty() {
        return Some("a bracket is open at its end".to_owned());
    }
    if selected.is_empty() {
        return Some("it asks for nothing".to_owned());
    }
    let missing = |label: &&&str| !selected.iter().all(|one| one.labels.contains(**label));
    if let Some(label) = by.iter().find(missing) {
        return Some(format!("not all that it asks for has the label {label}"));
    }
    let quantile = question.contains("histogram_quantile");
    let buckets = selected.iter().any(|one| one.name.ends_with("_bucket") && one.is_rate);
    if quantile && !(buckets && by.contains(&"le")) {
        return Some("a quantile is one of the rates of buckets, by le".to_owned());
    }
    None
}

/// The rules in the documented example.
fn alerts() -> Vec<String> {
    let page = file("docs/operating.md");
    let (_, watch) = page.split_once("\n## Watch\n").unwrap();
    let rules = watch.split("```yaml\n").find(|block| block.starts_with("groups:")).unwrap();
    let rules = rules.split("```").next().unwrap();
    let mut all: Vec<String> = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((_, question)) = line.split_once("expr: ") else { continue };
        let mut question = question.trim_start_matches('|').to_owned();
        let inner = " ".repeat(10);
        while let Some(more) = lines.next_if(|next| question.is_empty() || next.starts_with(&inner)) {
            question.push_str(more.trim_start());
            question.push(' ');
        }
        all.push(question);
    }
    all
}

/// Every panel of a board, those inside of rows too.
fn panels(board: &Value) -> Vec<&Value> {
    fn of(value: &Value) -> impl Iterator<Item = &Value> {
        value["panels"].as_array().into_iter().flatten()
    }
    of(board).flat_map(|panel| std::iter::once(panel).chain(of(panel))).collect()
}

fn board() -> Value {
    serde_json::from_str(&file("deploy/grafana/rollcall.json")).unwrap()
}

#[test]
fn every_alert_asks_for_what_is_exported() {
    let alerts = alerts();
    assert_eq!(alerts.len(), file("docs/operating.md").matches("- alert: ").count(), "{alerts:#?}");
    for question in alerts {
        assert_eq!(fault(&question), None, "{question}");
    }
}

#[test]
fn every_panel_of_the_board_asks_for_what_is_exported_of_the_chosen_nodes() {
    let board = board();
    let mut asked = BTreeSet::new();
    for panel in panels(&board).into_iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert!(
            !panel["description"].as_str().unwrap_or_default().is_empty(),
            "{title} says not what it shows"
        );
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let question = target["expr"].as_str().unwrap();
            assert_eq!(fault(question), None, "{title}: {question}");
            let series = question.matches("rollcall_").count() + question.matches("up{").count();
            assert_eq!(question.matches("instance=~\"$node\"").count(), series, "{title}: {question}");
            assert_eq!(question.matches("job=\"$job\"").count(), series, "{title}: {question}");
            assert!(
                !question.contains("[5m]") && !question.contains("[1m]"),
                "{title}: $__rate_interval follows the zoom"
            );
            for label in target["legendFormat"].as_str().unwrap().split("{{").skip(1) {
                let label = label.split("}}").next().unwrap().trim();
                assert!(
                    question.contains(&format!("by ({label}")) || question.contains(&format!(", {label}")),
                    "{title}: {label}"
                );
            }
            asked.extend(
                METRICS.iter().filter(|metric| question.contains(metric.name)).map(|metric| metric.name),
            );
        }
    }
    let missing: Vec<_> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !asked.contains(name)).collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
}

#[test]
fn the_board_can_be_imported_anywhere() {
    let board = board();
    let variables = board["templating"]["list"].as_array().unwrap();
    let named: Vec<_> = variables.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["datasource", "job", "node"]);
    let node = &variables[2];
    assert!(node["multi"] == true && node["includeAll"] == true, "one node and many");
    for variable in &variables[1..] {
        let question = variable["query"]["query"].as_str().unwrap();
        let series = question.strip_prefix("label_values(").unwrap().split(['{', ',']).next().unwrap();
        assert!(exported(series).is_some(), "{question}");
    }
    assert!(board["id"].is_null() && board["uid"] == "rollcall" && board["schemaVersion"].is_number());
    // No two panels lie over each other, and each has a number of its own.
    let (mut seen, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&board) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["id"]);
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(seen.insert((x, y)), "{} lies over another one", panel["title"]);
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
}

#[test]
fn faults_are_found() {
    for (question, said) in [
        ("rollcall_nothing", "is not exported"),
        ("sum by (platform) (rollcall_users_online)", "has the label platform"),
        ("rollcall_connections{reason=\"kicked\"}", "has no label reason"),
        ("rate(rollcall_closes_total{reason=\"bored\"}[5m])", "is never bored"),
        ("rate(rollcall_kicks_total{cause=~\"login|whim\"}[5m])", "is never whim"),
        ("sum(rollcall_connects_total)", "ask for its rate"),
        ("rate(rollcall_users_online[5m])", "has no rate"),
        ("rollcall_request_duration_seconds > 1", "is not exported"),
        (
            "histogram_quantile(0.99, sum by (instance) (rate(rollcall_request_duration_seconds_bucket[5m])))",
            "by le",
        ),
        ("sum(rate(rollcall_connects_total[5m])", "open at its end"),
        ("summe(rate(rollcall_connects_total[5m]))", "summe is not known"),
        ("up{jobs=\"rollcall\"} == 0", "has no label jobs"),
        ("1 > 2", "asks for nothing"),
    ] {
        let fault = fault(question).unwrap_or_else(|| panic!("{question} has no fault"));
        assert!(fault.contains(said), "{question}: {fault}");
    }
}
