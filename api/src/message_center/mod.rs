//! The message center's online API (`docs/rules/message-center.md`).

mod caller;
mod envelope;
mod input;
mod introspection_cache;
mod issuer;
mod list;
mod members;
mod off;
mod record;
pub mod socket;
mod sockjs;

use axum::{Router, middleware, response::Response};
use http::{HeaderMap, Method, Uri};
use rollcall_core::message_center::MessageCenterError;

pub(crate) use self::{
    caller::Caller,
    envelope::{Empty, Envelope, Refusals, RouteError, envelope_layer, explained, refuse},
    input::object,
    off::{exempt, must_be_json, notice},
    record::Shown,
    sockjs::{allow as allow_sockjs, owns as is_sockjs},
};
pub use self::{envelope::REQUEST_ID, introspection_cache::IntrospectionCache};
use self::{
    list::{__path_detail, __path_list, __path_search},
    off::__path_off,
};
use crate::{Backend, described::DescribedRoutes as _, is_below};

/// Where this family lives.
const BASE: &str = "/api/v1/message/center/online";
/// Where our own administrative routes live; they speak this family's envelope.
const ADMIN: &str = "/admin";

/// The routes of this family.
pub(crate) fn routes<B: Backend>(backend: &B) -> Router<B> {
    Router::new()
        .described_alone(__path_list, list::list::<B>)
        .described_alone(__path_off, off::off::<B>)
        .described_alone(__path_search, list::search::<B>)
        .described_alone(__path_detail, list::detail::<B>)
        .layer(middleware::from_fn_with_state(backend.clone(), envelope_layer::<B>))
}

/// The description of these routes and of the sockets, which the adapters serve.
#[cfg(test)]
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list::list, off::off, list::search, list::detail, socket::connect, sockjs::info),
    components(schemas(Envelope<Empty>))
)]
pub(crate) struct Described;

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
