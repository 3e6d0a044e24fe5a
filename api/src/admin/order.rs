//! How far the deliveries of orders are (`docs/rules/message-center.md#progress`).

use axum::{extract::State, response::Response};
use rollcall_core::{directory::view::Cutoff, shard::undelivered::Undelivered};
use serde::Serialize;

use super::caller::NamedTenant;
use crate::{
    Backend, answer,
    message_center::{Empty, Envelope, Refusals, RouteError},
};

/// What is in force for a tenant, and what has not reached all of its users yet.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Orders {
    tenant_id: String,
    /// The latest order to the whole tenant, which stays in force; left out where there was none
    #[serde(skip_serializing_if = "Option::is_none")]
    cutoff: Option<TenantOrder>,
    /// In the order in which they were given
    undelivered: Vec<Order>,
}

/// The latest order to a whole tenant.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TenantOrder {
    order_id: String,
    order_date: String,
    /// Whether it was lifted for tokens of other issuers
    is_lifted: bool,
}

/// An order under delivery.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UndeliveredOrder)]
pub(crate) struct Order {
    /// Its number; later orders have greater ones
    order_id: String,
    /// `TENANT` or `USERS`
    scope: &'static str,
    order_date: String,
    /// How many users it names; left out for the whole tenant
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<u64>,
    /// How many users its delivery has come to
    reached: u64,
}

/// A tenant's orders
///
/// The latest order to the whole tenant, and the orders under delivery: they are in force for every reader, and sockets are still
/// being closed. An order that is not listed there has reached all of its users.
#[utoipa::path(
    get, path = "/admin/v1/tenants/{tenantId}/order", tag = "administration",
    params(("tenantId" = i64, Path, description = "The tenant's number")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The orders, usually none", body = Orders),
        (status = 400, description = "The path holds no number", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator, or of another tenant", body = Envelope<Empty>),
        (status = 500, description = "The orders could not be read", body = Envelope<Empty>),
    )
)]
pub(crate) async fn order<B: Backend>(
    State(backend): State<B>,
    NamedTenant { tenant, .. }: NamedTenant,
) -> Result<Response, RouteError> {
    let shown = |order: Undelivered| Order {
        order_id: order.serial.number().to_string(),
        scope: if order.users.is_some() { "USERS" } else { "TENANT" },
        order_date: backend.zone().format(order.at),
        users: order.users,
        reached: order.reached,
    };
    let kept = |cutoff: Cutoff| TenantOrder {
        order_id: cutoff.serial.number().to_string(),
        order_date: backend.zone().format(cutoff.at),
        is_lifted: cutoff.lifted,
    };
    let cutoff = backend.view(tenant).await?.cutoff.map(kept);
    let undelivered = backend.undelivered(tenant).await?.into_iter().map(shown).collect();
    Ok(answer::json(&Orders { tenant_id: tenant.to_string(), cutoff, undelivered }))
}
