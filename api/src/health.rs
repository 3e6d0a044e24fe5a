//! The health check, and the deep one, which writes and reads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{extract::State, response::Response};
use http::{StatusCode, Uri};
use rollcall_core::time::Timestamp;
use serde::Serialize;

use crate::{Backend, BackendError, Chain, Health, answer};

/// How often durable storage is probed at most: anybody may ask.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A probe that takes longer has failed.
pub const PROBED_WITHIN: Duration = Duration::from_secs(2);

/// What deep health checks find, for all requests of a process or isolate. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct DeepHealth(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    /// No probe begins before this.
    next: Timestamp,
    /// When the latest probe began that has ended, and whether it succeeded.
    latest: Option<(Timestamp, bool)>,
}

impl DeepHealth {
    /// A probe for the caller to carry out; `None` when the last one began less than a second ago.
    fn begin(&self, now: Timestamp) -> Option<Probe> {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.next.is_due(now, PROBE_EVERY).then(|| {
            found.next = now + PROBE_EVERY;
            Probe { began: now, health: self.clone() }
        })
    }

    /// What the latest probe says. Before the first one has ended it is what the process says without.
    fn latest(&self) -> Health {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).latest {
            Some((_, false)) => Health::Degraded,
            Some((_, true)) | None => Health::Serving,
        }
    }
}

/// A probe of durable storage under way.
#[derive(Debug)]
#[must_use = "the others are told what it finds"]
pub struct Probe {
    began: Timestamp,
    health: DeepHealth,
}

impl Probe {
    /// Reports what it found. The first failure in a row is logged, and the first success after it.
    pub fn end(self, outcome: Result<(), BackendError>) {
        let mut found = self.health.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.latest.is_some_and(|(began, _)| began > self.began) {
            return;
        }
        let has_failed = found.latest.is_some_and(|(_, succeeded)| !succeeded);
        match &outcome {
            Err(error) if !has_failed => {
                tracing::error!(error = %Chain(error), "durable storage does not write and read");
            }
            Ok(()) if has_failed => tracing::info!("durable storage writes and reads again"),
            _ => {}
        }
        found.latest = Some((self.began, outcome.is_ok()));
    }
}

/// The state of the process.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HealthBody {
    /// `ok`, `degraded` or `draining`.
    status: &'static str,
}

/// Whether to send requests here
///
/// Needs no authentication. With `deep=1` durable storage is written and read first, at most once a second: further requests are
/// answered with what the last one found.
#[utoipa::path(
    get, path = "/health", tag = "operation",
    params(("deep" = Option<u8>, Query, description = "1: write and read first", example = 1)),
    responses(
        (status = 200, description = "It serves", body = HealthBody, example = json!({"status": "ok"})),
        (status = 503, description = "It is about to stop, or cannot write", body = HealthBody),
    )
)]
pub(crate) async fn health<B: Backend>(State(backend): State<B>, uri: Uri) -> Response {
    let health = match backend.health() {
        Health::Serving if is_deep(&uri) => {
            if let Some(probe) = backend.deep_health().begin(backend.now()) {
                backend.probe(probe).await;
            }
            backend.deep_health().latest()
        }
        health => health,
    };
    let (code, status) = match health {
        Health::Serving => (StatusCode::OK, "ok"),
        Health::Degraded => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
        Health::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let mut response = answer::json(&HealthBody { status });
    *response.status_mut() = code;
    response
}

fn is_deep(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "deep=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn broken() -> Result<(), BackendError> {
        Err(BackendError::new("the disk is gone"))
    }

    #[test]
    fn a_flood_of_questions_probes_once_a_second_and_gets_the_last_answer() {
        let health = DeepHealth::default();
        let mut probes = 0;
        for millis in 0..10_000 {
            if let Some(probe) = health.begin(at(millis)) {
                probe.end(broken());
                probes += 1;
            }
            assert_eq!(health.latest(), Health::Degraded);
        }
        assert_eq!(probes, 10);
    }

    #[test]
    fn a_probe_that_takes_long_keeps_no_later_one_from_being_believed() {
        let health = DeepHealth::default();
        let long = health.begin(at(0)).unwrap();
        assert_eq!(health.latest(), Health::Serving, "nothing is known yet");
        health.begin(at(1_000)).unwrap().end(broken());
        long.end(Ok(()));
        assert_eq!(health.latest(), Health::Degraded);
        health.begin(at(2_000)).unwrap().end(Ok(()));
        assert_eq!(health.latest(), Health::Serving);
    }

    #[test]
    fn a_clock_that_was_set_back_stops_no_probe() {
        let health = DeepHealth::default();
        health.begin(at(1_000_000)).unwrap().end(Ok(()));
        assert!(health.begin(at(5)).is_some());
    }

    #[test]
    fn only_deep_1_is_deep() {
        for (uri, deep) in [("/health?deep=1", true), ("/health?a&deep=1", true), ("/health?deep=0", false)] {
            assert_eq!(is_deep(&Uri::from_static(uri)), deep, "{uri}");
        }
        assert!(!is_deep(&Uri::from_static("/health")));
    }
}
