//! What is live of one user, over both protocols (`docs/rules/message-center.md#overview`).

use axum::{extract::State, response::Response};
use rollcall_core::{
    directory::{filter::Kind, query::ListQuery},
    id::ConnId,
    message_center::CallerAction,
    user::{Presence, request::ShowOverview},
};
use serde::Serialize;

use super::{UserPath, user_of};
use crate::{
    Backend, answer,
    message_center::{Caller, Empty, Envelope, Refusals, RouteError, Shown},
};

/// The most records that an answer lists.
const RECORDS: &str = "100";

/// A user's tenant and what of it is live.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserOverview)]
pub(crate) struct Overview {
    /// The userID of the path
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
    /// The newest records of the tenant that are online, at most 100; imported ones among them
    records: Vec<Shown>,
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
    caller: Caller,
    path: UserPath,
) -> Result<Response, RouteError> {
    caller.require(&backend, CallerAction::Administer, false)?;
    let user = user_of(path)?;
    let live = backend.run(&user, ShowOverview { within: caller.scope.limit() }).await?;
    let mut records = Vec::new();
    if let Some(number) = user.number() {
        let pairs = [("userId", number.to_string().as_str()), ("online", "true"), ("pageSize", RECORDS)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let asked = ListQuery::parse(Kind::List, &pairs, backend.zone())?;
        let view = backend.view(live.tenant).await?;
        let listed = backend.list(live.tenant, asked, &view).await?.records;
        records.extend(listed.into_iter().map(|record| Shown::new(record, &view, backend.zone())));
    }
    Ok(answer::json(&Overview {
        user_id: user.to_string(),
        tenant_id: live.tenant.to_string(),
        online: !(live.connections.is_empty() && live.consoles.is_empty() && records.is_empty()),
        connections: live.connections.iter().map(GatewayConnection::of).collect(),
        consoles: live.consoles.iter().map(ConnId::to_string).collect(),
        records,
    }))
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
