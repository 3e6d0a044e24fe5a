//! Addresses and networks in a configuration: `server.trusted_proxies`.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// An address, or a network such as `10.244.0.0/16`. IPv4 in IPv6 counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

/// The text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an IP address or a network, such as 10.0.0.1 or 10.244.0.0/16")]
pub struct NotANetwork;

/// The bits of an IPv6 network that all mapped IPv4 addresses have in common.
const MAPPED: u8 = 96;

impl Network {
    /// Whether every address of its family lies in it.
    pub fn is_everybody(&self) -> bool {
        self.0.prefix_len() == 0
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The address that a client's requests and connections are counted for: of IPv6 the /64 network, because each of its users has
/// 2^64 addresses.
pub fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| NotANetwork)?;
        let mapped = match (network.network().to_canonical(), network.prefix_len().checked_sub(MAPPED)) {
            (IpAddr::V4(address), Some(bits)) if network.addr().is_ipv6() => Ipv4Net::new(address, bits).ok(),
            _ => None,
        };
        Ok(Self(mapped.map_or(network.trunc(), IpNet::V4)))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_its_own() {
        for (text, printed, inside, outside) in [
            ("10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"),
            ("10.244.0.0/16", "10.244.0.0/16", "10.244.255.255", "10.245.0.0"),
            ("10.244.7.9/16", "10.244.0.0/16", "10.244.0.0", "10.243.255.255"),
            ("2001:DB8::1", "2001:db8::1", "2001:db8:0::1", "2001:db8::2"),
            ("fd00::/8", "fd00::/8", "fdff::1", "fe80::1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("::ffff:10.1.0.0/112", "10.1.0.0/16", "10.1.2.3", "10.2.0.0"),
            ("0.0.0.0/0", "0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), printed);
            assert!(network.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{text} {outside}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.1:80", "[::1]", "10.0.0.0/-1", "localhost", "*"]
        {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
