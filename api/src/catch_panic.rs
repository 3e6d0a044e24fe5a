//! The answer to a request whose handler broke. Only a runtime that outlives that needs one.

use axum::response::Response;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use rollcall_core::message_center::MessageCenterError;

use crate::{Backend, cors, message_center, openim};

/// What has to be kept of a request, since a handler takes the rest with it.
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

    /// 500 in the words of the family that the path belongs to, and nothing of the reason.
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
