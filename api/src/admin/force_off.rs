//! Orders to a selection of connections (`docs/rules/administration.md#orders-to-a-selection`).

use std::collections::BTreeMap;

use std::str::FromStr;

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{StatusCode, Uri};
use rollcall_core::{
    audit::{EntryId, Operation},
    directory::{
        filter::Condition,
        page::{Found, Question, ShardQuery},
        query::{self, Direction, Order as ListOrder, OrderBy, SortValue, Stretch},
        record::Record,
        view::View,
    },
    id::{RecordId, TenantId, UserId},
    message_center::{CallerAction, MessageCenterError, Receivers},
    order::{
        self, Answer, Ask, KEPT_FOR, MOST, NAMED, NewOrder, Order, Progress, Scope, Selected,
        State as Reached,
    },
    ordered::distinct,
    user::{LiveSocket, request::ShowOverview},
};
use serde::Serialize;

use crate::{
    BODY_BYTES, Backend, BackendError, answer, body,
    message_center::{self, Caller, Empty, Envelope, Refusals, RouteError, Shown},
};

/// An order to a selection.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "its fields are the documentation of the body")]
pub(crate) struct ForceOffRequest {
    /// The caller's tenant where it is left out. Only callers above tenants may name another
    #[schema(nullable = false)]
    tenant_id: Option<String>,
    select: ForceOffSelect,
    /// `user`: everything of each selected user. `connection`: the connections that match, the tokens that they live on and what else
    /// lives on those
    #[schema(default = "user", nullable = false)]
    scope: Option<String>,
    /// At most 500 bytes, for the audit
    #[schema(example = "left the company", nullable = false)]
    reason: Option<String>,
    /// Whether only to say what the order would take
    #[schema(default = false, nullable = false)]
    dry_run: Option<bool>,
    /// Of the dry run whose selection the order carries out; everything else in the body is as it was
    #[schema(nullable = false)]
    receipt: Option<String>,
}

/// What an order selects: at least one of these, all of them joined by AND.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "its fields are the documentation of the body")]
pub(crate) struct ForceOffSelect {
    #[schema(nullable = false)]
    user_id: Option<String>,
    #[schema(nullable = false)]
    full_name: Option<String>,
    #[schema(nullable = false)]
    device_id: Option<String>,
    #[schema(nullable = false)]
    remote_address: Option<String>,
    #[schema(nullable = false)]
    online: Option<bool>,
    #[schema(nullable = false)]
    online_date: Option<String>,
    #[schema(nullable = false)]
    offline_date: Option<String>,
    /// At most 20, as those of the list
    #[schema(nullable = false)]
    filters: Option<Vec<ForceOffFilter>>,
    /// Numbers or numeric texts, 1 to 10,000. Alone they also select users without any record
    #[schema(nullable = false)]
    user_ids: Option<Vec<String>>,
    /// Platforms of connections, 1 to 11
    #[schema(nullable = false)]
    platforms: Option<Vec<u8>>,
    /// Ids of connections, 1 to 1,000
    #[schema(nullable = false)]
    conn_ids: Option<Vec<String>>,
    /// 1 to 1,000
    #[schema(nullable = false)]
    device_ids: Option<Vec<String>>,
}

/// A filter of the list.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "its fields are the documentation of the body")]
pub(crate) struct ForceOffFilter {
    #[schema(example = "fullName")]
    key: String,
    #[schema(example = "MATCH")]
    op: String,
    /// A text, number or boolean, or a list of them for `IN` and `NOT_IN`; none for `IS_NULL` and `IS_NOT_NULL`
    #[schema(example = "zhang", nullable = false)]
    value: Option<String>,
}

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
/// them. An order to at most `message_center.direct_users` (1,000) users is carried out before the answer; a larger one is in force for
/// every reader when it is answered, and its sockets are closed after that.
#[utoipa::path(
    post, path = "/admin/v1/force-offs", tag = "administration", request_body = ForceOffRequest,
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The dry run, or an order that has come to all of its users", body = ForceOffAnswer),
        (status = 202, description = "The order, which goes on", body = ForceOffOrder),
        (status = 400, description = "The body is not as documented, selects nothing or too much; `ext.eKey` says how", body = Envelope<Empty>),
        (status = 403, description = "The right to take users offline is missing, or the tenant is another one", body = Envelope<Empty>),
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
    let hash = asked.hash(&caller.principal.user, tenant);
    let operation = if asked.dry_run { Operation::ForceOffDryRun } else { Operation::ForceOff };
    let entry = caller.giver().entry(&backend, Some(tenant), operation, asked.selection());
    let notice = message_center::notice(&backend, &caller, Receivers::User, [])?;
    let (scope, reason) = (asked.scope, asked.reason.clone());
    let order = Order { tenant, scope, reason, notice, entry };
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
    caller.require(&backend, CallerAction::Detail, false)?;
    let tenant = named(&uri, "tenantId")?.map_or(caller.tenant, TenantId);
    caller.scope.check(tenant)?;
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
    caller.require(&backend, CallerAction::Detail, false)?;
    let tenant = named(&uri, "tenantId")?.map_or(caller.tenant, TenantId);
    caller.scope.check(tenant)?;
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

/// A parameter of a query string; an empty one is none.
fn named<T: FromStr>(uri: &Uri, field: &'static str) -> Result<Option<T>, MessageCenterError> {
    let pairs = query::pairs(uri.query().unwrap_or_default());
    let given = pairs.into_iter().find(|(name, value)| name == field && !value.is_empty());
    let Some((_, text)) = given else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| MessageCenterError::Binding { field, rejected: text })
}

fn shown<B: Backend>(backend: &B, order: Progress, unreached: &[i64], is_given: bool) -> Response {
    let is_over = order.state == Reached::CutOff && order.reached >= order.users;
    let mut response = answer::json(&document(backend, order, Some(unreached)));
    if is_given && !is_over {
        *response.status_mut() = StatusCode::ACCEPTED;
    }
    response
}

fn document<B: Backend>(backend: &B, order: Progress, unreached: Option<&[i64]>) -> ForceOffOrder {
    let Progress { order, state, users, connections, reached, .. } = order;
    ForceOffOrder {
        id: order.entry.id.to_string(),
        tenant_id: order.tenant.to_string(),
        scope: order.scope.name(),
        state: state.name(),
        at: backend.zone().format(order.entry.id.at()),
        by: order.entry.by.to_string(),
        reason: order.reason,
        users,
        connections,
        reached,
        unreached: unreached.map(|users| users.iter().map(i64::to_string).collect()),
    }
}

/// Users with the records of their connections.
type Connections = BTreeMap<i64, Vec<RecordId>>;

/// What matches now, and the records of the first connections.
async fn select<B: Backend>(
    backend: &B,
    caller: &Caller,
    tenant: TenantId,
    asked: &order::Request,
    view: &View,
) -> Result<(Selected, Vec<RecordId>), RouteError> {
    let wanted = &asked.wanted;
    let limit = MOST as u64 + 1;
    let mut online = wanted.conditions.clone();
    online.push(Condition::Online { online: true, offline: false });
    // Before they are brought along: each shard has as many as that.
    if find(backend, tenant, online.clone(), view, Question::Count(Stretch::default())).await?.count
        > MOST as u64
    {
        return Err(too_many(MOST));
    }
    let positions = Question::Positions { stretch: Stretch::default(), limit };
    let mut connections = find(backend, tenant, online, view, positions).await?.connections;
    let spared: Vec<i64> = message_center::exempt(backend, caller).collect();
    let is_meant = |user: &i64| !spared.contains(user) || wanted.users.binary_search(user).is_ok();
    connections.retain(|user, _| is_meant(user));
    let by_sockets = wanted.is_about_sockets() || asked.scope == Scope::Connection;
    if by_sockets {
        only_on_sockets(backend, tenant, asked, &mut connections).await?;
    }
    let mut users: Vec<i64> = connections.keys().copied().collect();
    if !by_sockets && wanted.is_of_named_users() {
        users.clone_from(&wanted.users);
    } else if !by_sockets && !wanted.is_online() {
        let all = find(backend, tenant, wanted.conditions.clone(), view, Question::Users { limit }).await?;
        users.extend(all.users);
        users = distinct(users);
    }
    users.retain(is_meant);
    let count: usize = connections.values().map(Vec::len).sum();
    if count > MOST || users.len() > MOST {
        return Err(too_many(MOST));
    }
    let first = connections.values().flatten().take(NAMED as usize).copied().collect();
    let records = |user: &i64| match asked.scope {
        Scope::Connection => connections.get(user).cloned().unwrap_or_default(),
        Scope::User => Vec::new(),
    };
    let users = users.iter().map(|user| (*user, records(user))).collect();
    Ok((Selected { users, connections: count as u64 }, first))
}

fn too_many(most: usize) -> RouteError {
    MessageCenterError::Invalid(format!("the selection must have at most {most} users and connections"))
        .into()
}

/// Answers of the whole directory.
#[derive(Default)]
struct Everywhere {
    users: Vec<i64>,
    connections: Connections,
    records: Vec<Record>,
    count: u64,
}

/// Asks the whole directory, in the order of users.
async fn find<B: Backend>(
    backend: &B,
    tenant: TenantId,
    conditions: Vec<Condition>,
    view: &View,
    question: Question,
) -> Result<Everywhere, BackendError> {
    let order = ListOrder { by: OrderBy::UserId, direction: Direction::Ascending };
    let asked = ShardQuery { conditions, order, view: view.clone(), questions: vec![question] };
    let mut all = Everywhere::default();
    for found in backend.find(tenant, asked).await? {
        match found {
            Found::Users(some) => all.users.extend(some),
            Found::Records(some) => all.records.extend(some),
            Found::Positions(some) => {
                for position in some {
                    if let SortValue::Int(user) = position.value {
                        all.connections.entry(user).or_default().push(position.id);
                    }
                }
            }
            Found::Count(count) => all.count += count,
            Found::Listed(_) => {}
        }
    }
    Ok(all)
}

/// Leaves those connections that have a socket now, which is as the selection wants it. Imported records have none.
async fn only_on_sockets<B: Backend>(
    backend: &B,
    tenant: TenantId,
    asked: &order::Request,
    connections: &mut Connections,
) -> Result<(), RouteError> {
    let direct = usize::try_from(backend.settings().message_center.direct_users).unwrap_or(usize::MAX);
    // An order to connections has no cutoff, so that it is one to few users.
    let most = if asked.scope == Scope::Connection { direct } else { backend.users_at_once() };
    if connections.len() > most {
        return Err(too_many(most));
    }
    let wanted = &asked.wanted;
    let look = |user: &i64| (UserId::from(*user), ShowOverview { within: Some(tenant), details: true });
    let shown = backend.run_many(connections.keys().map(look).collect::<Vec<_>>()).await?;
    for (records, user) in connections.values_mut().zip(shown) {
        let Some(details) = user.details else { return Err(MessageCenterError::Busy.into()) };
        let is_wanted = |socket: &&LiveSocket| {
            let of_gateway = user.connections.iter().find(|one| one.connection == socket.id);
            let is_on = wanted.platforms.is_empty()
                || of_gateway.is_some_and(|one| wanted.platforms.contains(&one.platform));
            is_on && (wanted.connections.is_empty() || wanted.connections.contains(&socket.id))
        };
        records.retain(|id| details.live.iter().filter(is_wanted).any(|one| one.record == Some(*id)));
    }
    connections.retain(|_, records| !records.is_empty());
    Ok(())
}

/// These records as lists show them, in this order.
async fn records<B: Backend>(
    backend: &B,
    tenant: TenantId,
    ids: Vec<RecordId>,
    view: &View,
) -> Result<Vec<Shown>, BackendError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut records = find(backend, tenant, Vec::new(), view, Question::Records(ids.clone())).await?.records;
    records.retain(|record| record.tenant == tenant);
    let mut shown = Vec::with_capacity(records.len());
    for id in ids {
        if let Some(place) = records.iter().position(|record| record.id == id) {
            shown.push(Shown::new(records.swap_remove(place), view, backend.zone()));
        }
    }
    Ok(shown)
}
