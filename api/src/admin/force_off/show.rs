//! Orders that were given.

use std::str::FromStr;

use axum::{extract::State, response::Response};
use http::Uri;
use rollcall_core::{
    audit::EntryId,
    directory::query,
    id::TenantId,
    message_center::{CallerAction, MessageCenterError},
    order::{self, Answer, Ask},
};
use serde::Serialize;

use super::document::{ForceOffOrder, document, shown};
use crate::{
    Backend, answer,
    message_center::{Caller, Empty, Envelope, Refusals, RouteError},
};

/// Show an order to a selection
///
/// How far it is, and who could not be reached yet. The latest 1,000 orders of the tenant are shown.
#[utoipa::path(
    get, path = "/admin/v1/force-offs/{id}", tag = "administration",
    params(
        ("id" = String, Path, description = "The order's id"),
        ("tenantId" = Option<i64>, Query, description = "The tenant of the order, for callers above tenants; that of the request where it is left out"),
    ),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The order", body = ForceOffOrder),
        (status = 400, description = "`tenantId` is no number", body = Envelope<Empty>),
        (status = 403, description = "The right to read is missing, or the tenant is another one", body = Envelope<Empty>),
        (status = 404, description = "The tenant has no such order", body = Envelope<Empty>),
    )
)]
pub(crate) async fn show_force_off<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, RouteError> {
    let tenant = readable(&backend, &caller, &uri)?;
    let id = uri.path().rsplit('/').next().unwrap_or_default();
    let unknown = || MessageCenterError::NoOrder(id.to_owned());
    let order: EntryId = id.parse().map_err(|_| unknown())?;
    match backend.force_off(tenant, Ask::Show(order)).await? {
        Answer::Order(order, unreached) if order.order.tenant == tenant => {
            Ok(shown(&backend, *order, &unreached, false))
        }
        _ => Err(unknown().into()),
    }
}

/// A page of orders, the newest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ForceOffPage {
    /// Without `unreached`
    list: Vec<ForceOffOrder>,
    /// What `before` takes for the next page; left out where there is none
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// List orders to selections
///
/// The latest 1,000 of the tenant and those that are not cut off, the newest first, with how far they are.
#[utoipa::path(
    get, path = "/admin/v1/force-offs", tag = "administration",
    params(
        ("before" = Option<String>, Query, description = "Orders before this one: `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "The most orders of the page, 1 to 100; 100 where it is left out", minimum = 1, maximum = 100),
        ("tenantId" = Option<i64>, Query, description = "The tenant of the orders, for callers above tenants; that of the request where it is left out"),
    ),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "A page", body = ForceOffPage),
        (status = 400, description = "A parameter is not as documented", body = Envelope<Empty>),
        (status = 403, description = "The right to read is missing, or the tenant is another one", body = Envelope<Empty>),
    )
)]
pub(crate) async fn list_force_offs<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, RouteError> {
    let tenant = readable(&backend, &caller, &uri)?;
    let before: Option<EntryId> = named(&uri, "before")?;
    let limit = named(&uri, "limit")?.unwrap_or(order::PAGE);
    if limit == 0 || limit > order::PAGE {
        return Err(
            MessageCenterError::Invalid(format!("limit must be between 1 and {}", order::PAGE)).into()
        );
    }
    // One more says whether there is another page.
    let ask = Ask::List { before, limit: limit + 1 };
    let Answer::Orders(mut orders) = backend.force_off(tenant, ask).await? else {
        return Err(MessageCenterError::Internal.into());
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = orders.len() > limit;
    orders.truncate(limit);
    let next = orders.last().filter(|_| is_more).map(|last| last.order.entry.id.to_string());
    let list = orders.into_iter().map(|order| document(&backend, order, None)).collect();
    Ok(answer::json(&ForceOffPage { list, next }))
}

/// The tenant whose orders a request is about, once its caller may read them.
fn readable<B: Backend>(backend: &B, caller: &Caller, uri: &Uri) -> Result<TenantId, RouteError> {
    caller.require(backend, CallerAction::Detail, false)?;
    let tenant = named(uri, "tenantId")?.map_or(caller.tenant, TenantId);
    caller.scope.check(tenant)?;
    Ok(tenant)
}

/// A parameter of a query string; an empty one is none.
fn named<T: FromStr>(uri: &Uri, field: &'static str) -> Result<Option<T>, MessageCenterError> {
    let pairs = query::pairs(uri.query().unwrap_or_default());
    let given = pairs.into_iter().find(|(name, value)| name == field && !value.is_empty());
    let Some((_, text)) = given else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| MessageCenterError::Binding { field, rejected: text })
}
