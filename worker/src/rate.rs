//! The platform's rate limits by client address, where `wrangler.toml` binds them (`docs/rules/edge.md#rate-limits`).

use std::{net::IpAddr, time::Duration};

use axum::{extract::Request, middleware::Next, response::Response};
use rollcall_api::{
    Backend as _, ClientAddress, Counted, FailedProof, openim::joined_header, respond, too_many_requests,
};
use rollcall_core::net::{counted_address, remote_address};
use worker::{RateLimiter, send::SendFuture};

use crate::{backend::Edge, upgrade::PEER};

/// The binding of the limit on handshakes.
const HANDSHAKES: &str = "HANDSHAKE_RATE";
/// The binding of the limit on requests for tokens.
const TOKENS: &str = "TOKEN_RATE";
/// How long a refused client waits. A binding does not show its own period, which is 10 s or 60 s.
const PERIOD: Duration = Duration::from_secs(60);

/// Counts a request where it counts, and answers it if its limit is reached.
pub(crate) async fn limit(edge: &Edge, mut request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let limiter = Counted::of(&method, &uri, request.headers()).and_then(|counted| {
        edge.env()
            .rate_limiter(match counted {
                Counted::Handshake => HANDSHAKES,
                Counted::Token => TOKENS,
            })
            .ok()
    });
    let proofs = || edge.env().rate_limiter(TOKENS).ok().filter(|_| Counted::by_proof(&method, &uri));
    let client = address(edge, &request);
    if let Some(address) = client {
        request.extensions_mut().insert(ClientAddress(address));
    }
    let address = counted(client);
    if let Some(limiter) = limiter
        && !is_within(&limiter, &address).await
    {
        return too_many_requests(edge, &uri, PERIOD);
    }
    let response = respond(edge, request, next).await;
    if response.extensions().get::<FailedProof>().is_some()
        && let Some(limiter) = proofs()
        && !is_within(&limiter, &address).await
    {
        return too_many_requests(edge, &uri, PERIOD);
    }
    response
}

/// The address that a request counts for. Without one all requests count together.
fn counted(address: Option<IpAddr>) -> String {
    address.map(|address| counted_address(address).to_string()).unwrap_or_default()
}

/// The client's address, or the proxy's if it names no readable one.
fn address(edge: &Edge, request: &Request) -> Option<IpAddr> {
    let peer = joined_header(request.headers(), PEER).unwrap_or_default();
    let forwarded = joined_header(request.headers(), "X-Forwarded-For");
    let trusted = &edge.settings().server.trusted_proxies;
    remote_address(&peer, forwarded.as_deref(), trusted).or_else(|| peer.parse().ok())
}

/// Whether the platform lets the request through; a limiter that fails does.
async fn is_within(limiter: &RateLimiter, address: &str) -> bool {
    match SendFuture::new(limiter.limit(address.to_owned())).await {
        Ok(outcome) => outcome.success,
        Err(error) => {
            tracing::warn!(%error, "a rate limit could not be asked");
            true
        }
    }
}
