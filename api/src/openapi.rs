//! The OpenAPI document, generated from the routes' own attributes.

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use http::header::CONTENT_TYPE;
use utoipa::OpenApi;

use crate::{health, openim};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rollcall",
        description = "Who is online, on which device and connection, with which token; and take them offline, now."
    ),
    paths(
        openim::online_status,
        openim::online_token_detail,
        openim::users_status,
        openim::admin_token,
        openim::user_token,
        openim::parse_token,
        openim::force_logout,
        openim::connect,
        health::health,
        self::serve,
    ),
    tags(
        (name = "user", description = "Who is online (OpenIM)"),
        (name = "auth", description = "Tokens and forced logout (OpenIM)"),
        (name = "gateway", description = "The WebSocket gateway of OpenIM's clients"),
        (name = "operation", description = "For whoever runs the server"),
    )
)]
struct Document;

/// The document of every route.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "The OpenAPI 3.1 document of every route", content_type = "application/json"))
)]
pub(crate) async fn serve() -> Response {
    match document().to_json() {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], Body::from(json)).into_response(),
        Err(error) => {
            tracing::error!(%error, "the OpenAPI document could not be written");
            http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
