//! OpenIM-style tokens: their claims, signatures and states.
//!
//! A token is good when its signature and times hold ([`Keys::verify`], which needs no state) *and* its user's
//! token [`store`] holds its exact text as valid. Rules: `docs/rules/openim.md#tokens`.

mod claims;
mod error;
mod hash;
mod keys;
pub mod store;

pub use claims::{Claims, SKEW_SECS, lifetime_secs};
pub use error::TokenError;
pub use hash::TokenHash;
pub use keys::{Keys, Verified};

use crate::secret::Secret;

/// The text of a token. It is a bearer secret.
pub type TokenText = Secret<String>;
