//! Requests that runtimes count by client address, because they are expensive or could guess secrets
//! (`docs/operating.md#rate-limits`).

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::json;

use crate::{Backend, ErrorCode, is_handshake, message_center};

/// The limit that a request counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// That of handshakes.
    Handshake,
    /// That of tokens.
    Token,
}

impl Counted {
    /// The limit that a request counts for.
    pub fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        // The path first: no upgrade exists there, and an `Upgrade` header must not escape the limit on guesses.
        if is_for_tokens(method, uri) {
            Some(Self::Token)
        } else if is_handshake(uri, headers) {
            Some(Self::Handshake)
        } else {
            None
        }
    }

    /// Whether a request counts for the limit of tokens if its own is not good. Handshakes of the gateway ask no issuer.
    pub fn by_proof(method: &Method, uri: &Uri) -> bool {
        (*method == Method::POST || message_center::answers(uri)) && !is_for_tokens(method, uri)
    }
}

fn is_for_tokens(method: &Method, uri: &Uri) -> bool {
    *method == Method::POST && uri.path().starts_with("/auth/")
}

/// The refusal of a request above a limit, in the envelope of the path's family. `wait` is how long it should wait.
pub fn too_many_requests<B: Backend>(backend: &B, uri: &Uri, wait: Duration) -> Response {
    let body = if message_center::answers(uri) {
        json!({
            "code": "E0",
            "msg": "too many requests",
            "data": {},
            "datetime": backend.zone().format(backend.now()),
            "ext": {"eKey": "too_many_requests"},
        })
    } else {
        json!({"errCode": 429, "errMsg": "TooManyRequests", "errDlt": "too many requests of this address"})
    };
    // Rounded up: a retry within the last second would come too early.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut response = (StatusCode::TOO_MANY_REQUESTS, body.to_string()).into_response();
    response.extensions_mut().insert(ErrorCode("429".into()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}
