//! Answers in JSON.

use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use serde::Serialize;

/// A JSON answer, written to memory by the same kind of writer as all other JSON: each further kind would be compiled again
/// for every type.
pub(crate) fn json<T: Serialize>(body: &T) -> Response {
    written(serde_json::to_vec(body))
}

fn written(text: serde_json::Result<Vec<u8>>) -> Response {
    match text {
        Ok(text) => ([(CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
