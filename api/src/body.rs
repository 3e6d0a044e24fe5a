//! Request bodies: bounded before they are read.

use axum::body::{Body, Bytes};
use http::{HeaderMap, header::CONTENT_LENGTH};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// The largest body that a route takes, in bytes.
pub const BODY_BYTES: usize = 1 << 20;

/// The reason why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The body exceeds [`BODY_BYTES`].
    TooLarge,
    /// The connection broke before its end.
    Incomplete,
}

/// Reads the whole body. A body whose `Content-Length` is too large is rejected before a byte of it is read.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, BodyError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > BODY_BYTES as u64) {
        return Err(BodyError::TooLarge);
    }
    match Limited::new(body, BODY_BYTES).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Incomplete),
    }
}
