//! The limit of open files: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything else: the store, listeners, the runtime, requests to other services.
const OTHERS: u64 = 160;

/// Raises the limit to the hard limit, and warns when that is too low for `connections`.
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
