//! The other end of a connection.

use std::net::{IpAddr, SocketAddr};

use http::{Extensions, HeaderMap};
use rollcall_api::openim::joined_header;
use rollcall_core::{config::Settings, net::remote_address};

/// The other end of the TCP connection that a request came on, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);

/// The address that a request counts for: the client's, or the proxy's if it names no readable one.
pub(crate) fn client_address(
    extensions: &Extensions,
    headers: &HeaderMap,
    settings: &Settings,
) -> Option<IpAddr> {
    let peer = extensions.get::<Peer>()?.0.ip().to_canonical();
    let Some(forwarded) = joined_header(headers, "X-Forwarded-For") else { return Some(peer) };
    let text = peer.to_string();
    let address = remote_address(&text, Some(&forwarded), &settings.server.trusted_proxies);
    Some(address.unwrap_or(peer))
}
