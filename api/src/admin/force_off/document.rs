//! An order as it is shown.

use axum::response::Response;
use http::StatusCode;
use rollcall_core::order::{Progress, State};
use serde::Serialize;

use crate::{Backend, answer};

/// An order to a selection.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForceOffOrder {
    /// The id of its entry in the audit
    id: String,
    tenant_id: String,
    /// `user` or `connection`
    scope: &'static str,
    /// `cutOff` once no reader shows any more what it took; `ordered` until then
    #[schema(example = "cutOff")]
    state: &'static str,
    /// When it was given
    at: String,
    /// The userID of the caller
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Until when its users are denied
    #[serde(skip_serializing_if = "Option::is_none")]
    deny_until: Option<String>,
    /// How many users it is about
    users: u64,
    /// How many of their connections matched
    connections: u64,
    /// How many users have got their frames and closes, and have written down what it took
    reached: u64,
    /// The first 20 of the others; left out in a list
    #[serde(skip_serializing_if = "Option::is_none")]
    unreached: Option<Vec<String>>,
}

/// An order with the first users that it has not reached; 202 where it is given and goes on.
pub(super) fn shown<B: Backend>(backend: &B, order: Progress, unreached: &[i64], is_given: bool) -> Response {
    let is_over = order.state == State::CutOff && order.reached >= order.users;
    let mut response = answer::json(&document(backend, order, Some(unreached)));
    if is_given && !is_over {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

/// An order as an answer has it.
pub(super) fn document<B: Backend>(backend: &B, order: Progress, unreached: Option<&[i64]>) -> ForceOffOrder {
    let Progress { order, state, users, connections, reached, .. } = order;
    let window = order.window();
    ForceOffOrder {
        id: order.entry.id.to_string(),
        tenant_id: order.tenant.to_string(),
        scope: order.scope.name(),
        state: state.name(),
        at: backend.zone().format(order.entry.id.at()),
        by: order.entry.by.to_string(),
        reason: order.reason,
        deny_until: window.map(|window| backend.zone().format(window.until)),
        users,
        connections,
        reached,
        unreached: unreached.map(|users| users.iter().map(i64::to_string).collect()),
    }
}
