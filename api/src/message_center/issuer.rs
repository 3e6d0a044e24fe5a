//! Introspection of tokens at their issuer (`docs/rules/message-center.md#authentication`).

use std::net::{IpAddr, Ipv4Addr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall_core::{
    config::Introspection,
    message_center::{Introspected, MessageCenterError, Principal, read_introspection},
    net::HttpUrl,
    secret::Secret,
    token::TokenHash,
};

use super::RouteError;
use crate::{Backend, Chain, Stranger, backend::Post};

/// The address of a stranger, on runtimes that do not look at it.
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The holder of a token, from the cache or from the issuer. A token that was never good is asked about in the places of
/// strangers, so that those that were find the issuer's other places free.
pub(super) async fn introspect<B: Backend>(
    backend: &B,
    token: &Secret<String>,
    request_id: &str,
    stranger: Option<&Stranger>,
) -> Result<Principal, RouteError> {
    let configured = &backend.settings().auth.introspection;
    let Some(url) = &configured.url else { return Err(MessageCenterError::InvalidToken.into()) };
    let (hash, now) = (TokenHash::of(token.expose()), backend.now());
    let answer = match backend.introspections().get(&hash, now) {
        Some(answer) => answer,
        None => {
            let mut request = request(url, configured, token, request_id);
            if !backend.introspections().knows(&hash) {
                if let Some(wait) = stranger.and_then(|stranger| stranger.wait) {
                    return Err(MessageCenterError::too_many_requests(wait).into());
                }
                request.stranger = Some(stranger.map_or(ANYWHERE, |stranger| stranger.address));
            }
            let (status, body) = match backend.post(request).await {
                Err(error) if error.is_busy() => return Err(MessageCenterError::Busy.into()),
                answer => answer.map_err(|error| issuer_down(Chain(&error)))?,
            };
            if status != 200 {
                return Err(issuer_down(format!("it answered {status}")));
            }
            let answer =
                read_introspection(&body, now).map_err(|_| issuer_down("its answer is none of RFC 7662"))?;
            backend.introspections().keep(hash, &answer, now, configured.cached_for());
            answer
        }
    };
    match answer {
        Introspected::Active(principal) if principal.expires.is_none_or(|expires| expires > now) => {
            Ok(*principal)
        }
        _ => Err(MessageCenterError::InvalidToken.into()),
    }
}

/// The longest answer about a token.
const ANSWER_BYTES: usize = 256 * 1024;

fn request(url: &HttpUrl, configured: &Introspection, token: &Secret<String>, request_id: &str) -> Post {
    let mut body = form_urlencoded::Serializer::new(String::new());
    let body = body.append_pair("token", token.expose()).finish();
    Post {
        url: url.to_string(),
        content_type: "application/x-www-form-urlencoded",
        authorization: configured.client_id.as_deref().map(|id| basic(id, configured.client_secret.as_ref())),
        request_id: request_id.to_owned(),
        body: Secret::new(body),
        answer_bytes: ANSWER_BYTES,
        stranger: None,
    }
}

/// RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
fn basic(id: &str, secret: Option<&Secret<String>>) -> Secret<String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = secret.map(|secret| encode(secret.expose())).unwrap_or_default();
    Secret::new(format!("Basic {}", STANDARD.encode(format!("{}:{secret}", encode(id)))))
}

/// The error of an unreachable issuer. It is not an invalid token: clients would log out.
fn issuer_down(problem: impl std::fmt::Display) -> RouteError {
    tracing::error!(%problem, "auth.introspection.url cannot be asked");
    MessageCenterError::IssuerDown.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let header = basic("a:b", Some(&Secret::from("c d")));
        let decoded = STANDARD.decode(header.expose().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(decoded, b"a%3Ab:c+d");
    }
}
