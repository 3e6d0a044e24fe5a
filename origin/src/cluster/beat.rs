//! Signs of life.

use std::time::Duration;

use rollcall_api::Chain;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

use super::{
    looking_after::{compare, look_after},
    observer::{Observer, interval_among, interval_of},
};
use crate::{
    store::{Alive, Node, NodeState, StoreError, since_boot, time_to_serve},
    users::Users,
};

/// The time within which the sockets of a process are closed that the engine does not hear.
const CLOSING: Duration = Duration::from_secs(2);
/// The time between two comparisons of sockets and rows.
const COMPARED: Duration = Duration::from_secs(30);
/// Beats between two looks at who has been gone for long.
const RARELY: u64 = 600;

/// Gives signs of life until another process has declared this one dead. `sockets` counts the open ones.
pub(crate) async fn keep(users: Users, sockets: impl Fn() -> usize + Send) {
    let Some(cluster) = users.cluster() else { return };
    let settings = &users.settings().cluster;
    let lease = Duration::from_secs(settings.lease_seconds.into());
    let kept = Duration::from_secs(settings.suspend_seconds.into());
    let mut observer = Observer::new(cluster.node);
    let mut ticks = ticks_each(interval_of(lease));
    ticks.reset_immediately();
    let mut compared = Instant::now();
    let (mut beats, mut was_suspended, mut has_closed, mut has_company) = (0_u64, false, false, false);
    loop {
        ticks.tick().await;
        // Alone in the schema, nobody is there to declare this process dead.
        let is_watched = cluster.store.may_have_company();
        let alive = Alive {
            sockets: sockets(),
            settled: users.settled_orders(),
            lease: is_watched.then(|| time_to_serve(lease)),
        };
        let beat = cluster.store.beat(&alive).await;
        let suspended = cluster.store.suspended();
        if suspended.is_some() && !std::mem::replace(&mut was_suspended, true) {
            tracing::error!(
                "the store has not heard this server for too long, or has changed: it serves nothing"
            );
        }
        let is_back = suspended.is_none() && std::mem::take(&mut was_suspended);
        if is_back {
            tracing::warn!("the store hears this server again: it serves");
        }
        match beat {
            Ok(nodes) => {
                has_closed = false;
                has_company = nodes.iter().any(|node| is_other(node, cluster.node));
                let interval = interval_among(&nodes, lease);
                if interval != ticks.period() {
                    ticks = ticks_each(interval);
                }
                // A process that knows of no others declares none dead.
                let silent = if is_watched { observer.look(&nodes, since_boot()) } else { Vec::new() };
                if cluster.has_entered() && (is_back || compared.elapsed() >= COMPARED) {
                    compared = Instant::now();
                    compare(&users);
                }
                look_after(&users, silent, &nodes, beats.is_multiple_of(RARELY));
                beats += 1;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "no sign of life arrived");
                let is_over = suspended.is_some_and(|since| since >= kept);
                if has_company && is_over && !std::mem::replace(&mut has_closed, true) {
                    // Signs of life go on meanwhile.
                    tokio::spawn(close_all(users.clone()));
                }
            }
        }
    }
}

/// Signs of life in this interval, the first one behind it. One that comes late puts off the next.
fn ticks_each(interval: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn is_other(node: &Node, own: i64) -> bool {
    node.state == NodeState::Serving && node.id != own
}

/// Closes every socket, one after the other: their clients go elsewhere.
async fn close_all(users: Users) {
    let sockets = users.sockets();
    tracing::warn!(sockets = sockets.len(), "the sockets are closed: the store does not hear this server");
    let (begun, count) = (Instant::now(), u32::try_from(sockets.len()).unwrap_or(u32::MAX));
    for (socket, index) in sockets.into_iter().zip(0..count) {
        sleep_until(begun + CLOSING.mul_f64(f64::from(index) / f64::from(count))).await;
        let _ = socket.close(rollcall_core::gateway::Close::Draining);
    }
}
