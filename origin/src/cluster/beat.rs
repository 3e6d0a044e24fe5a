//! Signs of life, and what a process does about the others: it declares dead who gives none, and ends what such a one has left.

use std::time::Duration;

use rollcall_api::Chain;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::observer::{BEATS, Observer};
use crate::{
    store::{Alive, Node, NodeState, StoreError, since_boot},
    users::Users,
};

/// The part of a lease after which a process stops by itself, in tenths.
const SUSPENDED_AFTER: u32 = 7;
/// The time within which the sockets of a process are closed that the engine does not hear.
const CLOSING: Duration = Duration::from_secs(2);
/// Beats between two looks at who has been gone for long.
const RARELY: u64 = 600;

/// Gives signs of life until another process has declared this one dead. `sockets` counts the open ones.
pub(crate) async fn keep(users: Users, sockets: impl Fn() -> usize + Send) {
    let Some(cluster) = users.cluster() else { return };
    let settings = &users.settings().cluster;
    let lease = Duration::from_secs(settings.lease_seconds.into());
    let kept = Duration::from_secs(settings.suspend_seconds.into());
    let mut observer = Observer::new(cluster.node, lease);
    let mut ticks = interval(lease / BEATS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut beats, mut was_suspended, mut has_closed, mut has_company) = (0_u64, false, false, false);
    loop {
        ticks.tick().await;
        // Alone in the schema, nobody is there to declare this process dead.
        let lease = cluster.store.may_have_company().then_some(lease * SUSPENDED_AFTER / 10);
        match cluster.store.beat(&Alive { sockets: sockets(), lease }).await {
            Ok(nodes) => {
                if std::mem::take(&mut was_suspended) {
                    tracing::warn!("the store hears this server again: it serves");
                }
                has_closed = false;
                has_company = nodes.iter().any(|node| is_other(node, cluster.node));
                look_after(&users, &mut observer, &nodes, beats.is_multiple_of(RARELY));
                beats += 1;
            }
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "no sign of life arrived");
                let Some(since) = cluster.store.suspended() else { continue };
                if !std::mem::replace(&mut was_suspended, true) {
                    tracing::error!(error = %Chain(&error), "the store has not heard this server for too long: it serves nothing");
                }
                if has_company && since >= kept && !std::mem::replace(&mut has_closed, true) {
                    close_all(&users).await;
                }
            }
        }
    }
}

fn is_other(node: &Node, own: i64) -> bool {
    node.state == NodeState::Serving && node.id != own
}

/// Acts on what was seen of all processes. What fails is tried again at the next beat.
fn look_after(users: &Users, observer: &mut Observer, nodes: &[Node], is_rare: bool) {
    let Some(cluster) = users.cluster() else { return };
    let failed = |what: &str, error: StoreError| tracing::warn!(error = %Chain(&error), "{what}");
    let silent = observer.look(nodes, since_boot());
    let remains: Vec<Node> =
        nodes.iter().filter(|node| node.state != NodeState::Serving && !node.is_swept).cloned().collect();
    // Nothing of it may hold up the next beat: the commits of one that is frozen are waited for.
    let users = users.clone();
    cluster.looking_after.start(async move {
        let Some(cluster) = users.cluster() else { return };
        for (node, beat) in silent {
            match cluster.store.declare_dead(node, beat).await {
                Ok(true) => tracing::warn!(node, beat, "a server gives no sign of life: it is dead"),
                // It has beaten, or another one was quicker.
                Ok(false) => {}
                Err(error) => {
                    failed("a server that gives no sign of life could not be declared dead", error);
                }
            }
        }
        for node in &remains {
            if let Err(error) = cluster.sweep(node).await {
                failed("what a dead server has left could not be ended", error);
            }
        }
        if let Err(error) = users.take_up_all().await {
            tracing::warn!(error = %Chain(&error), "users of a dead server could not be looked after");
        }
        if is_rare && let Err(error) = cluster.forget_gone().await {
            failed("servers that are gone could not be forgotten", error);
        }
    });
}

/// Closes every socket, one after the other: their clients go elsewhere.
async fn close_all(users: &Users) {
    let sockets = users.sockets();
    tracing::warn!(sockets = sockets.len(), "the sockets are closed: the store does not hear this server");
    let (begun, count) = (Instant::now(), u32::try_from(sockets.len()).unwrap_or(u32::MAX));
    for (socket, index) in sockets.into_iter().zip(0..count) {
        sleep_until(begun + CLOSING.mul_f64(f64::from(index) / f64::from(count))).await;
        let _ = socket.close(rollcall_core::gateway::Close::Draining);
    }
}
