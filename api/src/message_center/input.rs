//! Request bodies of this family.

use axum::extract::Request;
use http::request::Parts;
use rollcall_core::{json, message_center::MessageCenterError};
use serde::de::DeserializeOwned;

use super::RouteError;
use crate::{BODY_BYTES, body};

/// The JSON object that a request's body is. Its bytes are accounted for until the request's parts are dropped.
pub(crate) async fn object<T: DeserializeOwned>(request: Request) -> Result<(Parts, T), RouteError> {
    let (parts, bytes) = body::whole(request, BODY_BYTES).await?;
    let read = json::object(&bytes).map_err(|_| MessageCenterError::Unparsable { too_large: false })?;
    Ok((parts, read))
}
