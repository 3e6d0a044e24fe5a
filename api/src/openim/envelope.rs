//! The envelope of OpenIM's answers (`docs/rules/openim.md#envelope`).

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use rollcall_core::openim::{Code, OpenImError};
use serde::Serialize;

use crate::{
    BODY_BYTES, Backend, BackendError, Chain, ErrorCode, FailedProof, NoRoom, RefusedHandshake, answer,
    body::BodyError,
};

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
    /// 500: request bodies hold as much memory as they may
    #[response(status = 503)]
    Busy(Done),
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

    /// A handshake is refused before its token is looked at: 503 or 403.
    pub(crate) fn of_handshake(why: RefusedHandshake) -> Self {
        let (status, code, detail) = match why {
            RefusedHandshake::Stopping => {
                (StatusCode::SERVICE_UNAVAILABLE, Code::Internal, "the server is about to stop")
            }
            RefusedHandshake::ForeignPage => {
                (StatusCode::FORBIDDEN, Code::NoPermission, "pages of this origin may not connect")
            }
        };
        Self { status, error: OpenImError::new(code, detail) }
    }

    /// No route has this path and method: 404.
    pub(crate) fn no_route() -> Self {
        Self { status: StatusCode::NOT_FOUND, error: OpenImError::new(Code::RecordNotFound, "no such route") }
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
            BodyError::TooLarge(most) => {
                let most = if most < BODY_BYTES { "8 KiB" } else { "1 MiB" };
                let error = OpenImError::new(Code::Args, format!("the body is larger than {most}"));
                Self { status: StatusCode::PAYLOAD_TOO_LARGE, error }
            }
            BodyError::NoRoom => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                error: OpenImError::new(Code::Internal, NoRoom.to_string()),
            },
            BodyError::Incomplete => OpenImError::new(Code::Args, "the body did not arrive whole").into(),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.error.code.is_about_the_token() {
            response.extensions_mut().insert(FailedProof);
        }
        response.extensions_mut().insert(self.error);
        response
    }
}

/// Writes the error that a handler or an extractor left, in the configured style.
pub(crate) fn render<B: Backend>(backend: &B, response: Response) -> Response {
    let Some(error) = response.extensions().get::<OpenImError>() else {
        return response;
    };
    let text = error.to_json(backend.settings().openim.errdlt_style);
    let code = ErrorCode(error.code.number().to_string().into());
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    parts.headers.insert(header::CONTENT_TYPE, json);
    parts.extensions.insert(code);
    Response::from_parts(parts, Body::from(text))
}
