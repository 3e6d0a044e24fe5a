//! The OpenAPI document, put together from the routes' own attributes when the router is.

use std::sync::{Arc, OnceLock};

use axum::{Router, body::Bytes, response::IntoResponse as _, routing::get};
use http::header::CONTENT_TYPE;
use utoipa::{
    OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{message_center, openim};

/// Where the document is served.
const PATH: &str = "/openapi.json";

/// The parts of the document that no `OpenApiRouter` brings: its head, the sockets, which the adapters serve, and the document
/// itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Rollcall",
        description = "Who is online, on which device and connection, with which token; and take them offline, now."
    ),
    paths(openim::connect, message_center::connect, message_center::info, document),
    components(schemas(openim::Done, message_center::Envelope<message_center::Empty>)),
    tags(
        (name = "user", description = "Who is online (OpenIM)"),
        (name = "auth", description = "Tokens and forced logout (OpenIM)"),
        (name = "gateway", description = "The WebSocket gateway of OpenIM's clients"),
        (name = "compatibility", description = "What OpenIM's clients call around their connection"),
        (name = "message center", description = "Live and ended connections, for consoles"),
        (name = "administration", description = "Rollcall's own administrative routes"),
        (name = "operation", description = "For operators of the server"),
    )
)]
struct Document;

/// The document before the routes are added.
pub(crate) fn base() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of the configuration or of the issuer, or an OpenIM administrator's"))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// The route that serves the whole document.
pub(crate) fn route<S: Clone + Send + Sync + 'static>(document: utoipa::openapi::OpenApi) -> Router<S> {
    // Written once: needing no token, it may be asked for by many clients that do not read it.
    let document = Arc::new((document, OnceLock::<Bytes>::new()));
    let answer = move || async move {
        let (document, text) = document.as_ref();
        let text = text.get_or_init(|| serde_json::to_vec(document).unwrap_or_default().into());
        ([(CONTENT_TYPE, "application/json")], text.clone()).into_response()
    };
    Router::new().route(PATH, get(answer))
}

/// This document
#[utoipa::path(
    get, path = PATH, tag = "operation", operation_id = "serve",
    responses((status = 200, description = "The OpenAPI 3.1 document of every route", content_type = "application/json"))
)]
#[allow(dead_code, reason = "its attribute is the documentation")]
fn document() {}
