//! The OpenIM family: users' status, tokens, forced logout (`docs/rules/openim.md`).

mod auth;
mod caller;
mod compat;
mod envelope;
pub mod gateway;
mod input;
mod user;

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{Method, StatusCode, Uri};

pub(crate) use self::{
    auth::{__path_admin_token, __path_force_logout, __path_parse_token, __path_user_token},
    compat::{__path_nothing, __path_users_info, describe},
    envelope::{Done, render},
    gateway::__path_connect,
    user::{__path_online_status, __path_online_token_detail, __path_users_status},
};
pub use self::{envelope::Failed, input::header as joined_header};
use crate::Backend;

/// The routes of this family. Everything but POST is another route, and there is none.
pub(crate) fn routes<B: Backend>() -> Router<B> {
    Router::new()
        .route("/user/get_users_online_status", post(user::online_status::<B>))
        .route("/user/get_users_online_token_detail", post(user::online_token_detail::<B>))
        .route("/user/get_users_status", post(user::users_status::<B>))
        .route("/auth/get_admin_token", post(auth::admin_token::<B>))
        .route("/auth/get_user_token", post(auth::user_token::<B>))
        .route("/auth/parse_token", post(auth::parse_token::<B>))
        .route("/auth/force_logout", post(auth::force_logout::<B>))
        .merge(compat::routes())
}

/// There is no such route. Never a 15xx: stock clients log out on those.
pub(crate) async fn not_found(method: Method, uri: Uri) -> Response {
    (StatusCode::NOT_FOUND, format!("404: no route {method} {}", uri.path())).into_response()
}
