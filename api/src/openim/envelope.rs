//! The envelope of OpenIM's answers (`docs/rules/openim.md#envelope`).

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use rollcall_core::openim::{Code, OpenImError};
use serde::Serialize;

use crate::{Backend, BackendError, Chain, answer, body::BodyError};

/// Success with a payload.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Success<T> {
    /// Always 0
    #[serde(rename = "errCode")]
    code: i64,
    /// Always empty
    #[serde(rename = "errMsg")]
    message: &'static str,
    /// Always empty
    #[serde(rename = "errDlt")]
    detail: &'static str,
    /// The payload
    data: T,
}

/// Success or failure without a payload.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Done {
    /// 0 for success, else the error's number
    #[serde(rename = "errCode")]
    code: i64,
    /// The error's name, empty on success
    #[serde(rename = "errMsg")]
    message: &'static str,
    /// For people: `detail: [code]name`, empty on success
    #[serde(rename = "errDlt")]
    detail: &'static str,
}

/// The answers beside 200 of every route of this family that reads a body, for the description. A response that a route
/// lists behind them wins.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "its variants are the documentation")]
pub(crate) enum Failures {
    /// 1001: the body is larger than 1 MiB
    #[response(status = 413)]
    TooLarge(Done),
    /// 500: a user could not be reached
    #[response(status = 500)]
    Internal(Done),
}

impl<T> Success<T> {
    pub(crate) const fn of(data: T) -> Self {
        Self { code: 0, message: "", detail: "", data }
    }
}

impl Done {
    pub(crate) const SUCCESS: Self = Self { code: 0, message: "", detail: "" };
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        answer::json(&self)
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        answer::json(&self)
    }
}

/// The error of a route. `render` writes the answer, because its style depends on the configuration.
#[derive(Clone, Debug)]
pub struct RouteError {
    status: StatusCode,
    error: OpenImError,
}

impl RouteError {
    /// An internal error: 500.
    pub(crate) fn internal() -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, error: Code::Internal.into() }
    }
}

impl From<OpenImError> for RouteError {
    fn from(error: OpenImError) -> Self {
        // Clients read the code in the envelope; the documents answer 200 to everything.
        Self { status: StatusCode::OK, error }
    }
}

impl From<BackendError> for RouteError {
    fn from(error: BackendError) -> Self {
        tracing::error!(error = %Chain(&error), "a user could not be asked");
        Self::internal()
    }
}

impl From<BodyError> for RouteError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                error: OpenImError::new(Code::Args, "the body is larger than 1 MiB"),
            },
            BodyError::Incomplete => OpenImError::new(Code::Args, "the body did not arrive whole").into(),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self.error);
        response
    }
}

/// Writes the error that a handler or an extractor left, in the configured style.
pub(crate) fn render<B: Backend>(backend: &B, response: Response) -> Response {
    let Some(error) = response.extensions().get::<OpenImError>() else {
        return response;
    };
    let body = error.to_json(backend.settings().openim.errdlt_style);
    (response.status(), [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
}
