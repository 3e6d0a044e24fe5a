//! Orders that are given, and their dry runs.

use axum::{
    extract::{Request, State},
    response::Response,
};
use rollcall_core::{
    audit::Operation,
    message_center::{CallerAction, MessageCenterError, Receivers},
    order::{self, Answer, Ask, KEPT_FOR, NAMED, NewOrder, Order},
};
use serde::Serialize;

use super::{
    body::ForceOffRequest,
    document::{ForceOffOrder, shown},
    select::{records, select},
};
use crate::{
    BODY_BYTES, Backend, answer, body,
    message_center::{self, Caller, Empty, Envelope, Refusals, RouteError, Shown},
};

/// What an order would take.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForceOffDryRun {
    /// What the same call carries out exactly this selection with, once
    receipt: String,
    /// Until when
    expires_at: String,
    tenant_id: String,
    /// How many users it would take
    users: usize,
    /// How many of their connections match and are online. An order of the scope `user` takes their others as well, which are not
    /// counted
    connections: u64,
    /// The first 20 users
    first_users: Vec<String>,
    /// The records of the first 20 connections; left out for a caller who may not read them
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Vec<Shown>>,
}

/// What an order is answered with.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is the documentation of the answer")]
pub(crate) enum ForceOffAnswer {
    /// Of a dry run
    DryRun(ForceOffDryRun),
    /// Of an order
    Order(ForceOffOrder),
}

/// Take a selection offline
///
/// Selects connections by the keys and filters of the list, by users, platforms, connections and devices, all joined by AND, and takes
/// their users offline, or the connections alone. A dry run says how many, and gives a receipt: the same call with it carries out exactly that
/// selection, once, and a repetition answers the same order. The caller and the OpenIM administrators are spared unless `userIds` names
/// them. With `denySeconds` its users are denied from then on: no token is issued to them, and they may not connect. An order to at most `message_center.direct_users` (1,000) users is carried out before the answer; a larger one is in force for
/// every reader when it is answered, and its sockets are closed after that.
#[utoipa::path(
    post, path = "/admin/v1/force-offs", tag = "administration", request_body = ForceOffRequest,
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The dry run, or an order that has come to all of its users", body = ForceOffAnswer),
        (status = 202, description = "The order, which goes on", body = ForceOffOrder),
        (status = 400, description = "The body is not as documented, selects nothing or too much; `ext.eKey` says how", body = Envelope<Empty>),
        (status = 403, description = "The right to take users offline, or to deny them, is missing, or the tenant is another one", body = Envelope<Empty>),
        (status = 409, description = "The receipt is of another caller or body, or over", body = Envelope<Empty>),
        (status = 413, description = "The body is larger than 1 MiB", body = Envelope<Empty>),
        (status = 415, description = "The body is not `application/json`", body = Envelope<Empty>),
        (status = 500, description = "It was not carried out, or not completely. A repetition with a receipt is safe", body = Envelope<Empty>),
        (status = 503, description = "16 dry runs of the tenant are open, or as many orders under delivery", body = Envelope<Empty>),
    )
)]
pub(crate) async fn give_force_off<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    request: Request,
) -> Result<Response, RouteError> {
    let (parts, body) = request.into_parts();
    message_center::must_be_json(&parts.headers)?;
    let bytes = body::read(&parts, body, BODY_BYTES).await?;
    // Not of the caller's own user either: dry runs have few places, and orders are shown up to a number.
    caller.require(&backend, CallerAction::ForceOff, false)?;
    let asked = order::Request::parse(&bytes, backend.zone())?;
    let tenant = asked.tenant.unwrap_or(caller.tenant);
    caller.scope.check(tenant)?;
    if asked.deny.is_some() {
        caller.require(&backend, CallerAction::Administer, false)?;
    }
    let hash = asked.hash(&caller.principal.user, tenant);
    let operation = if asked.dry_run { Operation::ForceOffDryRun } else { Operation::ForceOff };
    let entry = caller.giver().entry(&backend, Some(tenant), operation, asked.selection());
    let notice = message_center::notice(&backend, &caller, Receivers::User, [])?;
    let (scope, reason, deny) = (asked.scope, asked.reason.clone(), asked.deny);
    let order = Order { tenant, scope, reason, deny, notice, entry };
    let mut new = NewOrder { body: hash, receipt: asked.receipt, users: Vec::new(), connections: 0, order };
    if asked.receipt.is_none() {
        let view = backend.view(tenant).await?;
        let (selected, first) = select(&backend, &caller, tenant, &asked, &view).await?;
        (new.users, new.connections) = (selected.users, selected.connections);
        if asked.dry_run {
            let may_list = caller.require(&backend, CallerAction::List, false).is_ok();
            let first = if may_list { Some(records(&backend, tenant, first, &view).await?) } else { None };
            return dry_run(&backend, new, first).await;
        }
    }
    match backend.force_off(tenant, Ask::Give(Box::new(new))).await? {
        Answer::Order(order, unreached) => Ok(shown(&backend, *order, &unreached, true)),
        Answer::Conflict => Err(MessageCenterError::Conflict.into()),
        Answer::TooMany => Err(MessageCenterError::Busy.into()),
        Answer::Kept | Answer::Unknown | Answer::Orders(_) => Err(MessageCenterError::Internal.into()),
    }
}

/// Keeps a dry run, and tells of it.
async fn dry_run<B: Backend>(
    backend: &B,
    run: NewOrder,
    first: Option<Vec<Shown>>,
) -> Result<Response, RouteError> {
    let (tenant, receipt) = (run.order.tenant, run.order.entry.id);
    let shown = ForceOffDryRun {
        receipt: receipt.to_string(),
        expires_at: backend.zone().format(receipt.at() + KEPT_FOR),
        tenant_id: tenant.to_string(),
        users: run.users.len(),
        connections: run.connections,
        first_users: run.users.iter().take(NAMED as usize).map(|(user, _)| user.to_string()).collect(),
        first,
    };
    match backend.force_off(tenant, Ask::DryRun(Box::new(run))).await? {
        Answer::Kept => Ok(answer::json(&shown)),
        _ => Err(MessageCenterError::Busy.into()),
    }
}
