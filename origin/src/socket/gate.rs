//! What is asked of every upgrade before its token is: whether the process wants another socket at all, and one of that
//! page.

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
use rollcall_api::{Backend as _, Health, openim::gateway};
use rollcall_core::net::AllowedOrigins;

use crate::backend::Origin;

/// Clients that are sent away come back after this many seconds, to another process.
const RETRY_SECONDS: &str = "1";

/// What the gate has to know.
#[derive(Clone)]
pub(super) struct Gate {
    origin: Origin,
    allowed: Arc<AllowedOrigins>,
}

impl Gate {
    pub(super) fn new(origin: Origin, allowed: AllowedOrigins) -> Self {
        Self { origin, allowed: Arc::new(allowed) }
    }

    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
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

/// Lets an upgrade pass, or says why not.
pub(super) async fn gate(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    match gateway::wants_upgrade(headers).then(|| gate.refusal(headers)).flatten() {
        Some(refusal) => {
            gate.origin.users.metrics().refused(refusal.status().as_u16().to_string());
            refusal
        }
        None => next.run(request).await,
    }
}
