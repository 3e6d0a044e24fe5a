//! What stock clients call around their connection, so that they report the end of their sync. None of it is
//! Rollcall's subject: it has no profiles, friends, groups or conversations, and says so
//! (`docs/rules/openim.md#compatibility`).

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::{ToSchema, openapi::OpenApi};

use super::{
    Failed,
    caller::Caller,
    envelope::{Done, Success},
    input::{Body, OperationId},
    user::UserIds,
};
use crate::Backend;

/// Lists of what there is none of here. All answers are equal, and the bodies, of which one is not even JSON, are not read.
const NOTHING: [&str; 8] = [
    FIRST,
    "/group/get_incremental_join_groups",
    "/conversation/get_incremental_conversations",
    "/friend/get_black_list",
    "/friend/get_full_friend_user_ids",
    "/group/get_full_join_group_ids",
    "/conversation/get_not_notify_conversation_ids",
    "/jssdk/get_active_conversations",
];

/// The one of [`NOTHING`] whose description serves all of them.
const FIRST: &str = "/friend/get_incremental_friends";

/// The routes of this module.
pub(super) fn routes<B: Backend>() -> Router<B> {
    let nothing = post(nothing::<B>);
    NOTHING
        .into_iter()
        .fold(Router::new(), |routes, path| routes.route(path, nothing.clone()))
        .route("/user/get_users_info", post(users_info::<B>))
}

/// Describes the other paths of [`NOTHING`] as the first one is described.
pub(crate) fn describe(document: &mut OpenApi) {
    let Some(first) = document.paths.paths.get(FIRST).cloned() else { return };
    for path in NOTHING {
        let mut item = first.clone();
        if let Some(operation) = &mut item.post {
            operation.operation_id = path.rsplit('/').next().map(str::to_owned);
        }
        document.paths.paths.insert(path.to_owned(), item);
    }
}

/// An object without members.
#[derive(ToSchema)]
#[allow(dead_code, reason = "its attribute is the documentation")]
pub(crate) struct Nothing {}

/// What is known of some users.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsersInfo<'a> {
    /// One element a user asked for, in order
    #[serde(rename = "usersInfo")]
    users: Vec<UserInfo<'a>>,
}

/// One user, of whom no more than its userID is known.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserInfo<'a> {
    /// As asked
    #[serde(rename = "userID")]
    user_id: &'a str,
    /// The userID
    nickname: &'a str,
    /// Empty
    #[serde(rename = "faceURL")]
    face_url: &'static str,
    /// Empty
    ex: &'static str,
}

/// For clients: an empty list
///
/// Stock clients ask for friends, groups and conversations when they have connected. There are none here. The body is
/// not read.
#[utoipa::path(
    post, path = "/friend/get_incremental_friends", tag = "compatibility",
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        (status = 200, description = "Nothing, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<Nothing>),
        (status = 500, description = "500: the user could not be asked", body = Done),
    )
)]
pub(crate) async fn nothing<B: Backend>(_: State<B>, _: OperationId, _: Caller) -> Response {
    let text = r#"{"errCode":0,"errMsg":"","errDlt":"","data":{}}"#;
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// For clients: profiles of users
///
/// There are none here, so that a user's name is its userID, whether it exists or not.
#[utoipa::path(
    post, path = "/user/get_users_info", tag = "compatibility", request_body = UserIds,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        (status = 200, description = "The users, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<UsersInfo<'_>>),
        (status = 413, description = "1001: the body is larger than 1 MiB", body = Done),
        (status = 500, description = "500: the user could not be asked", body = Done),
    )
)]
pub(crate) async fn users_info<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    _: Caller,
    Body(asked): Body<UserIds>,
) -> Result<Response, Failed> {
    let ids = asked.checked(&backend)?;
    let users = ids.iter().map(|id| UserInfo { user_id: id, nickname: id, face_url: "", ex: "" }).collect();
    Ok(Success::of(UsersInfo { users }).into_response())
}
