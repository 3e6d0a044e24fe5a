//! Tokens in rows that other processes read: sealed, so that no dump, replica or log of the database holds one that is of use.
//!
//! The key of each connection comes from `auth.secret` and the connection's id by HKDF (RFC 5869), and seals with ChaCha20-Poly1305
//! (RFC 8439). A key seals the few rows of one connection, so a random nonce does not come twice. Both are of the cryptography that
//! TLS brings along.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Prk, Salt},
};
use rollcall_core::{id::ConnId, secret::Secret, token::TokenText};

/// Keeps these keys apart from others of the same secret.
const PURPOSE: &[u8] = b"rollcall: tokens of live connections, 1";

/// Seals by the newest secret, and opens by each.
pub(crate) struct Seal {
    secrets: Vec<Prk>,
}

impl Seal {
    /// Seals by `current`; `previous` only open.
    pub(crate) fn new(current: &Secret<String>, previous: &[Secret<String>]) -> Self {
        let salt = Salt::new(HKDF_SHA256, PURPOSE);
        let key = |secret: &Secret<String>| salt.extract(secret.expose().as_bytes());
        Self { secrets: std::iter::once(current).chain(previous).map(key).collect() }
    }

    /// The text as it is stored. An empty one is stored as it is.
    pub(crate) fn close(&self, connection: ConnId, text: &TokenText) -> String {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut bytes = text.expose().clone().into_bytes();
        let key = self.secrets.first().and_then(|secret| key(secret, connection));
        let sealed = key.and_then(|key| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_append_tag(nonce, bound(connection), &mut bytes).ok()
        });
        // It fails for texts of gigabytes alone.
        if sealed.is_none() || text.expose().is_empty() {
            return String::new();
        }
        STANDARD_NO_PAD.encode([nonce.as_slice(), &bytes].concat())
    }

    /// The text that was sealed; `None` where none of the secrets opens it.
    pub(crate) fn open(&self, connection: ConnId, sealed: &str) -> Option<TokenText> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let open = |secret: &Prk| {
            let mut bytes = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let text = key(secret, connection)?.open_in_place(nonce, bound(connection), &mut bytes).ok()?;
            Some(Secret::new(std::str::from_utf8(text).ok()?.to_owned()))
        };
        self.secrets.iter().find_map(open)
    }
}

fn key(secret: &Prk, connection: ConnId) -> Option<LessSafeKey> {
    let id = connection.to_string();
    let info = [id.as_bytes()];
    Some(LessSafeKey::new(UnboundKey::from(secret.expand(&info, &CHACHA20_POLY1305).ok()?)))
}

/// A sealed text opens in the row of its own connection only.
fn bound(connection: ConnId) -> Aad<String> {
    Aad::from(connection.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnId = ConnId::from_bytes([1; 16]);
    const OTHER: ConnId = ConnId::from_bytes([2; 16]);

    fn secret(text: &str) -> Secret<String> {
        Secret::from(text)
    }

    #[test]
    fn a_sealed_text_opens_for_its_own_connection_by_the_same_secret_or_a_later_one() {
        let (old, new) =
            (secret("an old secret of many characters"), secret("a new secret of many characters"));
        let text = secret("eyJhbGciOiJIUzI1NiJ9.e30.x");
        let sealed = Seal::new(&old, &[]).close(ONE, &text);
        assert!(!sealed.contains("eyJ"), "{sealed}");
        assert_ne!(sealed, Seal::new(&old, &[]).close(ONE, &text), "with another nonce");
        assert_eq!(Seal::new(&old, &[]).open(ONE, &sealed), Some(text.clone()));
        assert_eq!(Seal::new(&new, std::slice::from_ref(&old)).open(ONE, &sealed), Some(text.clone()));
        assert_eq!(Seal::new(&new, &[]).open(ONE, &sealed), None);
        assert_eq!(Seal::new(&old, &[]).open(OTHER, &sealed), None);
        for broken in ["", "AAAA", &sealed[1..], &sealed[..20]] {
            assert_eq!(Seal::new(&old, &[]).open(ONE, broken), None, "{broken}");
        }
        let empty = Seal::new(&old, &[]).close(ONE, &secret(""));
        assert_eq!(empty, "", "what did not open once is not sealed anew");
    }
}
