//! The address of a client (`docs/rules/users.md#remote-address`).

use std::net::{IpAddr, SocketAddr};

use super::Network;

/// The client's address: the peer's, unless the peer is a trusted proxy that forwards another one. `None` when it is not
/// known.
///
/// `forwarded` is `X-Forwarded-For`. It is read from its end, where our own proxies wrote; the first address that is not one
/// of `trusted` is the client's. Any client may have written the part before it, so that an entry without an address ends
/// the search.
pub fn remote_address(peer: &str, forwarded: Option<&str>, trusted: &[Network]) -> Option<IpAddr> {
    let peer = address(peer)?;
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return Some(peer);
    }
    let hops = forwarded.unwrap_or_default().split(',').map(str::trim).filter(|hop| !hop.is_empty());
    let mut last = peer;
    for hop in hops.rev() {
        last = address(hop)?;
        if !is_trusted(last) {
            break;
        }
    }
    Some(last)
}

/// The address in a text as proxies write it: alone, in brackets, with a port, with the zone of a link, between quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || without_zone(text.strip_prefix('[')?.strip_suffix(']')?);
    let found = without_zone(text).or_else(with_port).or_else(in_brackets)?;
    Some(found.to_canonical())
}

fn without_zone(text: &str) -> Option<IpAddr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, forwarded: Option<&str>) -> Option<String> {
        let trusted = ["10.0.0.1", "10.244.0.0/16", "fd00::/8"].map(|network| network.parse().unwrap());
        remote_address(peer, forwarded, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_a_trusted_peer_is_believed() {
        for (peer, forwarded, client) in [
            ("192.0.2.7", Some("1.1.1.1"), "192.0.2.7"),
            ("10.0.0.1", Some("1.1.1.1"), "1.1.1.1"),
            ("::ffff:10.0.0.1", Some("1.1.1.1"), "1.1.1.1"),
            ("10.244.3.4", Some("1.1.1.1"), "1.1.1.1"),
            ("fd12::1", Some("1.1.1.1"), "1.1.1.1"),
            ("10.0.0.1", Some("6.6.6.6, 1.1.1.1, 10.244.0.9"), "1.1.1.1"),
            ("10.0.0.1", Some("6.6.6.6, 1.1.1.1:5, [fd00::1]:443"), "1.1.1.1"),
            ("10.0.0.1", None, "10.0.0.1"),
            ("10.0.0.1", Some(" , "), "10.0.0.1"),
            ("10.0.0.1", Some("10.244.0.2"), "10.244.0.2"),
            ("10.0.0.1", Some("10.244.0.2, 10.0.0.1"), "10.244.0.2"),
        ] {
            assert_eq!(ask(peer, forwarded).as_deref(), Some(client), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn an_entry_is_its_address_alone() {
        for (entry, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::9]:443", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("2001:DB8:0:0::9", "2001:db8::9"),
            ("\"[2001:db8::9]:443\"", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:1", "203.0.113.9"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]", "fe80::1"),
        ] {
            assert_eq!(ask("10.0.0.1", Some(entry)).as_deref(), Some(client), "{entry}");
            assert_eq!(ask(entry, Some("1.1.1.1")).as_deref(), Some(client), "{entry}");
        }
    }

    #[test]
    fn an_entry_without_an_address_leaves_the_client_unknown() {
        for entry in [
            "garbage",
            "unknown",
            "_hidden",
            "203.0.113",
            "203.0.113.9:",
            "203.0.113.9:99999",
            "010.0.0.9",
            "[2001:db8::9",
            "2001:db8::9]:443",
            "1.1.1.1, garbage",
            "1.1.1.1, garbage, 10.244.0.1",
            "for=1.1.1.1",
            "<script>",
        ] {
            assert_eq!(ask("10.0.0.1", Some(entry)), None, "{entry}");
        }
        // What stands before the first stranger is not looked at.
        assert_eq!(ask("10.0.0.1", Some("garbage, 1.1.1.1")).as_deref(), Some("1.1.1.1"));
        assert_eq!(ask("", Some("1.1.1.1")), None);
    }
}
