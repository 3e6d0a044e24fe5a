//! Headers and bodies of this family, parsed at the border in the order of `docs/rules/openim.md#order-of-checks`.

use std::{
    fmt::Display,
    future::{Future, ready},
};

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::{HeaderMap, request::Parts};
use rollcall_core::{
    json,
    openim::{Code, OpenImError},
};
use serde::de::DeserializeOwned;

use super::RouteError;
use crate::{BODY_BYTES, Backend, OPEN_BODY_BYTES, body};

/// The text of a header; repeated ones are joined with `, ` on every runtime. `None` when absent or empty.
pub fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    Some(values.join(", ")).filter(|text| !text.is_empty())
}

/// `operationID`: without it nothing else is looked at.
pub(crate) struct OperationId;

impl<B: Backend> FromRequestParts<B> for OperationId {
    type Rejection = RouteError;

    fn from_request_parts(parts: &mut Parts, _: &B) -> impl Future<Output = Result<Self, RouteError>> + Send {
        let found = header(&parts.headers, "operationID").map(|operation_id| {
            tracing::debug!(operation_id, path = parts.uri.path(), "received a request");
            Self
        });
        ready(found.ok_or_else(|| OpenImError::new(Code::Args, "header must have operationID").into()))
    }
}

/// A body that is one JSON object of this form, whatever its Content-Type says.
pub(crate) struct Body<T, const MOST: usize = BODY_BYTES>(pub(crate) T);

/// The body of a route that asks for no token.
pub(crate) type OpenBody<T> = Body<T, OPEN_BODY_BYTES>;

impl<B: Backend, T: DeserializeOwned, const MOST: usize> FromRequest<B> for Body<T, MOST> {
    type Rejection = RouteError;

    async fn from_request(request: Request, _: &B) -> Result<Self, RouteError> {
        let (_parts, bytes) = body::whole(request, MOST).await?;
        json::object(&bytes).map(Self).map_err(unreadable)
    }
}

/// The refusal of a body that did not read.
pub(super) fn unreadable(problem: impl Display) -> RouteError {
    let problem = format!("the body is not the JSON object that this takes ({problem})");
    OpenImError::new(Code::Args, problem).into()
}
