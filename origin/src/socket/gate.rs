//! What is asked of every upgrade before its token is: whether the process wants another socket at all.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use rollcall_api::{Backend as _, Health, openim::gateway};

use crate::backend::Origin;

/// Clients that are sent away come back after this many seconds, to another process.
const RETRY_SECONDS: &str = "1";

/// Lets an upgrade pass, or says why not.
pub(super) async fn gate(State(origin): State<Origin>, request: Request, next: Next) -> Response {
    match gateway::wants_upgrade(request.headers()).then(|| refusal(&origin, request.headers())).flatten() {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn refusal(origin: &Origin, _headers: &HeaderMap) -> Option<Response> {
    if origin.health() == Health::Draining {
        let retry = [(RETRY_AFTER, RETRY_SECONDS)];
        return Some(
            (StatusCode::SERVICE_UNAVAILABLE, retry, "the server is about to stop\n").into_response(),
        );
    }
    None
}
