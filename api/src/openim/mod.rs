//! The OpenIM family: users' status, tokens, forced logout (`docs/rules/openim.md`).

mod account;
mod auth;
mod caller;
mod compat;
mod envelope;
pub mod gateway;
mod input;
mod subscribe;
mod user;

use axum::response::{IntoResponse as _, Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    account::{
        __path_account_check, __path_update_user_info, __path_update_user_info_ex, __path_user_register,
    },
    auth::{__path_admin_token, __path_force_logout, __path_parse_token, __path_user_token},
    subscribe::{__path_subscribe, __path_subscriptions},
    user::{__path_online_status, __path_online_token_detail, __path_users_status},
};
pub use self::{envelope::RouteError, input::header as joined_header};
pub(crate) use self::{
    envelope::{Done, render},
    gateway::__path_connect,
};
use crate::Backend;

/// The routes of this family. Everything but POST is another route, and there is none.
pub(crate) fn routes<B: Backend>() -> OpenApiRouter<B> {
    // `routes!` takes names without type parameters.
    let (online_status, online_token_detail, users_status) =
        (user::online_status::<B>, user::online_token_detail::<B>, user::users_status::<B>);
    let (admin_token, user_token, parse_token, force_logout) =
        (auth::admin_token::<B>, auth::user_token::<B>, auth::parse_token::<B>, auth::force_logout::<B>);
    let (user_register, account_check) = (account::user_register::<B>, account::account_check::<B>);
    let (update_user_info, update_user_info_ex) =
        (account::update_user_info::<B>, account::update_user_info_ex::<B>);
    let (subscribe, subscriptions) = (subscribe::subscribe::<B>, subscribe::subscriptions::<B>);
    OpenApiRouter::default()
        .routes(routes!(online_status))
        .routes(routes!(online_token_detail))
        .routes(routes!(users_status))
        .routes(routes!(user_register))
        .routes(routes!(account_check))
        .routes(routes!(update_user_info))
        .routes(routes!(update_user_info_ex))
        .routes(routes!(subscribe))
        .routes(routes!(subscriptions))
        .routes(routes!(admin_token))
        .routes(routes!(user_token))
        .routes(routes!(parse_token))
        .routes(routes!(force_logout))
        .merge(compat::routes())
}

/// The 404 of this family. Never a 15xx code: stock clients log out on those.
pub(crate) fn not_found() -> Response {
    RouteError::no_route().into_response()
}

#[cfg(test)]
pub(crate) mod bodies {
    pub(crate) use super::{
        auth::{AdminTokenRequest, Login, TokenRequest},
        user::UserIds,
    };
}
