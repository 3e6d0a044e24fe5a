//! The SockJS info request (`docs/rules/message-center.md#sockjs`).

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::socket::PATH;
use crate::{Backend, answer};

/// The path that a client reads before it connects.
const INFO: &str = "/ws/messageCenter/info";
/// The header `Cache-Control` of answers that change from one to the next.
pub const NO_CACHE: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";

/// The server's capabilities.
#[derive(Serialize, ToSchema)]
pub(crate) struct Info {
    /// Whether it takes WebSockets.
    websocket: bool,
    /// Whether load balancers need a cookie.
    cookie_needed: bool,
    /// Ignored by clients.
    origins: [&'static str; 1],
    /// Random bits for clients that have none.
    entropy: u32,
}

/// The route that is not an upgrade.
pub(super) fn routes<B: Backend>() -> Router<B> {
    Router::new().route(INFO, get(info::<B>))
}

/// Capabilities for SockJS clients
///
/// The route needs no authentication.
#[utoipa::path(
    get, path = INFO, tag = "message center",
    responses((status = 200, description = "WebSocket; on one machine also `xhr_streaming` and `xhr`", body = Info))
)]
pub(crate) async fn info<B: Backend>(State(backend): State<B>) -> Response {
    // The upper bits of as many random ones.
    let entropy = u32::try_from(backend.random() >> 96).unwrap_or_default();
    let info = Info { websocket: true, cookie_needed: false, origins: ["*:*"], entropy };
    ([(header::CACHE_CONTROL, NO_CACHE)], answer::json(&info)).into_response()
}

/// Whether a request comes from a SockJS client. Pages of any origin may read its answers with credentials.
pub(crate) fn owns(uri: &Uri) -> bool {
    uri.path().strip_prefix(PATH).is_some_and(|rest| rest.starts_with('/'))
}

/// Sets the headers that let a page of any origin read an answer to a request with credentials, for which browsers accept
/// no wildcard. This server sets no cookies.
pub(crate) fn allow(asked: &HeaderMap, answer: &mut HeaderMap) {
    let mut set = |name: HeaderName, value: Option<&HeaderValue>| {
        if let Some(value) = value {
            answer.insert(name, value.clone());
        }
    };
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    set(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    set(header::ACCESS_CONTROL_ALLOW_METHODS, Some(&HeaderValue::from_static("GET, POST, OPTIONS")));
    set(header::VARY, Some(&HeaderValue::from_static("Origin")));
    if let Some(origin) = asked.get(header::ORIGIN) {
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(origin));
        set(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, Some(&HeaderValue::from_static("true")));
    }
}
