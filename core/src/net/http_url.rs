//! The URL of another service: `auth.introspection.url`, `message_center.resolver_url`.

use std::fmt;

use http::Uri;
use serde::{Deserialize, Serialize};

/// A URL that both runtimes can send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl(String);

/// The text is no such URL. It is not quoted, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL without user and password, such as https://issuer.example/introspect")]
pub struct NotAUrl;

impl TryFrom<String> for HttpUrl {
    type Error = NotAUrl;

    fn try_from(text: String) -> Result<Self, NotAUrl> {
        let uri: Uri = text.parse().map_err(|_| NotAUrl)?;
        let authority = uri.authority().ok_or(NotAUrl)?;
        // A user, and a port that does not read, are in the first only.
        let port = authority.port().map_or_else(String::new, |port| format!(":{port}"));
        let is_plain = authority.as_str() == format!("{}{port}", authority.host());
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        // Runtimes differ in how they encode what is not ASCII.
        let fits = is_http && is_plain && !authority.host().is_empty() && text.is_ascii();
        if fits { Ok(Self(text)) } else { Err(NotAUrl) }
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_of_http_and_a_host() {
        for text in [
            "http://127.0.0.1:9000/introspect",
            "https://issuer.example",
            "HTTPS://issuer.example/oauth2/introspect?a=b",
            "http://[::1]:9000/x",
            "http://issuer_1/",
        ] {
            assert_eq!(HttpUrl::try_from(text.to_owned()).unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "not a url",
            "nope",
            "/introspect",
            "//issuer.example/introspect",
            "issuer.example/introspect",
            "issuer.example:443",
            "localhost:9000/x",
            "ftp://issuer.example",
            "ws://issuer.example",
            "http:",
            "http://",
            "http:///x",
            "http://:80/",
            "http://issuer.example:/",
            "http://issuer.example:99999/",
            "http://issuer.example:x/",
            "http://user:secret@issuer.example/",
            "http://user@issuer.example/",
            "http://issuer example/",
            " http://issuer.example/",
            "http://bücher.example/",
            "http://issuer.example/ü",
            "http://issuer.example/a b",
        ] {
            assert_eq!(HttpUrl::try_from(text.to_owned()), Err(NotAUrl), "{text}");
        }
    }
}
