//! The OpenAPI document, generated from the routes' own attributes.
//!
//! Served is a file, so that no release carries the generator; a test holds it against the attributes, and
//! `cargo run -p rollcall-api --example openapi` writes it anew.

use http::{HeaderName, header::CONTENT_TYPE};
use utoipa::{
    OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{admin, health, message_center, openim};

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
        openim::nothing,
        openim::users_info,
        message_center::list,
        message_center::search,
        message_center::detail,
        message_center::off,
        message_center::connect,
        message_center::info,
        admin::import,
        admin::user,
        admin::tenant,
        health::health,
        self::serve,
    ),
    tags(
        (name = "user", description = "Who is online (OpenIM)"),
        (name = "auth", description = "Tokens and forced logout (OpenIM)"),
        (name = "gateway", description = "The WebSocket gateway of OpenIM's clients"),
        (name = "compatibility", description = "What OpenIM's clients call around their connection"),
        (name = "message center", description = "Who is or was online, for consoles"),
        (name = "administration", description = "Of our own"),
        (name = "operation", description = "For whoever runs the server"),
    )
)]
struct Document;

/// What is served.
const JSON: &str = include_str!("../openapi.json");

/// The document as the attributes of the routes say it.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of the configuration or of the issuer, or an OpenIM administrator's"))
        .build();
    openim::describe(&mut document);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "The OpenAPI 3.1 document of every route", content_type = "application/json"))
)]
pub(crate) async fn serve() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/json")], JSON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_what_the_routes_say() {
        let said = document().to_pretty_json().unwrap();
        assert!(JSON.trim_end() == said, "write it anew: cargo run -p rollcall-api --example openapi");
    }
}
