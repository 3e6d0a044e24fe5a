//! The checks that precede every upgrade's token: whether the process takes new sockets at all, and whether it takes
//! sockets of that page.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, header::ORIGIN};
use rollcall_api::{Backend as _, Health, RefusedHandshake, is_handshake, refuse_handshake};
use rollcall_core::net::AllowedOrigins;

use super::sockjs;
use crate::backend::Origin;

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

    fn rejection(&self, headers: &HeaderMap) -> Option<RefusedHandshake> {
        if self.origin.health() == Health::Draining {
            return Some(RefusedHandshake::Stopping);
        }
        let is_admitted = self.allowed.admit(headers.get_all(ORIGIN).iter().map(|value| value.as_bytes()));
        (!is_admitted).then_some(RefusedHandshake::ForeignPage)
    }
}

/// Passes an upgrade on, or answers it with the reason of its rejection.
pub(super) async fn check(State(guard): State<UpgradeGuard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let opens = is_handshake(request.uri(), headers) || sockjs::opens(&guard.origin, request.uri(), headers);
    match opens.then(|| guard.rejection(headers)).flatten() {
        Some(why) => {
            let rejection = refuse_handshake(&guard.origin, request.uri(), headers, why);
            guard.origin.users.metrics().refused(rejection.status().as_u16().to_string());
            rejection
        }
        None => next.run(request).await,
    }
}
