//! Requests to other services: the issuer of tokens, the resolver of departments.

use futures_util::StreamExt as _;
use rollcall_api::{ANSWER_WITHIN, Post};
use wasm_bindgen::JsValue;
use worker::{
    Fetch, Headers,
    web_sys::{AbortController, Request, RequestInit, RequestRedirect},
};

use crate::{clock, stub::CallError};

/// Asks, and gives up in time. Redirects are not followed: they would carry a token elsewhere.
pub(crate) async fn post(request: Post) -> Result<(u16, Vec<u8>), CallError> {
    let controller = AbortController::new().map_err(worker::Error::from)?;
    let asked = async { Ok(send(request, &controller).await?) };
    let answer = clock::within(ANSWER_WITHIN, asked).await;
    // Nothing waits for the rest, such as that of a body that is too long.
    controller.abort();
    answer.unwrap_or(Err(CallError::Timeout(ANSWER_WITHIN)))
}

async fn send(request: Post, controller: &AbortController) -> worker::Result<(u16, Vec<u8>)> {
    let headers = Headers::new();
    headers.set("Content-Type", request.content_type)?;
    headers.set("Accept", "application/json")?;
    headers.set("XC-Request-Id", &request.request_id)?;
    if let Some(authorization) = &request.authorization {
        headers.set("Authorization", authorization.expose())?;
    }
    // The runtime's own type: that of `worker` writes properties of Cloudflare's, in 20 KB of code.
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers.0);
    init.set_redirect(RequestRedirect::Manual);
    init.set_body(&JsValue::from_str(request.body.expose()));
    let most = request.answer_bytes;
    let request = Request::new_with_str_and_init(&request.url, &init)?;
    let mut response = Fetch::Request(request.into()).send_with_signal(&controller.signal().into()).await?;
    let mut body = Vec::new();
    // An answer without a body has no stream.
    if let Ok(mut stream) = response.stream() {
        while let Some(piece) = stream.next().await {
            body.extend(piece?);
            if body.len() >= most {
                body.truncate(most);
                break;
            }
        }
    }
    Ok((response.status_code(), body))
}
