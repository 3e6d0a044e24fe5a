//! Signing and verifying (`docs/rules/openim.md#verification`).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt_compact::{
    Algorithm, AlgorithmExt, AlgorithmSignature, Claims as JwtClaims, Header, ParseError, UntrustedToken,
    alg::{Hs256, Hs256Key, Hs256Signature},
};
use serde::{Deserialize, Serialize};

use super::{Claims, TokenError, TokenHash, TokenText};
use crate::{
    id::UserId,
    platform::Platform,
    secret::{self, Secret},
    time::Timestamp,
};

/// The longest token of ours, in bytes: userIDs are bounded, and so are the claims.
const TOKEN_BYTES: usize = 4096;

/// The keys of HS256: one signs, all verify. The algorithm is the key's, never the token's.
#[derive(Clone)]
pub struct Keys {
    signing: Hs256Key,
    previous: Vec<Hs256Key>,
}

/// A token whose signature and times hold. Its status in the user's token store is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The owner.
    pub user: UserId,
    /// The platform that it was issued for.
    pub platform: Platform,
    /// The expiry: the token is invalid from this instant on.
    pub expires: Timestamp,
    /// Its key in the store.
    pub hash: TokenHash,
    /// Its text, which administrators see while a connection uses it.
    #[serde(with = "secret::exposed")]
    pub text: TokenText,
}

impl Keys {
    /// `current` signs and verifies, `previous` only verify.
    pub fn new(current: &Secret<String>, previous: &[Secret<String>]) -> Self {
        let key = |secret: &Secret<String>| Hs256Key::new(secret.expose().as_bytes());
        Self { signing: key(current), previous: previous.iter().map(key).collect() }
    }

    /// Signs the claims, byte for byte as in the documents' samples.
    ///
    /// # Errors
    /// Only if the claims could not be serialised.
    pub fn sign(&self, claims: &Claims) -> Result<TokenText, jwt_compact::CreationError> {
        let header = Header::empty().with_token_type("JWT");
        Hs256.token(&header, &JwtClaims::new(claims), &self.signing).map(Secret::new)
    }

    /// Checks everything about a token that needs no state.
    ///
    /// # Errors
    /// The first row of the table that applies: form, algorithm, signature, then `exp`, `nbf`, `iat`.
    pub fn verify(&self, text: &str, now: Timestamp) -> Result<Verified, TokenError> {
        self.claims(text)?.at(Secret::from(text), TokenHash::of(text), now)
    }

    /// The claims of a token whose form, algorithm and signature are good. Their times are still to be judged, by
    /// [`Claims::at`].
    ///
    /// # Errors
    /// The first of the three that is wrong.
    pub fn claims(&self, text: &str) -> Result<Claims, TokenError> {
        if text.len() > TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let token = UntrustedToken::new(text).map_err(|error| match error {
            ParseError::MalformedHeader(_) if is_object(header) => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?;
        // Claims are parsed from the bytes and not through the library's own type, which rejects a float as a time and
        // accepts a claim twice.
        let claims: Claims = decode(payload)
            .and_then(|bytes| crate::json::object(&bytes).ok())
            .ok_or(TokenError::Malformed)?;
        if token.algorithm() != Hs256.name() {
            return Err(TokenError::Algorithm);
        }
        let signature = decode(signature)
            .filter(|bytes| Hs256Signature::LENGTH.is_none_or(|length| bytes.len() == length.get()))
            .and_then(|bytes| Hs256Signature::try_from_slice(&bytes).ok())
            .ok_or(TokenError::Signature)?;
        let signs = |key: &Hs256Key| Hs256.verify_signature(&signature, key, signed.as_bytes());
        if signs(&self.signing) || self.previous.iter().any(signs) {
            Ok(claims)
        } else {
            Err(TokenError::Signature)
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} previous)", self.previous.len())
    }
}

fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Whether a header that the library rejected is a JSON object: then only its `alg` is missing.
fn is_object(part: &str) -> bool {
    decode(part).is_some_and(|bytes| {
        crate::json::object::<serde_json::Map<String, serde_json::Value>>(&bytes).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "openIM123";
    const LATER: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn keys() -> Keys {
        Keys::new(&Secret::from(SECRET), &[])
    }

    fn vectors() -> serde_json::Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/openim.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn vector(id: &str) -> String {
        let vectors = vectors();
        let all = vectors["jwt"].as_array().unwrap();
        all.iter().find(|vector| vector["id"] == id).unwrap()["token"].as_str().unwrap().to_owned()
    }

    /// Signs any header and payload with any HMAC the library has.
    fn forge(header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = Hs256.sign(&Hs256Key::new(SECRET), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_bytes()))
    }

    const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn judge(payload: &str) -> Result<Verified, TokenError> {
        keys().verify(&forge(HEADER, payload), LATER)
    }

    #[test]
    fn every_sample_token_is_reproduced_from_its_claims() {
        for vector in vectors()["jwt"].as_array().unwrap() {
            if vector["id"] == "J8" {
                continue; // a copy of J2 with its signature damaged
            }
            let claims: Claims = serde_json::from_str(vector["claims"].as_str().unwrap()).unwrap();
            assert_eq!(
                keys().sign(&claims).unwrap().expose(),
                vector["token"].as_str().unwrap(),
                "{}",
                vector["id"]
            );
        }
    }

    #[test]
    fn the_sample_tokens_get_their_verdicts() {
        let verdict = |id: &str| keys().verify(&vector(id), LATER).map(|token| token.platform.number());
        assert_eq!(verdict("J1"), Ok(10));
        assert_eq!(verdict("J2"), Ok(2));
        assert_eq!(verdict("J5"), Ok(5));
        assert_eq!(verdict("J3"), Err(TokenError::Expired));
        assert_eq!(verdict("J7"), Err(TokenError::NotValidYet));
        assert_eq!(verdict("J8"), Err(TokenError::Signature));
        assert_eq!(keys().verify("abc", LATER), Err(TokenError::Malformed));
    }

    #[test]
    fn a_new_token_has_the_documents_spans() {
        let now = Timestamp::from_millis(1_700_000_000_999);
        let claims = Claims::new(&UserId::from(7), Platform::Web, now, 90, 0);
        assert_eq!(claims.exp, 1_700_000_000 + 7_776_000);
        assert_eq!(claims.iat, Some(1_700_000_000 - 5));
        assert_eq!(claims.nbf, Some(1_700_000_000 - 305));
        assert_ne!(Claims::new(&UserId::from(7), Platform::Web, now, 90, 1), claims);
    }

    #[test]
    fn form_is_judged_before_algorithm_and_signature_before_times() {
        let ok = r#"{"UserID":"u","PlatformID":5,"exp":4102444800}"#;
        assert!(judge(ok).is_ok());
        let with_header = |header: &str| keys().verify(&forge(header, ok), LATER).unwrap_err();
        for header in
            [r#"{"alg":"none"}"#, r#"{"alg":"None"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"RS256"}"#, "{}"]
        {
            assert_eq!(with_header(header), TokenError::Algorithm, "{header}");
        }
        for header in ["[]", "null", "not json"] {
            assert_eq!(with_header(header), TokenError::Malformed, "{header}");
        }
        assert!(keys().verify(&forge(r#"{"alg":"HS256","kid":"../../dev/null"}"#, ok), LATER).is_ok());
        let expired = forge(HEADER, r#"{"UserID":"u","PlatformID":5,"exp":1}"#);
        assert_eq!(keys().verify(&expired, LATER), Err(TokenError::Expired));
        let damaged = format!("{}AA", expired.get(..expired.len() - 2).unwrap());
        assert_eq!(keys().verify(&damaged, LATER), Err(TokenError::Signature));
        let unsigned = expired.rsplit_once('.').unwrap().0;
        assert_eq!(keys().verify(&format!("{unsigned}."), LATER), Err(TokenError::Signature));
    }

    #[test]
    fn claims_are_whole_numbers_however_they_are_written() {
        assert!(judge(r#"{"UserID":"u","PlatformID":5.0,"exp":4.1024448e9,"iat":1.7e9}"#).is_ok());
        assert!(judge(r#"{"UserID":"u","PlatformID":5,"exp":1e300}"#).is_ok());
        let why = |payload: &str| judge(payload).unwrap_err();
        assert_eq!(why(r#"{"UserID":"u","PlatformID":5,"exp":-1}"#), TokenError::Expired);
        assert_eq!(
            why(r#"{"UserID":"u","PlatformID":5,"exp":4102444800,"iat":1e300}"#),
            TokenError::IssuedInFuture
        );
        for payload in [
            r#"{"UserID":"u","PlatformID":5}"#,
            r#"{"UserID":"u","PlatformID":5,"exp":null}"#,
            r#"{"UserID":"u","PlatformID":5,"exp":"4102444800"}"#,
            r#"{"UserID":"u","PlatformID":5,"exp":4102444800,"exp":1}"#,
            r#"{"UserID":7,"PlatformID":5,"exp":4102444800}"#,
            r#"{"PlatformID":5,"exp":4102444800}"#,
            "[]",
        ] {
            assert_eq!(why(payload), TokenError::Malformed, "{payload}");
        }
        assert_eq!(why(r#"{"UserID":"u","PlatformID":12,"exp":4102444800}"#), TokenError::NotIssued);
        assert_eq!(why(r#"{"UserID":"","PlatformID":5,"exp":4102444800}"#), TokenError::NotIssued);
    }

    #[test]
    fn times_are_judged_at_their_edges() {
        let at = |exp: i64, nbf: i64, iat: i64| {
            judge(&format!(r#"{{"UserID":"u","PlatformID":5,"exp":{exp},"nbf":{nbf},"iat":{iat}}}"#)).err()
        };
        let now = LATER.secs();
        assert_eq!(at(now + 1, now, now + 60), None);
        assert_eq!(at(now, now, now), Some(TokenError::Expired));
        assert_eq!(at(now + 1, now + 1, now), Some(TokenError::NotValidYet));
        assert_eq!(at(now + 1, now, now + 61), Some(TokenError::IssuedInFuture));
    }

    #[test]
    fn a_previous_secret_verifies_and_never_signs() {
        let rotated = Keys::new(&Secret::from("the new secret"), &[Secret::from(SECRET)]);
        let claims = Claims::new(&UserId::from(7), Platform::Web, LATER, 90, 0);
        let old = keys().sign(&claims).unwrap();
        let new = rotated.sign(&claims).unwrap();
        assert!(rotated.verify(old.expose(), LATER).is_ok());
        assert!(rotated.verify(new.expose(), LATER).is_ok());
        assert_eq!(keys().verify(new.expose(), LATER), Err(TokenError::Signature));
    }

    #[test]
    fn nothing_a_client_can_send_makes_verification_panic() {
        use proptest::prelude::*;
        proptest!(|(text in "[-A-Za-z0-9_.=+/]{0,300}|\\PC{0,60}")| {
            let _ = keys().verify(&text, LATER);
        });
        let long = "a".repeat(1 << 20);
        assert_eq!(keys().verify(&long, LATER), Err(TokenError::Malformed));
    }
}
