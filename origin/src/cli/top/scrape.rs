//! One look at a server's metrics: Prometheus' text format, read.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use ureq::Agent;

/// For an answer that is written in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer: many routes with many statuses each.
const ANSWER_BYTES: u64 = 8 * 1024 * 1024;

/// Where metrics are.
pub(super) struct Source {
    agent: Agent,
    url: String,
}

/// What they were at one moment.
pub(super) struct Scrape {
    pub(super) at: Instant,
    pub(super) series: Vec<Series>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) figure: f64,
}

impl Source {
    pub(super) fn new(url: &str) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build()
            .new_agent();
        Self { agent, url: url.to_owned() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Looks now.
    ///
    /// # Errors
    /// When no server answers there, or the server is no rollcall.
    pub(super) fn scrape(&self) -> anyhow::Result<Scrape> {
        let url = &self.url;
        let mut answer = self.agent.get(url).call().with_context(|| format!("no answer from {url}"))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        let text = text.with_context(|| format!("the answer of {url} broke off"))?;
        let series: Vec<Series> = text.lines().filter_map(read).collect();
        if status != 200 || !series.iter().any(|series| series.name.starts_with("rollcall_")) {
            bail!("{url} answered {status} without metrics of a rollcall; is that their address?");
        }
        Ok(Scrape { at: Instant::now(), series })
    }
}

impl Series {
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// A line that is a series; comments and what does not read are none.
fn read(line: &str) -> Option<Series> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let mut labels = Vec::new();
    let mut rest = rest;
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = unquote(quoted)?;
            labels.push((label.to_owned(), value));
            rest = after;
        }
        rest = rest.strip_prefix('}')?;
    }
    // Behind it there may be a time.
    let figure = rest.split_whitespace().next()?.parse().ok()?;
    Some(Series { name: name.to_owned(), labels, figure })
}

/// A text up to its quotation mark, and what follows that.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(series: &Series) -> Vec<(&str, &str)> {
        series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn series_are_read_with_their_labels_and_everything_else_is_passed_over() {
        let series = read("rollcall_users_online 3").unwrap();
        assert_eq!((series.name.as_str(), series.figure), ("rollcall_users_online", 3.0));
        let series = read(r#"a_bucket{route="/x/{id}",le="+Inf"} 1.5 1700000000"#).unwrap();
        assert_eq!(labels(&series), [("route", "/x/{id}"), ("le", "+Inf")]);
        assert_eq!(series.figure, 1.5);
        let series = read(r#"a{b="say \"} 1\" \\ \n"} 2"#).unwrap();
        assert_eq!(labels(&series), [("b", "say \"} 1\" \\ \n")]);
        for nothing in ["", "# TYPE a counter", "a", "a{b=\"c\" 1", "a{b=c} 1", "a{b=\"c\\", "a b"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
