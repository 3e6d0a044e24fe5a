//! The OpenAPI document. It is put together from the routes' own attributes by a test, and served as the file that the test
//! compares it with: the code that describes every route is a tenth of the worker's module.

use axum::{Router, response::IntoResponse as _, routing::get};
use http::header::CONTENT_TYPE;

/// Where the document is served.
const PATH: &str = "/openapi.json";

/// The document.
const DOCUMENT: &str = include_str!("../openapi.json");

/// The route that serves it.
pub(crate) fn route<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let answer = async || ([(CONTENT_TYPE, "application/json")], DOCUMENT).into_response();
    Router::new().route(PATH, get(answer))
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use serde::Serialize as _;
    use utoipa::{
        OpenApi,
        openapi::security::{Http, HttpAuthScheme, SecurityScheme},
    };

    use super::*;
    use crate::{admin, message_center, openim};

    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "Rollcall",
            description = "Who is online, on which device and connection, with which token; and take them offline, now."
        ),
        paths(crate::health::health, document),
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

    /// This document
    #[utoipa::path(
        get, path = PATH, tag = "operation", operation_id = "serve",
        responses((status = 200, description = "The OpenAPI 3.1 document of every route", content_type = "application/json"))
    )]
    #[allow(dead_code, reason = "its attribute is the documentation")]
    fn document() {}

    fn described() -> utoipa::openapi::OpenApi {
        let mut document = Document::openapi();
        document.merge(openim::Described::openapi());
        document.merge(openim::CompatDescribed::openapi());
        document.merge(message_center::Described::openapi());
        document.merge(admin::Described::openapi());
        let bearer = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the configuration or of the issuer, or an OpenIM administrator's"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        document
    }

    /// A member a line, and no blanks before it: those would be two fifths of the document.
    fn lines(document: &utoipa::openapi::OpenApi) -> String {
        let mut bytes = Vec::new();
        let lines = serde_json::ser::PrettyFormatter::with_indent(b"");
        document.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, lines)).unwrap();
        String::from_utf8(bytes).unwrap() + "\n"
    }

    /// `ROLLCALL_WRITE_OPENAPI=1` writes the file.
    #[test]
    fn the_document_is_what_the_routes_say_of_themselves() {
        let text = lines(&described());
        if env::var_os("ROLLCALL_WRITE_OPENAPI").is_some() {
            fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &text).unwrap();
        } else {
            assert!(
                text == DOCUMENT,
                "set ROLLCALL_WRITE_OPENAPI=1, run this test again, and look at the difference"
            );
        }
    }
}
