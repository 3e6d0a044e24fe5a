//! Tokens as the documents define them, minted and taken apart without the server's help.

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

/// The header bytes of every token that a server issues.
pub const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The hash behind an HMAC signature; the header may claim another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// HS256.
    Sha256,
    /// HS384.
    Sha384,
    /// HS512.
    Sha512,
}

/// A token taken apart; nothing is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The header's JSON text.
    pub header: String,
    /// The claims' JSON text.
    pub claims: String,
    /// The signature's bytes.
    pub signature: Vec<u8>,
}

/// The five claims of the documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `UserID`.
    pub user: String,
    /// `PlatformID`.
    pub platform: i64,
    /// `exp`, in unix seconds.
    pub exp: i64,
    /// `nbf`, in unix seconds.
    pub nbf: i64,
    /// `iat`, in unix seconds.
    pub iat: i64,
}

impl Claims {
    /// The exact bytes of the document's samples: this order, no white space.
    pub fn to_text(&self) -> String {
        let user = serde_json::Value::from(self.user.as_str());
        format!(
            r#"{{"UserID":{user},"PlatformID":{},"exp":{},"nbf":{},"iat":{}}}"#,
            self.platform, self.exp, self.nbf, self.iat
        )
    }

    /// Claims that are valid now and stay so for a day.
    pub fn valid(user: &str, platform: i64, now: i64) -> Self {
        Self { user: user.to_owned(), platform, exp: now + 86_400, nbf: now - 300, iat: now - 5 }
    }
}

/// The base64url text without padding.
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Any header over any claims, signed with any HMAC.
pub fn sign(hash: Hash, header: &str, claims: &str, secret: &[u8]) -> Result<String> {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let signature = mac(hash, signed.as_bytes(), secret)?;
    Ok(format!("{signed}.{}", base64url(signature)))
}

/// A well-formed HS256 token over the given claims text.
pub fn mint(claims: &str, secret: &str) -> Result<String> {
    sign(Hash::Sha256, HEADER, claims, secret.as_bytes())
}

/// Takes a token apart.
pub fn parts(token: &str) -> Result<Parts> {
    let pieces: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = pieces.as_slice() else {
        bail!("a token has three parts, this one has {}", pieces.len());
    };
    let text = |piece: &str, what: &str| -> Result<String> {
        let bytes = URL_SAFE_NO_PAD.decode(piece).with_context(|| format!("{what} is not base64url"))?;
        String::from_utf8(bytes).with_context(|| format!("{what} is not UTF-8"))
    };
    Ok(Parts {
        header: text(header, "the header")?,
        claims: text(claims, "the claims")?,
        signature: URL_SAFE_NO_PAD.decode(signature).context("the signature is not base64url")?,
    })
}

/// The five claims of a token, if it has exactly those, in the documents' byte order.
pub fn claims(token: &str) -> Result<Claims> {
    let text = parts(token)?.claims;
    let value: serde_json::Value = serde_json::from_str(&text).context("the claims are not JSON")?;
    let number = |name: &str| {
        value
            .get(name)
            .and_then(serde_json::Value::as_i64)
            .with_context(|| format!("no integer {name} in {text}"))
    };
    let user = value.get("UserID").and_then(serde_json::Value::as_str).context("no UserID")?.to_owned();
    let claims = Claims {
        user,
        platform: number("PlatformID")?,
        exp: number("exp")?,
        nbf: number("nbf")?,
        iat: number("iat")?,
    };
    if claims.to_text() != text {
        bail!("claims are not byte for byte of the documented form: {text}");
    }
    Ok(claims)
}

/// Whether the signature is the HS256 one of this secret.
pub fn verifies(token: &str, secret: &str) -> Result<bool> {
    let (signed, _) = token.rsplit_once('.').context("no signature part")?;
    Ok(mac(Hash::Sha256, signed.as_bytes(), secret.as_bytes())? == parts(token)?.signature)
}

fn mac(hash: Hash, text: &[u8], secret: &[u8]) -> Result<Vec<u8>> {
    Ok(match hash {
        Hash::Sha256 => {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret)?;
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        Hash::Sha384 => {
            let mut mac = Hmac::<Sha384>::new_from_slice(secret)?;
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        Hash::Sha512 => {
            let mut mac = Hmac::<Sha512>::new_from_slice(secret)?;
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    #[test]
    fn every_vector_but_the_tampered_one_is_reproduced_byte_for_byte() {
        let vectors = vectors::load().unwrap();
        for vector in vectors.jwt.iter().filter(|v| v.id != "J8") {
            assert_eq!(mint(&vector.claims, &vectors.secret).unwrap(), vector.token, "{}", vector.id);
            assert!(verifies(&vector.token, &vectors.secret).unwrap(), "{}", vector.id);
            assert_eq!(parts(&vector.token).unwrap().header, HEADER);
            assert_eq!(parts(&vector.token).unwrap().claims, vector.claims);
        }
    }

    #[test]
    fn the_tampered_vector_does_not_verify() {
        let vectors = vectors::load().unwrap();
        let j8 = vectors.token("J8").unwrap();
        assert!(!verifies(&j8, &vectors.secret).unwrap());
    }

    #[test]
    fn claims_in_another_order_are_refused() {
        let token = mint(r#"{"PlatformID":2,"UserID":"u","exp":3,"nbf":1,"iat":2}"#, "openIM123").unwrap();
        assert!(claims(&token).is_err());
        let token = mint(r#"{"UserID":"u","PlatformID":2,"exp":3,"nbf":1,"iat":2}"#, "openIM123").unwrap();
        assert_eq!(claims(&token).unwrap().platform, 2);
    }

    #[test]
    fn other_hashes_give_other_signature_lengths() {
        let length = |hash| {
            let token = sign(hash, HEADER, "{}", b"openIM123").unwrap();
            parts(&token).unwrap().signature.len()
        };
        assert_eq!([length(Hash::Sha256), length(Hash::Sha384), length(Hash::Sha512)], [32, 48, 64]);
    }
}
