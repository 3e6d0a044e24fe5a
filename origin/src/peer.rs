//! The other end of a connection.

use std::net::SocketAddr;

/// The other end of the TCP connection that a request came on, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);
