//! The configuration: one tree, the same on both runtimes (`docs/configuration.md`).
//!
//! A value comes from the defaults, then the TOML text, then variables named `ROLLCALL__SECTION__KEY`. An unknown
//! key, a wrong type or an impossible value is an error that names the key, and never quotes a secret.

mod error;
mod keys;
mod read;
mod settings;
mod sources;
mod text;
mod tree;
mod validate;

pub use error::ConfigError;
pub use keys::{Entry, KEYS, Key, Kind, REFERENCE};
pub use settings::{
    Auth, Introspection, Limits, MessageCenter, OpenIm, Presence, Profile, ReceiveTypes, Runtime, Server,
    Settings, StaticToken, Tls,
};
pub use sources::VARIABLE_PREFIX;
