//! The pages that may open sockets: the allow-list of `Origin` (RFC 6454), `server.allowed_origins`.
//!
//! A browser sends the page's origin with every upgrade, and no page can forge it. Programs other than browsers send no
//! `Origin`, and could send any: the list protects people from pages, not the server from programs.

use std::fmt;

/// The origins from which sockets may be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigins(Option<Vec<WebOrigin>>);

/// The origin of a page without an address of its own, such as a sandboxed frame.
const OPAQUE: &str = "null";

/// `scheme://host[:port]`, or `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum WebOrigin {
    Opaque,
    Page {
        /// In lower case.
        scheme: String,
        /// In lower case.
        host: String,
        /// None where it is the scheme's own, which browsers leave out.
        port: Option<u16>,
    },
}

/// An entry that no browser would ever send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnOrigin(String);

impl fmt::Display for NotAnOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected SCHEME://HOST or SCHEME://HOST:PORT without a path, or null; found {:?}", self.0)
    }
}

impl std::error::Error for NotAnOrigin {}

impl AllowedOrigins {
    /// Reads `server.allowed_origins`; none allows any origin, an empty list none.
    ///
    /// # Errors
    /// The first entry that is no origin.
    pub fn new(configured: Option<&[String]>) -> Result<Self, NotAnOrigin> {
        let read = |entry: &String| WebOrigin::read(entry).ok_or_else(|| NotAnOrigin(entry.clone()));
        let entries = configured.map(|entries| entries.iter().map(read).collect()).transpose()?;
        Ok(Self(entries))
    }

    /// Whether every page may open sockets.
    pub const fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a request with these values of `Origin` may open a socket. Without any it may.
    pub fn admit<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let Some(allowed) = &self.0 else { return true };
        values.into_iter().all(|value| {
            let origin = std::str::from_utf8(value).ok().and_then(WebOrigin::read);
            origin.is_some_and(|origin| allowed.contains(&origin))
        })
    }
}

impl WebOrigin {
    fn read(text: &str) -> Option<Self> {
        if text == OPAQUE {
            return Some(Self::Opaque);
        }
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = match authority.rsplit_once(':') {
            // A colon inside of brackets belongs to an IPv6 address.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port_of(port)?)),
            _ => (authority, None),
        };
        let scheme = scheme.to_ascii_lowercase();
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !is_scheme || !is_host(host) {
            return None;
        }
        let own = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Some(Self::Page { scheme, host: host.to_ascii_lowercase(), port: port.filter(|_| port != own) })
    }
}

fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A name (international ones as `xn--`), an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|six| six.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Result<AllowedOrigins, NotAnOrigin> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        AllowedOrigins::new(Some(&entries))
    }

    fn admits(allowed: &AllowedOrigins, origin: &str) -> bool {
        allowed.admit([origin.as_bytes()])
    }

    #[test]
    fn without_a_list_every_page_is_admitted() {
        let any = AllowedOrigins::new(None).unwrap();
        assert!(any.is_any());
        for origin in ["https://anything.example", "null", "nonsense", ""] {
            assert!(admits(&any, origin), "{origin}");
        }
    }

    #[test]
    fn who_names_no_origin_is_no_browser_and_passes() {
        assert!(list(&["https://chat.example"]).unwrap().admit([]));
        assert!(list(&[]).unwrap().admit([]));
    }

    #[test]
    fn scheme_host_and_port_must_all_be_the_same() {
        let allowed =
            list(&["https://chat.example", "http://Admin.Example:8080", "https://[::1]:9"]).unwrap();
        for origin in [
            "https://chat.example",
            "HTTPS://Chat.Example",
            "https://chat.example:443",
            "http://admin.example:8080",
            "https://[::1]:9",
        ] {
            assert!(admits(&allowed, origin), "{origin}");
        }
        for origin in [
            "http://chat.example",
            "https://chat.example:8443",
            "https://chat.example.evil.example",
            "https://evil.example/https://chat.example",
            "https://evil-chat.example",
            "https://www.chat.example",
            "https://chat.example/",
            "https://chat.example@evil.example",
            " https://chat.example",
            "https://chat.example https://evil.example",
            "http://admin.example",
            "https://[::1]",
            "null",
            "",
        ] {
            assert!(!admits(&allowed, origin), "{origin}");
        }
        assert!(!allowed.admit([b"https://chat.\xffexample".as_slice()]));
    }

    #[test]
    fn of_several_origins_each_must_be_listed() {
        let allowed = list(&["https://a.example", "https://b.example"]).unwrap();
        assert!(allowed.admit([b"https://a.example".as_slice(), b"https://b.example"]));
        assert!(!allowed.admit([b"https://a.example".as_slice(), b"https://evil.example"]));
    }

    #[test]
    fn a_page_without_an_address_must_be_listed_as_null() {
        assert!(admits(&list(&["null"]).unwrap(), "null"));
        assert!(!admits(&list(&["null"]).unwrap(), "NULL"));
        assert!(!admits(&list(&["https://chat.example"]).unwrap(), "null"));
    }

    #[test]
    fn applications_with_a_scheme_of_their_own_can_be_listed() {
        let allowed = list(&["capacitor://localhost", "chrome-extension://abcdef"]).unwrap();
        assert!(admits(&allowed, "capacitor://localhost"));
        assert!(admits(&allowed, "chrome-extension://abcdef"));
        assert!(!admits(&allowed, "ionic://localhost"));
    }

    #[test]
    fn an_entry_that_no_browser_sends_is_refused_in_words() {
        for entry in [
            "*",
            "",
            "chat.example",
            "https://",
            "https://chat.example/",
            "https://chat.example/app",
            "https://*.example",
            "https://user@chat.example",
            "https://chat.example:",
            "https://chat.example:+1",
            "https://chat.example:70000",
            "https://bücher.example",
            "https://::1",
            "://chat.example",
        ] {
            let refused = list(&["https://good.example", entry]).unwrap_err().to_string();
            assert!(refused.contains(&format!("{entry:?}")), "{refused}");
        }
    }
}
