//! How many files the process may have open: each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not connections: the store, listeners, the runtime, requests to other services.
const OTHERS: u64 = 160;

/// Takes all that the process is allowed, and says so when that is not enough for `connections`.
pub(super) fn raise(connections: u32) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    if let Some(most) = current
        && most < u64::from(connections) + OTHERS
    {
        tracing::warn!(
            "server.max_connections is {connections}, but this process may open {most} files; raise its limit \
             (LimitNOFILE= of systemd, ulimit -n of a shell)"
        );
    }
}
