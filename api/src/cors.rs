//! Cross-origin answers for browsers (`docs/rules/openim.md#cors`).

use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
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

/// Answers every preflight, and lets browsers read every other answer.
pub(crate) async fn cors(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let asked = if message_center::is_sockjs(&uri) { request.headers().clone() } else { HeaderMap::new() };
    let mut response = if request.method() == Method::OPTIONS {
        let json = [(header::CONTENT_TYPE, "application/json")];
        (json, Body::from("\"Options Request!\"")).into_response()
    } else {
        next.run(request).await
    };
    open(&uri, &asked, response.headers_mut());
    response
}

/// Lets browsers read an answer. What was `asked` matters to SockJS clients only.
pub(crate) fn open(uri: &Uri, asked: &HeaderMap, answer: &mut HeaderMap) {
    // A wildcard does not cover this header, and the message center's consoles send it.
    let authorized = message_center::owns(uri).then_some("Authorization, *");
    if message_center::is_sockjs(uri) {
        message_center::let_sockjs_read(asked, answer);
    }
    for (name, value) in HEADERS {
        let value = authorized.filter(|_| name == header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap_or(value);
        answer.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
