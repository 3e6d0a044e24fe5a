//! The origin of a request: the client's address (`docs/rules/users.md#remote-address`), and the page.

mod web_origin;

pub use web_origin::{AllowedOrigins, NotAnOrigin};

/// The client's address: the peer's, unless the peer is a trusted proxy that forwards another one.
///
/// `forwarded` is `X-Forwarded-For`. It is read from its end, where our own proxies wrote; the first address that is not one
/// of `trusted` is the client's. Any client may have written the part before it.
pub fn remote_address<'a>(peer: &'a str, forwarded: Option<&'a str>, trusted: &[String]) -> &'a str {
    let is_trusted = |address: &str| trusted.iter().any(|proxy| proxy == address);
    if !is_trusted(peer) {
        return peer;
    }
    let mut hops = forwarded.unwrap_or_default().split(',').map(str::trim).filter(|hop| !hop.is_empty());
    let first = hops.clone().next();
    hops.rfind(|hop| !is_trusted(hop)).or(first).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::remote_address;

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let trusted = ["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
        let ask = |peer, forwarded| remote_address(peer, forwarded, &trusted);
        assert_eq!(ask("192.0.2.7", Some("1.1.1.1")), "192.0.2.7");
        assert_eq!(ask("10.0.0.1", Some("1.1.1.1")), "1.1.1.1");
        assert_eq!(ask("10.0.0.1", Some("6.6.6.6, 1.1.1.1, 10.0.0.2")), "1.1.1.1");
        assert_eq!(ask("10.0.0.1", None), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", Some(" , ")), "10.0.0.1");
        assert_eq!(ask("10.0.0.1", Some("10.0.0.2")), "10.0.0.2");
    }
}
