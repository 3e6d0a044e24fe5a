//! The health check.

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde::Serialize;

use crate::{Backend, Health, answer};

/// The state of the process.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HealthBody {
    /// `ok`, `degraded` or `draining`.
    status: &'static str,
}

/// Whether to send requests here
///
/// Needs no authentication.
#[utoipa::path(
    get, path = "/health", tag = "operation",
    responses(
        (status = 200, description = "It serves", body = HealthBody, example = json!({"status": "ok"})),
        (status = 503, description = "It is about to stop, or cannot write", body = HealthBody),
    )
)]
pub(crate) async fn health<B: Backend>(State(backend): State<B>) -> Response {
    let (code, status) = match backend.health() {
        Health::Serving => (StatusCode::OK, "ok"),
        Health::Degraded => (StatusCode::SERVICE_UNAVAILABLE, "degraded"),
        Health::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let mut response = answer::json(&HealthBody { status });
    *response.status_mut() = code;
    response
}
