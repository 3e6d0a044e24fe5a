//! Cross-origin answers for browsers (`docs/rules/openim.md#cors`).

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::message_center;

const HEADERS: [(HeaderName, &str); 5] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "*"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
    (header::ACCESS_CONTROL_MAX_AGE, "172800"),
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "false"),
];

/// The parts of a request that decide about the CORS headers of its answer.
pub(crate) struct CorsContext {
    uri: Uri,
    headers: HeaderMap,
}

impl CorsContext {
    /// Of a request that is about to be handled.
    pub(crate) fn of(request: &Request) -> Self {
        let uri = request.uri().clone();
        let headers =
            if message_center::is_sockjs(&uri) { request.headers().clone() } else { HeaderMap::new() };
        Self { uri, headers }
    }

    /// Lets the browser read the answer.
    pub(crate) fn allow(&self, answer: &mut HeaderMap) {
        allow(&self.uri, &self.headers, answer);
    }
}

/// The answer to every preflight, whatever its path.
pub(crate) fn preflight(request: &Request) -> Option<Response> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (request.method() == Method::OPTIONS).then(|| (json, Body::from("\"Options Request!\"")).into_response())
}

/// Lets browsers read an answer. What was `asked` matters to SockJS clients only.
pub(crate) fn allow(uri: &Uri, asked: &HeaderMap, answer: &mut HeaderMap) {
    // A wildcard does not cover `Authorization`, which the message center's consoles send.
    let authorized = message_center::owns(uri).then_some("Authorization, *");
    if message_center::is_sockjs(uri) {
        message_center::allow_sockjs(asked, answer);
    }
    for (name, value) in HEADERS {
        let value = authorized.filter(|_| name == header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap_or(value);
        answer.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
