//! The answer to a request whose handler panicked, for runtimes that survive a panic.

use axum::response::Response;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use rollcall_core::message_center::MessageCenterError;

use crate::{Backend, cors, message_center, openim};

/// The parts of a request that its 500 needs, kept aside because the handler consumes the request.
pub struct PanicContext {
    uri: Uri,
    headers: HeaderMap,
}

impl PanicContext {
    /// Of a request that is about to be handled.
    pub fn of<T>(request: &Request<T>) -> Self {
        let (uri, mut headers) = (request.uri().clone(), HeaderMap::new());
        if message_center::answers(&uri) {
            for name in message_center::REQUEST_ID.into_iter().chain([header::ORIGIN]) {
                if let Some(value) = request.headers().get(&name) {
                    headers.insert(name, value.clone());
                }
            }
        }
        Self { uri, headers }
    }

    /// The 500 of the family that the path belongs to, without the reason.
    pub fn answer<B: Backend>(self, backend: &B) -> Response {
        let mut response = if message_center::answers(&self.uri) {
            message_center::refuse(backend, &self.headers, &MessageCenterError::Internal)
        } else {
            let error = openim::RouteError::internal();
            openim::render(backend, axum::response::IntoResponse::into_response(error))
        };
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        cors::allow(&self.uri, &self.headers, response.headers_mut());
        response
    }
}
