//! The message center's online API (`docs/rules/message-center.md`).

mod caller;
mod envelope;
mod introspection_cache;
mod issuer;
mod list;
mod members;
mod off;
mod record;
pub mod socket;
mod sockjs;

use axum::{middleware, response::Response};
use http::{HeaderMap, Method, Uri};
use rollcall_core::message_center::MessageCenterError;
use utoipa::openapi::PathItem;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt as _},
    routes,
};

pub(crate) use self::{
    caller::Caller,
    envelope::{Empty, Envelope, Refusals, RouteError, envelope_layer, refuse},
    record::Shown,
    socket::__path_connect,
    sockjs::{__path_info, allow as allow_sockjs, owns as is_sockjs},
};
pub use self::{envelope::REQUEST_ID, introspection_cache::IntrospectionCache};
use self::{
    list::{__path_detail, __path_list, __path_search},
    off::__path_off,
};
use crate::{Backend, is_below};

/// Where this family lives.
const BASE: &str = "/api/v1/message/center/online";
/// Where our own administrative routes live; they speak this family's envelope.
const ADMIN: &str = "/admin";

/// The routes of this family.
pub(crate) fn routes<B: Backend>(backend: &B) -> OpenApiRouter<B> {
    // `routes!` takes names without type parameters.
    let (list, search, detail, off) = (list::list::<B>, list::search::<B>, list::detail::<B>, off::off::<B>);
    OpenApiRouter::default()
        .routes(only_method(routes!(list)))
        .routes(only_method(routes!(off)))
        .routes(only_method(routes!(search)))
        .routes(only_method(routes!(detail)))
        .layer(middleware::from_fn_with_state(backend.clone(), envelope_layer::<B>))
}

/// Whether a path belongs to this family or shares its envelope.
pub(crate) fn owns(uri: &Uri) -> bool {
    let path = uri.path();
    path.starts_with("/api/v1/message/center/") || is_below(path, ADMIN)
}

/// Whether answers on a path have this family's envelope; those of its sockets do.
pub fn answers(uri: &Uri) -> bool {
    owns(uri) || uri.path().starts_with(socket::PATH)
}

/// The 404 of this family.
pub(crate) fn no_handler<B: Backend>(
    backend: &B,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Response {
    let error = MessageCenterError::NoHandler { method: method.to_string(), path: uri.path().to_owned() };
    envelope::refuse(backend, headers, &error)
}

/// A route that refuses every other method by naming its own.
pub(crate) fn only_method<B: Backend>(route: UtoipaMethodRouter<B>) -> UtoipaMethodRouter<B> {
    let (_, paths, _) = &route;
    let reads = |item: &PathItem| item.get.is_some();
    let supported = if paths.paths.values().any(reads) { "GET" } else { "POST" };
    let refuse = move |method: Method| async move {
        RouteError::from(MessageCenterError::Method { method: method.to_string(), supported })
    };
    route.map(|route| route.fallback(refuse))
}
