//! `/user/*`: who is online, on what, with which token.

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use rollcall_core::{
    id::UserId,
    json,
    openim::{Code, OpenImError},
    ordered::distinct,
    platform::{Platform, PlatformSet},
    user::{Presence, request::Status},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    RouteError,
    caller::Caller,
    envelope::{Failures, Success},
    input::{Body, OperationId, unreadable},
};
use crate::Backend;

/// The requested users.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"userIDs": ["2890713225"]}))]
pub(crate) struct UserIds {
    /// The users, in the order of the answer. At most `openim.max_user_ids` (1,000).
    #[serde(rename = "userIDs")]
    #[schema(required, nullable = false, value_type = Option<Vec<String>>)]
    ids: Option<Box<RawValue>>,
}

/// One user's connections.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserStatus<'a> {
    /// The requested userID
    #[serde(rename = "userID")]
    user_id: &'a str,
    /// 1 for online, 0 for offline or unknown
    status: u8,
    /// The live connections, in the order in which they opened; empty when offline
    #[serde(rename = "detailPlatformStatus")]
    connections: Vec<ConnectionStatus<'a>>,
}

/// One connection.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConnectionStatus<'a> {
    /// The platform, 1 to 11
    #[serde(rename = "platformID")]
    platform: u8,
    /// The connection's id, 32 hexadecimal digits
    #[serde(rename = "connID")]
    connection: String,
    /// Whether the application is in the background
    #[serde(rename = "isBackground")]
    background: bool,
    /// The connection's token
    token: &'a str,
}

/// One online user's tokens.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserTokens<'a> {
    /// The requested userID
    #[serde(rename = "userID")]
    user_id: &'a str,
    /// Always 1: users who are offline are left out
    status: u8,
    /// The platforms with a connection, ascending
    #[serde(rename = "singlePlatformToken")]
    platforms: Vec<PlatformTokens<'a>>,
}

/// The tokens in use on one platform.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlatformTokens<'a> {
    /// The platform, 1 to 11
    #[serde(rename = "platformID")]
    platform: u8,
    /// The number of connections on this platform
    total: usize,
    /// Their tokens, in the order in which they opened
    token: Vec<&'a str>,
}

/// The platforms of some users.
#[derive(Serialize, Default, ToSchema)]
pub(crate) struct StatusList<'a> {
    /// One element for each requested user, in request order
    #[serde(rename = "statusList")]
    list: Vec<UserPlatforms<'a>>,
}

/// One user's platforms.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPlatforms<'a> {
    /// The requested userID
    #[serde(rename = "userID")]
    user_id: &'a str,
    /// 1 for online, 0 for offline or unknown
    status: u8,
    /// The platforms with a connection, ascending, each once
    #[serde(rename = "platformIDs")]
    platforms: Vec<u8>,
}

/// Online status of users
///
/// One element per requested userID, in request order, offline and unknown users included. A caller who is no
/// administrator gets 1002.
#[utoipa::path(
    post, path = "/user/get_users_online_status", tag = "user", request_body = UserIds,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token"),
    ),
    responses(
        Failures,
        (status = 200, description = "The connections, or the error in the envelope: 1001, 1002, 1501, 1503 to 1507", body = Success<Vec<UserStatus<'_>>>),
    )
)]
pub(crate) async fn online_status<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<UserIds>,
) -> Result<Response, RouteError> {
    let ids = asked.checked(&backend)?;
    caller.must_be_admin(|_| "only app manager".to_owned())?;
    let present = presences(&backend, &ids).await?;
    let data: Vec<_> = ids
        .iter()
        .map(|id| {
            let connections: Vec<_> = of(&present, id).iter().map(ConnectionStatus::of).collect();
            UserStatus { user_id: id, status: u8::from(!connections.is_empty()), connections }
        })
        .collect();
    Ok(Success::of(data).into_response())
}

/// Tokens of online users
///
/// Only users who are online, in request order. A caller who is no administrator gets 1002.
#[utoipa::path(
    post, path = "/user/get_users_online_token_detail", tag = "user", request_body = UserIds,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token"),
    ),
    responses(
        Failures,
        (status = 200, description = "The tokens, or the error in the envelope: 1001, 1002, 1501, 1503 to 1507", body = Success<Vec<UserTokens<'_>>>),
    )
)]
pub(crate) async fn online_token_detail<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<UserIds>,
) -> Result<Response, RouteError> {
    let ids = asked.checked(&backend)?;
    caller.must_be_admin(|_| "only app manager".to_owned())?;
    let present = presences(&backend, &ids).await?;
    let data: Vec<_> = ids
        .iter()
        .map(|id| UserTokens { user_id: id, status: 1, platforms: PlatformTokens::of(of(&present, id)) })
        .filter(|user| !user.platforms.is_empty())
        .collect();
    Ok(Success::of(data).into_response())
}

/// Platforms of users
///
/// The route takes any good token, and answers no tokens.
#[utoipa::path(
    post, path = "/user/get_users_status", tag = "user", request_body = UserIds,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        Failures,
        (status = 200, description = "The platforms, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<StatusList<'_>>),
    )
)]
pub(crate) async fn users_status<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    _: Caller,
    Body(asked): Body<UserIds>,
) -> Result<Response, RouteError> {
    let ids = asked.checked(&backend)?;
    if ids.is_empty() {
        return Err(no_ids());
    }
    Ok(Success::of(platforms(&backend, &ids).await?).into_response())
}

/// The platforms of users, never with a token.
pub(super) async fn platforms<'a, B: Backend>(
    backend: &B,
    ids: &'a [String],
) -> Result<StatusList<'a>, RouteError> {
    let present = presences(backend, ids).await?;
    let list = ids
        .iter()
        .map(|id| {
            let platforms: PlatformSet = of(&present, id).iter().map(|presence| presence.platform).collect();
            let platforms: Vec<u8> = platforms.iter().map(Platform::number).collect();
            UserPlatforms { user_id: id, status: u8::from(!platforms.is_empty()), platforms }
        })
        .collect();
    Ok(StatusList { list })
}

impl UserIds {
    /// The ids, within the bounds that hold for every question about users.
    pub(super) fn checked<B: Backend>(self, backend: &B) -> Result<Vec<String>, RouteError> {
        self.within(most_ids(backend))
    }

    pub(crate) fn within(self, most: usize) -> Result<Vec<String>, RouteError> {
        read_ids("userIDs", &self.ids.ok_or_else(no_ids)?, most)
    }
}

/// The list of ids in this member of a body.
pub(super) fn read_ids(member: &str, list: &RawValue, most: usize) -> Result<Vec<String>, RouteError> {
    let (ids, length) = json::list(list.get(), most).map_err(|error| unreadable(error.within(member)))?;
    if length > most { Err(OpenImError::new(Code::Args, "too many userIDs").into()) } else { Ok(ids) }
}

/// `openim.max_user_ids`.
pub(super) fn most_ids<B: Backend>(backend: &B) -> usize {
    usize::try_from(backend.settings().openim.max_user_ids).unwrap_or(usize::MAX)
}

fn no_ids() -> RouteError {
    OpenImError::new(Code::Args, "UserIDs is empty").into()
}

/// The live connections by user, in the order of users.
type Present = Vec<(UserId, Vec<Presence>)>;

/// The presence of the users among `ids`. A text that cannot be a userID has none, and a repeated id is asked for once.
async fn presences<B: Backend>(backend: &B, ids: &[String]) -> Result<Present, RouteError> {
    let users = distinct(ids.iter().filter_map(|id| UserId::new(id.as_str()).ok()));
    let connections = backend.run_many(users.iter().map(|user| (user.clone(), Status))).await?;
    Ok(users.into_iter().zip(connections).collect())
}

fn of<'a>(present: &'a Present, id: &str) -> &'a [Presence] {
    let place = present.binary_search_by(|(user, _)| user.as_str().cmp(id)).ok();
    place.and_then(|place| present.get(place)).map(|(_, there)| there.as_slice()).unwrap_or_default()
}

impl<'a> ConnectionStatus<'a> {
    fn of(presence: &'a Presence) -> Self {
        Self {
            platform: presence.platform.number(),
            connection: presence.connection.to_string(),
            background: presence.background,
            token: presence.token.expose(),
        }
    }
}

impl<'a> PlatformTokens<'a> {
    fn of(connections: &'a [Presence]) -> Vec<Self> {
        Platform::ALL
            .into_iter()
            .map(|platform| {
                let on = connections.iter().filter(|presence| presence.platform == platform);
                let token: Vec<&str> = on.map(|presence| presence.token.expose().as_str()).collect();
                Self { platform: platform.number(), total: token.len(), token }
            })
            .filter(|tokens| tokens.total > 0)
            .collect()
    }
}
