//! What is live of users, over both protocols and in records (`docs/rules/message-center.md#overview`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    response::Response,
};
use futures_util::{StreamExt as _, TryStreamExt as _, future::ready, stream};
use rollcall_core::{
    directory::{filter::Kind, query::ListQuery, view::View},
    id::{ConnId, TenantId, UserId},
    json,
    message_center::{MessageCenterError, TenantScope},
    user::{Presence, request::ShowOverview},
};
use serde::{Deserialize, Serialize};

use super::caller::{Administrator, NamedUser};
use crate::{
    BODY_BYTES, Backend, BackendError, answer, body,
    message_center::{Empty, Envelope, Refusals, RouteError, Shown},
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

/// Show what is live of one user
///
/// A user of another tenant looks like an unknown user, unless the caller stands above tenants.
#[utoipa::path(
    get, path = "/admin/v1/users/{userId}", tag = "administration",
    params(("userId" = String, Path, description = "The userID, percent-encoded")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The user; an unknown one has nothing that is live", body = Overview),
        (status = 400, description = "The path holds no userID", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator", body = Envelope<Empty>),
        (status = 500, description = "The user could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn overview<B: Backend>(
    State(backend): State<B>,
    NamedUser { scope, user }: NamedUser,
) -> Result<Response, RouteError> {
    let number = user.number();
    let Some((tenant, mut shown)) = of(&backend, scope, vec![user]).await?.pop() else {
        return Err(MessageCenterError::Internal.into());
    };
    let mut records = Vec::new();
    if let Some(number) = number {
        let pairs = [("userId", number.to_string().as_str()), ("online", "true"), ("pageSize", RECORDS)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let asked = ListQuery::parse(Kind::List, &pairs, backend.zone())?;
        let view = backend.view(tenant).await?;
        let listed = backend.list(tenant, asked, &view).await?.records;
        records.extend(listed.into_iter().map(|record| Shown::new(record, &view, backend.zone())));
    }
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
        (status = 403, description = "Not an administrator", body = Envelope<Empty>),
        (status = 413, description = "The body is larger than 1 MiB", body = Envelope<Empty>),
        (status = 500, description = "A user could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn overviews<B: Backend>(
    State(backend): State<B>,
    Administrator { scope }: Administrator,
    request: Request,
) -> Result<Response, RouteError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(&parts, body, BODY_BYTES).await?;
    let Asked { ids } =
        json::object(&bytes).map_err(|_| MessageCenterError::Unparsable { too_large: false })?;
    if ids.length > USERS {
        return Err(MessageCenterError::Invalid(format!("size must be between 0 and {USERS}")).into());
    }
    let users = ids.items.into_iter().map(UserId::new).collect::<Result<_, _>>();
    let users = users.map_err(|error| MessageCenterError::Invalid(error.to_string()))?;
    let shown = of(&backend, scope, users).await?;
    Ok(answer::json(&Overviews { users: shown.into_iter().map(|(_, shown)| shown).collect() }))
}

/// What is live of each user, with the user's tenant.
///
/// Sockets are asked of the users. Records are looked for in the user's tenant, and in those that have imported ones of the user.
async fn of<B: Backend>(
    backend: &B,
    scope: TenantScope,
    users: Vec<UserId>,
) -> Result<Vec<(TenantId, Overview)>, RouteError> {
    let within = scope.limit();
    let lives = users.iter().map(|user| (user.clone(), ShowOverview { within }));
    let lives = backend.run_many(lives.collect::<Vec<_>>()).await?;
    let of_users = users.iter().zip(&lives).filter_map(|(user, live)| Some((user.number()?, live.tenant)));
    let mut places: BTreeSet<(i64, TenantId)> = of_users.collect();
    let imported = backend.imported_in(places.iter().map(|(user, _)| *user).collect()).await?;
    places.extend(imported.into_iter().filter(|(_, tenant)| scope.check(*tenant).is_ok()));
    let online = online(backend, places).await?;
    let overview = |(user, live): (UserId, rollcall_core::user::Overview)| {
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
        };
        (live.tenant, shown)
    };
    Ok(users.into_iter().zip(lives).map(overview).collect())
}

/// Of these users and tenants, those with a record that is online.
async fn online<B: Backend>(
    backend: &B,
    places: BTreeSet<(i64, TenantId)>,
) -> Result<BTreeSet<(i64, TenantId)>, RouteError> {
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
    Ok(found.try_filter_map(|found| ready(Ok(found))).try_collect().await?)
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
