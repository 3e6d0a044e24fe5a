//! Requests and responses between the runtime's types and the router's.
//!
//! The `worker` crate has conversions of its own. These differ in what they refuse: a header that is not ASCII must
//! reach the router as it does on the origin, and a body that is whole already goes out with its length.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use worker::{Headers, ResponseBuilder, WebSocket, js_sys::Array, web_sys};

/// The request as the router takes it; `None` when its types cannot hold it.
pub(crate) fn request(raw: &web_sys::Request) -> Option<Request<Body>> {
    let mut builder = Request::builder().method(raw.method().as_str()).uri(raw.url());
    let headers = builder.headers_mut()?;
    for entry in raw.headers().entries().into_iter().flatten() {
        let pair = Array::from(&entry);
        let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    let body = raw.body().map_or_else(Body::empty, |stream| Body::new(worker::Body::new(stream)));
    builder.body(body).ok()
}

/// The response as the runtime takes it.
pub(crate) async fn response(response: Response<Body>) -> worker::Result<web_sys::Response> {
    let (mut parts, body) = response.into_parts();
    let headers = Headers::new();
    for (name, value) in &parts.headers {
        headers.append(name.as_str(), &String::from_utf8_lossy(value.as_bytes()))?;
    }
    let builder = ResponseBuilder::new().with_status(parts.status.as_u16()).with_headers(headers);
    if let Some(socket) = parts.extensions.remove::<WebSocket>() {
        return Ok(builder.with_websocket(socket).empty().into());
    }
    let body = body.collect().await.map_err(|error| worker::Error::RustError(error.to_string()))?.to_bytes();
    Ok(if body.is_empty() { builder.empty() } else { builder.fixed(body.to_vec()) }.into())
}
