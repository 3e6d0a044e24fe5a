//! What a process does about the others: it declares dead who gives no sign of life, and ends and takes up what such a one has left.

use rollcall_api::Chain;

use crate::{
    store::{Node, NodeState},
    users::Users,
};

/// Acts on what was seen of all processes, of which some are silent since a beat. What fails is tried again at the next beat. Nothing of it
/// holds up the next beat, and nothing the next declaration but commits of the one that is declared dead.
pub(super) fn look_after(users: &Users, silent: Vec<(i64, i64)>, nodes: &[Node], is_rare: bool) {
    let Some(cluster) = users.cluster() else { return };
    if !cluster.has_entered() {
        return;
    }
    for (node, beat) in silent {
        let users = users.clone();
        cluster.declaring.start(node, async move { declare(&users, node, beat).await });
    }
    let remains: Vec<Node> =
        nodes.iter().filter(|node| node.state != NodeState::Serving && !node.is_swept).cloned().collect();
    let (sweeping, orders, users) = (users.clone(), users.clone(), users.clone());
    cluster.sweeping.start((), async move { sweep(&sweeping, &remains, is_rare).await });
    cluster.orders.start((), async move {
        if let Err(error) = orders.take_up_orders().await {
            tracing::warn!(error = %Chain(&error), "orders of a dead server could not be taken up");
        }
    });
    cluster.taking_up.start((), async move {
        if let Err(error) = users.take_up_all().await {
            tracing::warn!(error = %Chain(&error), "users of a dead server could not be looked after");
        }
    });
}

/// Brings sockets and rows together. An engine that was away may have lost some.
pub(super) fn compare(users: &Users) {
    let Some(cluster) = users.cluster() else { return };
    let users = users.clone();
    cluster.comparing.start((), async move {
        if let Err(error) = users.compare_with_rows().await {
            tracing::warn!(error = %Chain(&error), "sockets and their rows could not be compared");
        }
    });
}

async fn declare(users: &Users, node: i64, beat: i64) {
    let Some(cluster) = users.cluster() else { return };
    match cluster.store.declare_dead(node, beat).await {
        Ok(true) => {
            tracing::warn!(node, beat, "a server gives no sign of life: it is dead");
            match users.free_force_offs().await {
                Ok(()) => users.resume_force_offs(),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "orders to selections of a dead server go on later");
                }
            }
        }
        // It has beaten, or another one was quicker.
        Ok(false) => {}
        Err(error) => {
            tracing::warn!(error = %Chain(&error), node, "a server that gives no sign of life could not be declared dead");
        }
    }
}

async fn sweep(users: &Users, remains: &[Node], is_rare: bool) {
    let Some(cluster) = users.cluster() else { return };
    for node in remains {
        if let Err(error) = cluster.sweep(node).await {
            tracing::warn!(error = %Chain(&error), node = node.id, "what a dead server has left could not be ended");
        }
    }
    if is_rare && let Err(error) = cluster.forget_gone().await {
        tracing::warn!(error = %Chain(&error), "servers that are gone could not be forgotten");
    }
}
