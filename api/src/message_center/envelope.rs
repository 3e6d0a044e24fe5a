//! The envelope of the message center's answers (`docs/rules/message-center.md#envelope`).

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rollcall_core::{directory::filter::QueryError, message_center::MessageCenterError};
use serde::Serialize;

use crate::{
    Backend, BackendError, Chain, ErrorCode, FailedProof, answer, body::BodyError, openim::joined_header,
};

/// The headers of a request's id; answers carry the first.
pub const REQUEST_ID: [HeaderName; 2] =
    [HeaderName::from_static("xc-request-id"), HeaderName::from_static("x-request-id")];
const ERROR_KEY: [HeaderName; 2] = [HeaderName::from_static("xc-e-key"), HeaderName::from_static("x-e-key")];
/// The longest request id that is echoed, in bytes.
const REQUEST_ID_BYTES: usize = 128;

/// The envelope of every answer.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Envelope<T> {
    /// `S` for success, `E0` for an error of the request, `E2` for an error of the server
    #[schema(example = "S")]
    code: &'static str,
    /// `Success`, or the error's text
    #[schema(example = "Success")]
    msg: String,
    /// The payload; `{}` without one
    data: T,
    /// The server's clock, `yyyy-MM-dd HH:mm:ss` in `message_center.time_zone`
    #[schema(example = "2025-07-16 12:00:00")]
    datetime: String,
    /// Empty on success
    ext: Extension,
}

/// An empty payload.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Empty {}

/// The details of an error.
#[derive(Serialize, utoipa::ToSchema)]
struct Extension {
    /// The error's machine word
    #[serde(rename = "eKey", skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
}

/// The refusals of every route of this family, for the description. A response that a route lists behind them wins.
#[derive(utoipa::IntoResponses)]
#[allow(dead_code, reason = "its variants are the documentation")]
pub(crate) enum Refusals {
    /// No good token
    #[response(status = 401)]
    Unauthorized(Envelope<Empty>),
    /// Not allowed
    #[response(status = 403)]
    Forbidden(Envelope<Empty>),
    /// The directory could not be reached
    #[response(status = 500)]
    Internal(Envelope<Empty>),
    /// Too many tokens of this address were not good
    #[response(status = 429)]
    TooManyRequests(Envelope<Empty>),
    /// The issuer of tokens could not be reached, or the server is busy
    #[response(status = 503)]
    Unavailable(Envelope<Empty>),
}

/// The error of a route; [`envelope_layer`] writes the answer.
#[derive(Clone, Debug)]
pub(crate) struct RouteError(MessageCenterError);

/// The id of a request: the caller's, or a drawn one.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Success with a payload.
pub(crate) fn success<B: Backend, T: Serialize>(backend: &B, data: T) -> Response {
    let datetime = backend.zone().format(backend.now());
    answer::json(&Envelope {
        code: "S",
        msg: "Success".to_owned(),
        data,
        datetime,
        ext: Extension { key: None },
    })
}

impl From<MessageCenterError> for RouteError {
    fn from(error: MessageCenterError) -> Self {
        Self(error)
    }
}

impl From<QueryError> for RouteError {
    fn from(error: QueryError) -> Self {
        Self(error.into())
    }
}

impl From<BackendError> for RouteError {
    fn from(error: BackendError) -> Self {
        if error.is_busy() {
            tracing::warn!(error = %Chain(&error), "a request of the message center came too early");
            return Self(MessageCenterError::Busy);
        }
        tracing::error!(error = %Chain(&error), "a request of the message center failed");
        Self(MessageCenterError::Internal)
    }
}

impl From<BodyError> for RouteError {
    fn from(error: BodyError) -> Self {
        Self(match error {
            BodyError::NoRoom => MessageCenterError::Busy,
            other => MessageCenterError::Unparsable { too_large: matches!(other, BodyError::TooLarge(_)) },
        })
    }
}

impl From<RouteError> for MessageCenterError {
    fn from(error: RouteError) -> Self {
        error.0
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Gives a request its id, and writes the errors of routes in the envelope.
pub(crate) async fn envelope_layer<B: Backend>(
    State(backend): State<B>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(&backend, request.headers());
    tracing::debug!(request_id = id.0, path = request.uri().path(), "received a request");
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Some(error) = response.extensions_mut().remove::<MessageCenterError>() {
        response = refusal(&backend, &error);
    }
    name(response, &id)
}

/// The error answer to a request that reached no route of this family.
pub(crate) fn refuse<B: Backend>(backend: &B, headers: &HeaderMap, error: &MessageCenterError) -> Response {
    name(refusal(backend, error), &request_id(backend, headers))
}

/// The body of an internal error that is explained, without a backend.
pub(crate) fn explained(text: &str, datetime: String) -> String {
    let error = MessageCenterError::Internal;
    let ext = Extension { key: Some(error.key()) };
    let body = Envelope { code: error.code(), msg: text.to_owned(), data: Empty {}, datetime, ext };
    serde_json::to_string(&body).unwrap_or_else(|error| error.to_string())
}

fn name(mut response: Response, id: &RequestId) -> Response {
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        let [name, _] = REQUEST_ID;
        response.headers_mut().insert(name, value);
    }
    response
}

pub(super) fn request_id<B: Backend>(backend: &B, headers: &HeaderMap) -> RequestId {
    let given = REQUEST_ID.iter().find_map(|name| joined_header(headers, name.as_str()));
    let fits = |id: &String| id.len() <= REQUEST_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic());
    RequestId(given.filter(fits).unwrap_or_else(|| format!("{:032x}", backend.random())))
}

/// The answer of an error.
fn refusal<B: Backend>(backend: &B, error: &MessageCenterError) -> Response {
    let body = Envelope {
        code: error.code(),
        msg: error.to_string(),
        data: Empty {},
        datetime: backend.zone().format(backend.now()),
        ext: Extension { key: Some(error.key()) },
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer::json(&body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for name in ERROR_KEY {
        headers.insert(name, HeaderValue::from_static(error.key()));
    }
    if let Some(challenge) = error.challenge() {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let MessageCenterError::Method { supported, .. } = error {
        headers.insert(header::ALLOW, HeaderValue::from_static(supported));
    }
    response.extensions_mut().insert(ErrorCode(error.key().into()));
    if *error == MessageCenterError::InvalidToken {
        response.extensions_mut().insert(FailedProof);
    }
    response
}
