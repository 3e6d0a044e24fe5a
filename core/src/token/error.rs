//! Reasons to refuse a token (`docs/rules/openim.md#verification`).

use crate::time::Timestamp;

/// The rows of the verification table, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum TokenError {
    /// Not three parts of base64url, not JSON, or a claim is missing, doubled or of the wrong type.
    #[error("the token is malformed")]
    Malformed,
    /// The header names another algorithm than the key's.
    #[error("the token's algorithm is not the key's")]
    Algorithm,
    /// No key made this signature.
    #[error("the token's signature is invalid")]
    Signature,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet")]
    NotValidYet,
    /// `iat` is further ahead than clocks differ.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// Revoked by a login or by an operator.
    #[error("the token was kicked")]
    Kicked,
    /// Signed with our key, but not in its user's token store.
    #[error("the token was never issued here")]
    NotIssued,
    /// Its user is denied until then.
    #[error("the token's user is denied until {0}")]
    Denied(Timestamp),
}
