//! `/user/*subscribe_users_status`: subscriptions by REST, which stock servers do not keep either. Those of the gateway are
//! kept (`docs/rules/openim.md#subscriptions`).

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use rollcall_core::openim::{Code, OpenImError};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    RouteError,
    caller::Caller,
    envelope::{Failures, Success},
    input::{Body, OperationId},
    user::{StatusList, most_ids, platforms, read_ids},
};
use crate::Backend;

/// The value of `genre` that follows users.
const SUBSCRIBE: i64 = 1;
/// The value of `genre` that follows them no longer.
const UNSUBSCRIBE: i64 = 2;

/// Users to follow, or to follow no longer.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"userID": "2890713225", "userIDs": ["2621568666"], "genre": 1}))]
pub(crate) struct Subscription {
    /// The user who follows
    #[serde(rename = "userID", default)]
    user_id: String,
    /// The users to follow. At most `openim.max_user_ids` (1,000).
    #[serde(rename = "userIDs")]
    #[schema(required, nullable = false, value_type = Option<Vec<String>>)]
    ids: Option<Box<RawValue>>,
    /// 1 to subscribe, 2 to cancel
    #[serde(default)]
    genre: i64,
}

/// A user who follows others.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Subscriber {
    /// The user
    #[serde(rename = "userID", default)]
    user_id: String,
}

/// Subscribe to the status of users
///
/// The answer holds the platforms as they are, and nothing is kept: pushes come by the gateway's request 2005. The route takes
/// any good token.
#[utoipa::path(
    post, path = "/user/subscribe_users_status", tag = "user", request_body = Subscription,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        Failures,
        (status = 200, description = "The platforms, none after `genre` 2, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<StatusList<'_>>),
    )
)]
pub(crate) async fn subscribe<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    _: Caller,
    Body(asked): Body<Subscription>,
) -> Result<Response, RouteError> {
    must_be_named(&asked.user_id)?;
    let ids = asked.ids.ok_or_else(|| args("subscription User-list is empty"))?;
    let ids = read_ids("userIDs", &ids, most_ids(&backend))?;
    match asked.genre {
        SUBSCRIBE => Ok(Success::of(platforms(&backend, &ids).await?).into_response()),
        UNSUBSCRIBE => Ok(Success::of(StatusList::default()).into_response()),
        _ => Err(args("invalid subscription type parameter")),
    }
}

/// Subscriptions of a user
///
/// Always empty: subscriptions by REST are not kept. The route takes any good token.
#[utoipa::path(
    post, path = "/user/get_subscribe_users_status", tag = "user", request_body = Subscriber,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        Failures,
        (status = 200, description = "An empty list, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<StatusList<'_>>),
    )
)]
pub(crate) async fn subscriptions<B: Backend>(
    _: State<B>,
    _: OperationId,
    _: Caller,
    Body(asked): Body<Subscriber>,
) -> Result<Response, RouteError> {
    must_be_named(&asked.user_id)?;
    Ok(Success::of(StatusList::default()).into_response())
}

fn must_be_named(user: &str) -> Result<(), RouteError> {
    if user.is_empty() { Err(args("UserID is empty")) } else { Ok(()) }
}

fn args(detail: &'static str) -> RouteError {
    OpenImError::new(Code::Args, detail).into()
}
