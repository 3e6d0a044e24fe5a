//! The checks that precede every upgrade's token: whether the process takes new sockets at all, and whether it takes
//! sockets of that page.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, StatusCode,
    header::{ORIGIN, RETRY_AFTER},
};
use rollcall_api::{Backend as _, Health, is_handshake};
use rollcall_core::net::AllowedOrigins;

use super::sockjs;
use crate::backend::Origin;

/// Seconds after which a rejected client tries again; by then the load balancer names another process.
const RETRY_SECONDS: &str = "1";

/// State of the guard's middleware.
#[derive(Clone)]
pub(super) struct UpgradeGuard {
    origin: Origin,
    allowed: Arc<AllowedOrigins>,
}

impl UpgradeGuard {
    pub(super) fn new(origin: Origin, allowed: AllowedOrigins) -> Self {
        Self { origin, allowed: Arc::new(allowed) }
    }

    fn rejection(&self, headers: &HeaderMap) -> Option<Response> {
        if self.origin.health() == Health::Draining {
            let retry = [(RETRY_AFTER, RETRY_SECONDS)];
            return Some(
                (StatusCode::SERVICE_UNAVAILABLE, retry, "the server is about to stop\n").into_response(),
            );
        }
        if !self.allowed.admit(headers.get_all(ORIGIN).iter().map(|value| value.as_bytes())) {
            return Some((StatusCode::FORBIDDEN, "pages of this origin may not connect\n").into_response());
        }
        None
    }
}

/// Passes an upgrade on, or answers it with the reason of its rejection.
pub(super) async fn check(State(guard): State<UpgradeGuard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let opens = is_handshake(request.uri(), headers) || sockjs::opens(&guard.origin, request.uri(), headers);
    match opens.then(|| guard.rejection(headers)).flatten() {
        Some(rejection) => {
            guard.origin.users.metrics().refused(rejection.status().as_u16().to_string());
            rejection
        }
        None => next.run(request).await,
    }
}
