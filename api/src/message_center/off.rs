//! Taking users offline (`docs/rules/message-center.md#force-off`).

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use rollcall_core::{
    audit::{Entry, Operation, Part, Progress, Selection},
    id::UserId,
    message_center::{CallerAction, MessageCenterError, Order, Receivers, close_notice},
    user::{ForceOff, request::Audited},
};

use super::{
    Caller, RouteError,
    envelope::{Empty, Envelope, Refusals, success},
    members,
};
use crate::{BODY_BYTES, Backend, BackendError, body, openim::joined_header};

/// An order.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, non_snake_case, reason = "its fields are the documentation of the body")]
pub(crate) struct OfflineRequest {
    /// Whether ids are required; the order reaches all receivers either way
    #[schema(default = true)]
    broadcast: Option<bool>,
    /// `USER`, `TENANT`, and unless `message_center.receive_types` is `strict` also `DEPT`, `GROUP` and `ALL`
    #[schema(example = "USER")]
    receiveObjectType: String,
    /// At most 10,000 numbers or numeric texts
    #[schema(example = json!(["101"]))]
    receiveObjectIds: Option<Vec<String>>,
}

/// Take users offline
///
/// When the answer arrives, no receiver is shown online and none of their tokens is accepted. Unknown ids, ids of other
/// tenants and ids of offline users are ignored. A repeated order changes nothing. The sockets of an order to more than
/// 1,000 users (`message_center.direct_users`) are closed after the answer.
#[utoipa::path(
    post, path = "/api/v1/message/center/online/off", tag = "message center", request_body = OfflineRequest,
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "Done", body = Envelope<Empty>),
        (status = 204, description = "Done, where `message_center.off_status` says so"),
        (status = 400, description = "The body is not as documented; `ext.eKey` says how", body = Envelope<Empty>),
        (status = 413, description = "The body is larger than 1 MiB", body = Envelope<Empty>),
        (status = 415, description = "The body is not `application/json`", body = Envelope<Empty>),
        (status = 503, description = "16 orders of the tenant to as many users are under delivery", body = Envelope<Empty>),
        (status = 500, description = "The order was not carried out completely; a repetition is safe", body = Envelope<Empty>),
    )
)]
pub(crate) async fn off<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    request: Request,
) -> Result<Response, RouteError> {
    let (parts, body) = request.into_parts();
    must_be_json(&parts.headers)?;
    let settings = backend.settings();
    let bytes = body::read(&parts, body, BODY_BYTES).await?;
    let order = Order::parse(&bytes, &settings.message_center, members::can_be_told(settings))?;
    let own = order.as_ref().is_some_and(|order| order.is_own(&caller.principal));
    caller.require(&backend, CallerAction::ForceOff, own)?;
    match order {
        Some(order) => carry_out(&backend, &caller, order).await?,
        None => nobody(&backend, &caller, Operation::Off, Selection::default()).await?,
    }
    if backend.settings().message_center.off_status == StatusCode::NO_CONTENT.as_u16() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(success(&backend, Empty {}))
}

pub(crate) fn must_be_json(headers: &HeaderMap) -> Result<(), MessageCenterError> {
    let given = joined_header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(MessageCenterError::MediaType(given))
    }
}

async fn carry_out<B: Backend>(backend: &B, caller: &Caller, order: Order) -> Result<(), RouteError> {
    let selection = Selection::receivers(order.receivers.name(), &order.ids);
    match order.receivers {
        Receivers::User => users(backend, caller, Receivers::User, &[], order.ids, selection).await,
        Receivers::Dept | Receivers::Group => {
            let mut members = members::of(backend, caller.tenant, order.receivers, &order.ids).await?;
            let exempt: Vec<i64> = exempt(backend, caller).collect();
            members.retain(|member| !exempt.contains(member));
            users(backend, caller, order.receivers, &order.ids, members, selection).await
        }
        Receivers::Tenant if !order.ids.contains(&caller.tenant.0) => {
            nobody(backend, caller, Operation::TenantOff, selection).await
        }
        Receivers::Tenant => tenant(backend, caller, Receivers::Tenant, selection).await,
        Receivers::All => {
            caller.require(backend, CallerAction::Administer, false)?;
            tenant(backend, caller, Receivers::All, selection).await
        }
    }
}

/// The entry of the order in the audit.
fn entry<B: Backend>(backend: &B, caller: &Caller, operation: Operation, selection: Selection) -> Entry {
    caller.giver().entry(backend, Some(caller.tenant), operation, selection)
}

/// An order that reaches nobody is one, too.
async fn nobody<B: Backend>(
    backend: &B,
    caller: &Caller,
    operation: Operation,
    selection: Selection,
) -> Result<(), RouteError> {
    let entry = entry(backend, caller, operation, selection);
    let audit = Part::whole(entry, caller.tenant, Some(0), Progress::Done);
    Ok(backend.keep_entry(audit).await?)
}

/// Takes these users offline: few of them each by a command of its own, many by one order that is delivered to them. A user of
/// another tenant ignores either.
async fn users<B: Backend>(
    backend: &B,
    caller: &Caller,
    receivers: Receivers,
    named: &[i64],
    users: Vec<i64>,
    selection: Selection,
) -> Result<(), RouteError> {
    if users.is_empty() {
        return nobody(backend, caller, Operation::Off, selection).await;
    }
    let entry = entry(backend, caller, Operation::Off, selection);
    let most = backend.settings().message_center.direct_users;
    if users.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        // Each receiver of an order to users hears of itself alone, when the delivery comes to it.
        let notice = notice(backend, caller, receivers, named.iter().copied())?;
        let audit = Part::whole(entry, caller.tenant, Some(users.len()), Progress::InForce);
        return Ok(backend.cut_off_users(caller.tenant, users, notice, audit).await?);
    }
    // The instant lies before the end of any connection, so that a user's detail shows a connection and not an import.
    let at = backend.now();
    let order = |user: &i64| {
        let ids = if receivers == Receivers::User { vec![*user] } else { named.to_vec() };
        let notice = Some(notice(backend, caller, receivers, ids)?);
        let order = ForceOff::Everything { within: Some(caller.tenant), notice, at: None };
        Ok((UserId::from(*user), Audited { order, entry: entry.clone() }))
    };
    let orders: Vec<_> = users.iter().map(order).collect::<Result<_, BackendError>>()?;
    backend.run_many(orders).await?;
    Ok(backend.end_imports(caller.tenant, users, at).await?)
}

/// Sets the tenant's cutoff: in force for every reader when this returns.
async fn tenant<B: Backend>(
    backend: &B,
    caller: &Caller,
    receivers: Receivers,
    selection: Selection,
) -> Result<(), RouteError> {
    let notice = notice(backend, caller, receivers, [caller.tenant.0])?;
    let entry = entry(backend, caller, Operation::TenantOff, selection);
    let audit = Part::whole(entry, caller.tenant, None, Progress::InForce);
    Ok(backend.cut_off(caller.tenant, exempt(backend, caller).collect(), notice, audit).await?)
}

/// The users that orders to many do not reach: the caller and the OpenIM administrators.
pub(crate) fn exempt<'a, B: Backend>(backend: &'a B, caller: &'a Caller) -> impl Iterator<Item = i64> + 'a {
    let admins = backend
        .settings()
        .auth
        .admin_user_ids
        .iter()
        .filter_map(|id| UserId::new(id.as_str()).ok()?.number());
    caller.principal.user.number().into_iter().chain(admins)
}

/// The message that consoles get before an order closes them.
pub(crate) fn notice<B: Backend>(
    backend: &B,
    caller: &Caller,
    receivers: Receivers,
    ids: impl IntoIterator<Item = i64>,
) -> Result<String, BackendError> {
    let id = uuid::Builder::from_random_bytes(backend.random().to_be_bytes()).into_uuid().to_string();
    let date = backend.zone().format(backend.now());
    close_notice(&id, receivers, ids, &caller.principal, &date).map_err(BackendError::new)
}
