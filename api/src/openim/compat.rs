//! What stock clients call around their connection, so that they report the end of their sync. None of it is
//! Rollcall's subject: it has no friends, groups or conversations, and says so
//! (`docs/rules/openim.md#compatibility`).

use axum::{
    Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::header::CONTENT_TYPE;
use rollcall_core::user::Account;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    RouteError,
    account::{account, accounts},
    caller::Caller,
    envelope::{Done, Failures, Success},
    input::{Body, OperationId},
    user::UserIds,
};
use crate::{Backend, described::DescribedRoutes as _};

/// Routes for resources that this server does not have. All answers are equal. Bodies are not read: one of them is not JSON.
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

/// The route of [`NOTHING`] that carries the description of all of them.
const FIRST: &str = "/friend/get_incremental_friends";

/// The routes of this module.
pub(super) fn routes<B: Backend>() -> Router<B> {
    let nothing = NOTHING.into_iter().fold(Router::new(), |all, path| all.route(path, post(nothing::<B>)));
    nothing.described(__path_users_info, users_info::<B>)
}

/// The description of these routes.
#[cfg(test)]
#[derive(utoipa::OpenApi)]
#[openapi(paths(nothing, users_info), modifiers(&Described))]
pub(crate) struct Described;

#[cfg(test)]
impl utoipa::Modify for Described {
    /// Gives each route of [`NOTHING`] the description of the first.
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let Some(first) = document.paths.paths.get(FIRST).cloned() else { return };
        for path in NOTHING {
            let mut item = first.clone();
            if let Some(operation) = &mut item.post {
                operation.operation_id = path.rsplit('/').next().map(str::to_owned);
            }
            document.paths.paths.insert(path.to_owned(), item);
        }
    }
}

/// An object without members.
#[derive(ToSchema)]
#[allow(dead_code, reason = "its attribute is the documentation")]
pub(crate) struct Nothing {}

/// The profiles of users.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsersInfo<'a> {
    /// One element for each requested user, in request order
    #[serde(rename = "usersInfo")]
    users: Vec<UserInfo<'a>>,
}

/// The profile of a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserInfo<'a> {
    /// The requested userID
    #[serde(rename = "userID")]
    user_id: &'a str,
    /// The registered name, else the userID
    nickname: &'a str,
    /// The address of the registered picture, or empty
    #[serde(rename = "faceURL")]
    face_url: &'a str,
    /// Empty
    ex: &'static str,
}

/// For clients: an empty list
///
/// Stock clients ask for friends, groups and conversations after they connect. This server has none. The body is not read.
#[utoipa::path(
    post, path = FIRST, tag = "compatibility",
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        (status = 200, description = "Nothing, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<Nothing>),
        (status = 500, description = "500: a user could not be reached", body = Done),
    )
)]
pub(crate) async fn nothing<B: Backend>(_: State<B>, _: OperationId, _: Caller) -> Response {
    let text = r#"{"errCode":0,"errMsg":"","errDlt":"","data":{}}"#;
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// For clients: profiles of users
///
/// Name and picture of a user are what was registered. A user without a registered name goes by its userID, whether it exists
/// or not.
#[utoipa::path(
    post, path = "/user/get_users_info", tag = "compatibility", request_body = UserIds,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "Any good token"),
    ),
    responses(
        Failures,
        (status = 200, description = "The users, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<UsersInfo<'_>>),
    )
)]
pub(crate) async fn users_info<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    _: Caller,
    Body(asked): Body<UserIds>,
) -> Result<Response, RouteError> {
    let ids = asked.checked(&backend)?;
    let accounts = accounts(&backend, &ids).await?;
    let info = |id| {
        let account = account(&accounts, id);
        UserInfo {
            user_id: id,
            nickname: account.and_then(Account::name).unwrap_or(id),
            face_url: account.and_then(Account::picture).unwrap_or_default(),
            ex: "",
        }
    };
    let users = ids.iter().map(|id| info(id.as_str())).collect();
    Ok(Success::of(UsersInfo { users }).into_response())
}
