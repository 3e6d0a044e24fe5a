//! What is live of users, over both protocols and in records (`docs/rules/administration.md#one-user`).

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{Request, State},
    response::Response,
};
use futures_util::{StreamExt as _, TryStreamExt as _, future::ready, stream};
use rollcall_core::{
    directory::{filter::Kind, query::ListQuery, view::View, zone::Zone},
    id::{ConnId, TenantId, UserId},
    json,
    message_center::{CallerAction, MessageCenterError, TenantScope},
    ordered::distinct,
    token::{
        TokenHash,
        store::{TokenRow, TokenState},
    },
    user::{self, LiveSocket, Presence, UNKNOWN, UserDetails, request::ShowOverview},
};
use serde::{Deserialize, Serialize};

use super::caller::NamedUser;
use crate::{
    Backend, BackendError, answer,
    message_center::{self, Caller, Empty, Envelope, Refusals, RouteError, Shown},
};

/// The most records that an answer lists.
const RECORDS: &str = "100";
/// The most users in one question.
const USERS: usize = 100;
/// Records that are looked for at a time.
const AT_ONCE: usize = 6;

/// A user's tenant and what of it is live.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserOverview)]
pub(crate) struct Overview {
    /// The requested userID
    user_id: String,
    /// The user's tenant; 0 where none is known
    #[schema(example = "0")]
    tenant_id: String,
    /// Whether anything below is listed
    online: bool,
    /// The live connections of the gateway, in the order in which they opened
    connections: Vec<GatewayConnection>,
    /// The ids of the live consoles
    consoles: Vec<String>,
    /// The tenants in which records of the user are online, ascending. Imported records may be of any tenant
    #[schema(example = json!(["0"]))]
    record_tenants: Vec<String>,
    /// The newest records of the user's tenant that are online, at most 100; imported ones among them. Of one user alone
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<Shown>>,
    /// The live connections of both protocols, in the order in which they opened. Of one user alone
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<Vec<Live>>,
    /// The tokens of this server that have not expired: by platform, the newest first, at most 100, and good ones before others. Of
    /// one user alone
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<Token>>,
    /// The number of all of them
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_total: Option<i64>,
    /// The deny window that is open. Of one user alone
    #[serde(skip_serializing_if = "Option::is_none")]
    deny: Option<Denied>,
}

/// A deny window: until it ends, the user gets no token and may not connect.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DenyWindow)]
pub(crate) struct Denied {
    until: String,
    /// When its order was given
    since: String,
    /// The userID of the order's giver
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of the order, on the server that it was given to
    order_id: String,
}

/// One live connection.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LiveConnection)]
pub(crate) struct Live {
    /// The connection's id, 32 hexadecimal digits
    #[serde(rename = "connID")]
    connection: String,
    /// `openim` or `messageCenter`
    #[schema(example = "openim")]
    protocol: &'static str,
    /// The platform, 1 to 11; of the gateway alone
    #[serde(rename = "platformID", skip_serializing_if = "Option::is_none")]
    platform: Option<u8>,
    /// Whether the application is in the background; of the gateway alone
    #[serde(skip_serializing_if = "Option::is_none")]
    is_background: Option<bool>,
    /// The hash of the token that it lives on; of the gateway alone
    #[serde(skip_serializing_if = "Option::is_none")]
    token_sha256: Option<String>,
    /// Its record, where it has one
    #[serde(skip_serializing_if = "Option::is_none")]
    record_id: Option<String>,
    /// As in its record, else `unknown`
    device_id: String,
    /// As in its record, else `unknown`
    remote_address: String,
    /// As in its record, else `unknown`
    user_agent: String,
    /// When it opened
    online_date: String,
}

/// A token of this server.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IssuedToken)]
pub(crate) struct Token {
    /// The SHA-256 of its text
    sha256: String,
    /// The platform, 1 to 11
    #[serde(rename = "platformID")]
    platform: u8,
    /// `good`, or `kicked` by an order, a login or a cutoff
    #[schema(example = "good")]
    state: &'static str,
    issued_at: String,
    expires_at: String,
    /// The number of live connections on it
    connections: usize,
}

/// Users to show.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = UserOverviewsRequest)]
pub(crate) struct Asked {
    /// At most 100 userIDs
    #[serde(rename = "userIds")]
    #[schema(value_type = Vec<String>, max_items = 100, example = json!(["101", "alice"]))]
    ids: json::List<String, USERS>,
}

/// What is live of several users.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = UserOverviews)]
pub(crate) struct Overviews {
    /// One element for each requested user, in request order, without `records`
    users: Vec<Overview>,
}

/// One connection of the gateway.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct GatewayConnection {
    /// The platform, 1 to 11
    #[serde(rename = "platformID")]
    platform: u8,
    /// The connection's id, 32 hexadecimal digits
    #[serde(rename = "connID")]
    connection: String,
    /// Whether the application is in the background
    #[serde(rename = "isBackground")]
    background: bool,
}

/// Show one user
///
/// What is live of it, and its tokens. Everybody may look at themselves. A user of another tenant looks like an unknown user, unless the caller stands above tenants.
#[utoipa::path(
    get, path = "/admin/v1/users/{userId}", tag = "administration",
    params(("userId" = String, Path, description = "The userID, percent-encoded")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The user; an unknown one has nothing that is live", body = Overview),
        (status = 400, description = "The path holds no userID", body = Envelope<Empty>),
        (status = 403, description = "The permission to read is missing", body = Envelope<Empty>),
        (status = 500, description = "The user could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn overview<B: Backend>(
    State(backend): State<B>,
    named: NamedUser,
) -> Result<Response, RouteError> {
    let (caller, user) = named.permitted(&backend, CallerAction::Detail)?;
    let number = user.number();
    let Some((live, mut shown)) = of(&backend, caller.scope, vec![user], true).await?.pop() else {
        return Err(MessageCenterError::Internal.into());
    };
    let tenant = live.tenant;
    let mut records = Vec::new();
    if let Some(number) = number {
        let pairs = [("userId", number.to_string().as_str()), ("online", "true"), ("pageSize", RECORDS)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let asked = ListQuery::parse(Kind::List, &pairs, backend.zone())?;
        let (listed, view) = backend.list(&caller.principal.user, tenant, asked).await?;
        records.extend(listed.records.into_iter().map(|record| Shown::new(record, &view, backend.zone())));
    }
    // An object of the version before, while a deploy is under way, knows no details.
    let Some(details) = &live.details else { return Err(MessageCenterError::Busy.into()) };
    show(&mut shown, &live.connections, details, &records, backend.zone());
    shown.records = Some(records);
    Ok(answer::json(&shown))
}

/// Show what is live of several users
///
/// As for one user, without the list of records.
#[utoipa::path(
    post, path = "/admin/v1/users:batchGet", tag = "administration", request_body = Asked,
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The users; an unknown one has nothing that is live", body = Overviews),
        (status = 400, description = "The body is not as documented; `ext.eKey` says how", body = Envelope<Empty>),
        (status = 403, description = "The permission to read is missing", body = Envelope<Empty>),
        (status = 413, description = "The body is larger than 1 MiB", body = Envelope<Empty>),
        (status = 500, description = "A user could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn overviews<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    request: Request,
) -> Result<Response, RouteError> {
    caller.require(&backend, CallerAction::Detail, false)?;
    let (_parts, Asked { ids }) = message_center::object(request).await?;
    if ids.length > USERS {
        return Err(MessageCenterError::Invalid(format!("size must be between 0 and {USERS}")).into());
    }
    let users = ids.items.into_iter().map(UserId::new).collect::<Result<_, _>>();
    let users = users.map_err(|error| MessageCenterError::Invalid(error.to_string()))?;
    let shown = of(&backend, caller.scope, users, false).await?;
    Ok(answer::json(&Overviews { users: shown.into_iter().map(|(_, shown)| shown).collect() }))
}

/// What is live of each user, with the user's tenant.
///
/// Sockets are asked of the users. Records are looked for in the user's tenant, and in those that have imported ones of the user.
async fn of<B: Backend>(
    backend: &B,
    scope: TenantScope,
    users: Vec<UserId>,
    details: bool,
) -> Result<Vec<(user::Overview, Overview)>, RouteError> {
    let within = scope.limit();
    let lives = users.iter().map(|user| (user.clone(), ShowOverview { within, details }));
    let lives = backend.run_many(lives.collect::<Vec<_>>()).await?;
    let of_users = users.iter().zip(&lives).filter_map(|(user, live)| Some((user.number()?, live.tenant)));
    let mut places = distinct(of_users);
    let imported = backend.imported_in(places.iter().map(|(user, _)| *user).collect()).await?;
    places.extend(imported.into_iter().filter(|(_, tenant)| scope.check(*tenant).is_ok()));
    let online = online(backend, distinct(places)).await?;
    let overview = |(user, live): (UserId, user::Overview)| {
        let tenants = user.number().into_iter().flat_map(|number| {
            online.iter().filter(move |(user, _)| *user == number).map(|(_, tenant)| tenant.to_string())
        });
        let record_tenants: Vec<String> = tenants.collect();
        let shown = Overview {
            user_id: user.to_string(),
            tenant_id: live.tenant.to_string(),
            online: !(live.connections.is_empty() && live.consoles.is_empty() && record_tenants.is_empty()),
            connections: live.connections.iter().map(GatewayConnection::of).collect(),
            consoles: live.consoles.iter().map(ConnId::to_string).collect(),
            record_tenants,
            records: None,
            live: None,
            tokens: None,
            tokens_total: None,
            deny: None,
        };
        (live, shown)
    };
    Ok(users.into_iter().zip(lives).map(overview).collect())
}

/// Of these users and tenants, those with a record that is online.
async fn online<B: Backend>(
    backend: &B,
    places: Vec<(i64, TenantId)>,
) -> Result<Vec<(i64, TenantId)>, RouteError> {
    let mut views: BTreeMap<TenantId, View> = BTreeMap::new();
    for (_, tenant) in &places {
        if !views.contains_key(tenant) {
            views.insert(*tenant, backend.view(*tenant).await?);
        }
    }
    let views = Arc::new(views);
    let look = |(user, tenant): (i64, TenantId)| {
        let (backend, views) = (backend.clone(), Arc::clone(&views));
        async move {
            let Some(view) = views.get(&tenant) else { return Ok(None) };
            let record = backend.detail(tenant, user, view).await?;
            Ok::<_, BackendError>(record.filter(|record| view.is_online(record)).map(|_| (user, tenant)))
        }
    };
    let found = stream::iter(places.into_iter().map(look)).buffer_unordered(AT_ONCE);
    let found: Vec<_> = found.try_filter_map(|found| ready(Ok(found))).try_collect().await?;
    Ok(distinct(found))
}

/// Adds what is asked of one user alone.
fn show(
    shown: &mut Overview,
    connections: &[Presence],
    details: &UserDetails,
    records: &[Shown],
    zone: &Zone,
) {
    let hashes: Vec<(&Presence, TokenHash)> =
        connections.iter().map(|one| (one, TokenHash::of(one.token.expose()))).collect();
    let live = |socket: &LiveSocket| {
        let on_gateway = hashes.iter().find(|(one, _)| one.connection == socket.id);
        let record_id = socket.record.map(|record| record.to_string());
        let record = records.iter().find(|record| Some(&record.id) == record_id.as_ref());
        let text =
            |of: fn(&Shown) -> &String| record.map_or_else(|| UNKNOWN.to_owned(), |one| of(one).clone());
        Live {
            connection: socket.id.to_string(),
            protocol: if on_gateway.is_some() { "openim" } else { "messageCenter" },
            platform: on_gateway.map(|(one, _)| one.platform.number()),
            is_background: on_gateway.map(|(one, _)| one.background),
            token_sha256: on_gateway.map(|(_, hash)| hash.to_string()),
            device_id: text(|record| &record.device_id),
            remote_address: text(|record| &record.remote_address),
            user_agent: text(|record| &record.user_agent),
            record_id,
            online_date: zone.format(socket.opened_at),
        }
    };
    let token = |row: &TokenRow| Token {
        sha256: row.hash.to_string(),
        platform: row.platform.number(),
        state: if row.state == TokenState::Valid { "good" } else { "kicked" },
        issued_at: zone.format(row.issued_at),
        expires_at: zone.format(row.expires),
        connections: hashes.iter().filter(|(_, hash)| *hash == row.hash).count(),
    };
    let mut rows: Vec<&TokenRow> = details.tokens.iter().collect();
    rows.sort_by_key(|row| (row.platform.number(), std::cmp::Reverse(row.order)));
    shown.live = Some(details.live.iter().map(live).collect());
    shown.tokens = Some(rows.into_iter().map(token).collect());
    shown.tokens_total = Some(details.token_count);
    shown.deny = details.deny.as_ref().map(|window| Denied {
        until: zone.format(window.until),
        since: zone.format(window.order.at()),
        by: window.by.to_string(),
        reason: window.reason.clone(),
        order_id: window.order.to_string(),
    });
}

impl GatewayConnection {
    fn of(presence: &Presence) -> Self {
        Self {
            platform: presence.platform.number(),
            connection: presence.connection.to_string(),
            background: presence.background,
        }
    }
}
