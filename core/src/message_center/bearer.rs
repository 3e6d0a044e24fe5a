//! The bearer token of a request, and the tokens of the configuration.

use super::MessageCenterError;
use crate::{
    config::{Settings, StaticToken},
    secret::Secret,
    token::TokenHash,
};

/// The longest bearer token, in bytes.
const TOKEN_BYTES: usize = 8192;

/// The token of a request: from the header `Authorization`, or from `in_query` where the route allows one there.
///
/// # Errors
/// No token, a malformed one, or one in each place.
pub fn token_of(
    authorization: Option<&str>,
    in_query: Option<&str>,
) -> Result<Secret<String>, MessageCenterError> {
    let in_header = authorization.map(str::trim).filter(|text| !text.is_empty());
    let in_query = in_query.filter(|text| !text.is_empty());
    let token = match (in_header, in_query) {
        (Some(_), Some(_)) => return Err(MessageCenterError::TwoTokens),
        (None, None) => return Err(MessageCenterError::Unauthorized),
        (None, Some(token)) => token,
        (Some(header), None) => {
            let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
            if !scheme.eq_ignore_ascii_case("Bearer") {
                return Err(MessageCenterError::Unauthorized);
            }
            token.trim()
        }
    };
    // The alphabet of RFC 6750: no issuer makes tokens of other characters.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || token.len() > TOKEN_BYTES || !token.bytes().all(known) {
        return Err(MessageCenterError::InvalidToken);
    }
    Ok(Secret::from(token))
}

/// The configuration's entry of this token. Every entry is compared, so that the time does not tell which one matched.
pub fn static_token<'a>(settings: &'a Settings, token: &Secret<String>) -> Option<&'a StaticToken> {
    let hash = TokenHash::of(token.expose());
    settings
        .auth
        .tokens
        .iter()
        .fold(None, |found, entry| if entry.sha256.matches(&hash) { Some(entry) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(authorization: Option<&str>, in_query: Option<&str>) -> Result<String, &'static str> {
        token_of(authorization, in_query).map(|token| token.expose().clone()).map_err(|error| error.key())
    }

    #[test]
    fn a_token_stands_in_one_place() {
        assert_eq!(read(Some("Bearer abc"), None), Ok("abc".into()));
        assert_eq!(read(Some("bearer  abc "), None), Ok("abc".into()));
        assert_eq!(read(None, Some("abc")), Ok("abc".into()));
        assert_eq!(read(Some("Bearer abc"), Some("abc")), Err("protocol_error"));
        assert_eq!(read(None, None), Err("unauthorized"));
        assert_eq!(read(Some(""), Some("")), Err("unauthorized"));
    }

    #[test]
    fn what_is_no_token_is_not_looked_up() {
        assert_eq!(read(Some("Basic abc"), None), Err("unauthorized"));
        for header in ["Bearer", "Bearer ", "Bearer a b", "Bearer a, Bearer b", "Bearer ä"] {
            assert_eq!(read(Some(header), None), Err("invalid_token"), "{header}");
        }
        assert_eq!(read(None, Some(&"a".repeat(TOKEN_BYTES + 1))), Err("invalid_token"));
    }
}
