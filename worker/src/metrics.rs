//! Metrics for operators: one data point an event into the optional dataset of Analytics Engine
//! (`docs/operating.md#metrics-of-the-edge`). A point has the metric's name as its index, its labels as blobs, its value as the
//! first double.
//!
//! What a process would look up at each scrape (live connections, users online) no isolate knows.

use std::time::Duration;

use rollcall_api::metrics::{
    CLOSES, COMMIT_FAILURES, CONNECTS, CloseReason, HANDSHAKE_FAILURES, KICKS, KickCause, REQUEST_DURATION,
};
use worker::{AnalyticsEngineDataPointBuilder, Env};

/// The binding of the dataset.
const BINDING: &str = "METRICS";
/// Alarms that went wrong, by `fault`. Only objects have alarms.
const ALARM_FAULTS: &str = "rollcall_alarm_faults_total";
/// Calls to objects that were given up, by `object`.
const UNANSWERED_CALLS: &str = "rollcall_unanswered_calls_total";
/// The bytes of a shard's database, by `state`. A point a sweep.
const SHARD_BYTES: &str = "rollcall_shard_bytes";

/// What went wrong with an alarm: the label `fault` of `rollcall_alarm_faults_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlarmFault {
    /// The runtime rejected it, and it is set once more.
    Rejected,
    /// It could not be set. The next request that finds its work overdue sets it.
    Unset,
    /// The runtime had dropped it, and it is set again.
    Lost,
    /// Its work was not done, and is tried again.
    Failed,
}

impl AlarmFault {
    /// The label's value.
    const fn label(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Unset => "unset",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

/// A connection became live.
pub(crate) fn connected(env: &Env, protocol: &str) {
    write(env, CONNECTS, &[protocol], 1.0);
}

/// A connection's socket closed.
pub(crate) fn closed(env: &Env, reason: CloseReason) {
    write(env, CLOSES, &[reason.label()], 1.0);
}

/// A connection was taken offline.
pub(crate) fn kicked(env: &Env, cause: KickCause) {
    write(env, KICKS, &[cause.label()], 1.0);
}

/// An upgrade was refused with this code.
pub(crate) fn refused(env: &Env, code: &str) {
    write(env, HANDSHAKE_FAILURES, &[code], 1.0);
}

/// A request was answered.
pub(crate) fn answered(env: &Env, route: &str, status: u16, within: Duration) {
    write(env, REQUEST_DURATION, &[route, &status.to_string()], within.as_secs_f64());
}

/// An object's store did not commit.
pub(crate) fn commit_failed(env: &Env) {
    write(env, COMMIT_FAILURES, &[], 1.0);
}

/// An alarm went wrong.
pub(crate) fn alarm(env: &Env, fault: AlarmFault) {
    write(env, ALARM_FAULTS, &[fault.label()], 1.0);
}

/// An object did not answer a call in time.
pub(crate) fn unanswered(env: &Env, binding: &str) {
    write(env, UNANSWERED_CALLS, &[&binding.to_ascii_lowercase()], 1.0);
}

/// A shard has looked at its size.
pub(crate) fn shard(env: &Env, bytes: f64, is_nearly_full: bool) {
    write(env, SHARD_BYTES, &[if is_nearly_full { "nearly_full" } else { "roomy" }], bytes);
}

fn write(env: &Env, metric: &str, labels: &[&str], value: f64) {
    let Ok(dataset) = env.analytics_engine(BINDING) else { return };
    let point = AnalyticsEngineDataPointBuilder::new()
        .indexes([metric])
        .blobs(labels.iter().copied())
        .doubles([value])
        .write_to(&dataset);
    if let Err(error) = point {
        tracing::warn!(%error, metric, "a metric could not be written");
    }
}
