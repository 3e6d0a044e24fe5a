//! Every REST route of Rollcall, once, for both runtimes.
//!
//! [`router`] is generic over a [`Backend`], the ports that an adapter implements. A route parses at the border, runs core's
//! rules through the backend, and writes the answer in its family's envelope. No code here knows which runtime
//! it is on.

#![forbid(unsafe_code)]

mod admin;
mod answer;
mod backend;
mod body;
mod body_budget;
mod catch_panic;
mod cors;
mod described;
mod error;
mod giver;
mod health;
#[cfg(test)]
mod memory;
pub mod message_center;
pub mod metrics;
mod openapi;
pub mod openim;
pub mod pages;
mod rate;
mod refusal;
mod span;
mod stranger;

use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, Method, Uri, uri::PathAndQuery};

pub use backend::{ANSWER_WITHIN, Backend, BackendError, Busy, Health, Post, Updating};
pub use body::{BODY_BYTES, OPEN_BODY_BYTES};
pub use body_budget::{ADDRESS_BYTES, BodyAccount, BodyBudget, NoRoom, RefusedBodies, STRANGERS_BYTES};
pub use catch_panic::PanicContext;
pub use error::{Chain, ErrorCode};
pub use health::{DeepHealth, PROBED_WITHIN, Probe};
pub use rate::{Counted, too_many_requests};
pub use refusal::{RefusedHandshake, not_configured, refuse_handshake};
pub use span::request_span;
pub use stranger::{ClientAddress, FailedProof, Stranger};

use self::{described::DescribedRoutes as _, health::__path_health};

/// The routes. An adapter merges its WebSocket routes into `sockets`, and adds one layer around all of them, in which it calls [`respond`].
pub fn router<B: Backend>(backend: B, sockets: Router<B>) -> Router {
    Router::new()
        .described(__path_health, health::health::<B>)
        .merge(openim::routes())
        .merge(message_center::routes(&backend))
        .merge(admin::routes(&backend))
        .merge(openapi::route())
        .merge(pages::routes(&backend))
        .merge(sockets)
        .fallback(not_found::<B>)
        .method_not_allowed_fallback(not_found::<B>)
        .with_state(backend)
}

/// Whether a request is a handshake: an upgrade, or a plain GET that asks why one was refused.
pub fn is_handshake(uri: &Uri, headers: &HeaderMap) -> bool {
    openim::gateway::wants_upgrade(headers)
        || openim::gateway::asks_why(uri)
        || message_center::socket::asks_why(uri, headers)
}

/// Takes all slashes but one from the beginning of a path: a client whose address of this API ends with a slash sends two.
/// Call it before the router.
///
/// A path of the administrative routes stays as it is and names no route, since a proxy may keep strangers from those by
/// the beginning of the path.
pub fn trim_slashes(uri: &mut Uri) {
    let trimmed = uri.path_and_query().and_then(|path| {
        let text = path.as_str();
        let rest = text.trim_start_matches('/');
        let is_trimmed = text.starts_with("//") && !rest.starts_with("admin");
        is_trimmed.then(|| PathAndQuery::try_from(format!("/{rest}")).ok()).flatten()
    });
    if let Some(path) = trimmed {
        let mut parts = std::mem::take(uri).into_parts();
        parts.path_and_query = Some(path);
        *uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

/// Carries out a request within the adapter's layer: errors are written in the configured style, and browsers may read every answer. It is
/// no layer of its own, since each clones and boxes what is below it for every request.
pub async fn respond<B: Backend>(backend: &B, request: Request, next: Next) -> Response {
    let cors = cors::CorsContext::of(&request);
    let mut response = match cors::preflight(&request) {
        Some(answer) => answer,
        None => openim::render(backend, next.run(request).await),
    };
    cors.allow(response.headers_mut());
    response
}

/// The 404 of the family that the path belongs to. Callers of an API parse its body; at a page's path, people read it.
async fn not_found<B: Backend>(
    State(backend): State<B>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if message_center::answers(&uri) {
        message_center::no_handler(&backend, &method, &uri, &headers)
    } else if pages::owns(uri.path()) {
        pages::not_found()
    } else {
        openim::not_found()
    }
}

/// Whether a path is this folder or something in it.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
