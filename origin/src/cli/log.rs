//! The log: to stderr, as much as `ROLLCALL_LOG` says (`docs/configuration.md#logging`).

use std::{env, io};

use tracing::{Level, Subscriber};
use tracing_subscriber::{
    Layer as _, Registry,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Crates of ours begin with this; what they say at trace level has no secrets in it.
const OURS: &str = "rollcall";
/// Crates that print URLs, bodies or other people's texts at debug level, or a line for each statement of each commit.
const TALKATIVE: [&str; 6] =
    ["h2", "tokio_postgres", "tokio_tungstenite", "tungstenite", "ureq", "ureq_proto"];

/// `ROLLCALL_LOG` says how much (`info`, `debug`, `rollcall_origin=trace`, …), and `ROLLCALL_LOG_FORMAT=json` how.
pub(super) fn begin() {
    let levels = env::var("ROLLCALL_LOG").unwrap_or_default();
    let parsed = if levels.is_empty() { Ok(default_levels()) } else { levels.parse() };
    let json = env::var("ROLLCALL_LOG_FORMAT").as_deref() == Ok("json");
    let (wanted, error) = match parsed {
        Ok(wanted) => (wanted, None),
        Err(error) => (default_levels(), Some(error)),
    };
    log_to(io::stderr, wanted, json).init();
    if let Some(error) = error {
        tracing::warn!(%levels, %error, "ROLLCALL_LOG is not understood and counts as `info`: write a level, or target=level,...");
    }
}

fn default_levels() -> Targets {
    Targets::new().with_default(Level::INFO)
}

fn log_to<W>(writer: W, wanted: Targets, json: bool) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines = if json { lines.json().boxed() } else { lines.with_ansi(false).boxed() };
    // They are layers of their own, since a filter of one layer is asked again at every step of every span.
    Registry::default().with(lines).with(bounds()).with(wanted)
}

/// The most verbose level of each crate, whatever level was requested. At trace level others print what went over the wire: tungstenite the
/// text of every message, and a STOMP client's CONNECT has its token in it. Some print URLs at debug level.
fn bounds() -> Targets {
    let bounds = Targets::new().with_default(Level::DEBUG).with_target(OURS, Level::TRACE);
    TALKATIVE.iter().fold(bounds, |bounds, name| bounds.with_target(*name, Level::INFO))
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, sync::Arc};

    use super::*;

    fn said(json: bool) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let log = log_to(Arc::new(writer), Targets::new().with_default(Level::TRACE), json);
        tracing::subscriber::with_default(log, || {
            tracing::trace!(target: "tungstenite::protocol", "Received message CONNECT Authorization:Bearer t0k3n");
            tracing::trace!(target: "another", "GET /?token=t0k3n");
            tracing::debug!(target: "ureq::run", "GET /?token=t0k3n");
            tracing::debug!(target: "another", "another crate's");
            tracing::trace!("our own");
        });
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn what_went_over_the_wire_is_not_said_at_any_level() {
        for json in [false, true] {
            let said = said(json);
            assert!(said.contains("our own") && said.contains("another crate's"), "{said}");
            assert!(!said.contains("t0k3n"), "{said}");
        }
    }
}
