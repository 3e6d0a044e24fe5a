//! Callers whose token is not known to be good.

use std::{net::IpAddr, time::Duration};

/// The client of a request, as long as it has not proved who it is. An extension of the request, on runtimes that limit what
/// such clients may do.
#[derive(Clone, Copy, Debug)]
pub struct Stranger {
    /// Its address, of IPv6 its network.
    pub address: IpAddr,
    /// How long unknown tokens of this address are refused, after too many that were not good.
    pub wait: Option<Duration>,
}

/// The address of a request's client, or of the proxy that names no readable one. An extension of the request, where it is known.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Says that the token of the request was not good. An extension of the answer.
#[derive(Clone, Copy, Debug)]
pub struct FailedProof;
