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

use axum::{
    Router,
    response::{IntoResponse as _, Response},
};

#[cfg(test)]
pub(crate) use self::compat::Described as CompatDescribed;
pub(crate) use self::envelope::{Done, render};
use self::{
    account::{
        __path_account_check, __path_update_user_info, __path_update_user_info_ex, __path_user_register,
    },
    auth::{__path_admin_token, __path_force_logout, __path_parse_token, __path_user_token},
    subscribe::{__path_subscribe, __path_subscriptions},
    user::{__path_online_status, __path_online_token_detail, __path_users_status},
};
pub use self::{envelope::RouteError, input::header as joined_header};
use crate::{Backend, described::DescribedRoutes as _};

/// The routes of this family. Everything but POST is another route, and there is none.
pub(crate) fn routes<B: Backend>() -> Router<B> {
    Router::new()
        .described(__path_online_status, user::online_status::<B>)
        .described(__path_online_token_detail, user::online_token_detail::<B>)
        .described(__path_users_status, user::users_status::<B>)
        .described(__path_user_register, account::user_register::<B>)
        .described(__path_account_check, account::account_check::<B>)
        .described(__path_update_user_info, account::update_user_info::<B>)
        .described(__path_update_user_info_ex, account::update_user_info_ex::<B>)
        .described(__path_subscribe, subscribe::subscribe::<B>)
        .described(__path_subscriptions, subscribe::subscriptions::<B>)
        .described(__path_admin_token, auth::admin_token::<B>)
        .described(__path_user_token, auth::user_token::<B>)
        .described(__path_parse_token, auth::parse_token::<B>)
        .described(__path_force_logout, auth::force_logout::<B>)
        .merge(compat::routes())
}

/// The description of these routes.
#[cfg(test)]
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        user::online_status,
        user::online_token_detail,
        user::users_status,
        account::user_register,
        account::account_check,
        account::update_user_info,
        account::update_user_info_ex,
        subscribe::subscribe,
        subscribe::subscriptions,
        auth::admin_token,
        auth::user_token,
        auth::parse_token,
        auth::force_logout,
        gateway::connect,
    ),
    components(schemas(Done))
)]
pub(crate) struct Described;

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
