//! The configuration: one tree, the same on both runtimes (`docs/configuration.md`).
//!
//! A value comes from the defaults, then the TOML text, then variables named `ROLLCALL__SECTION__KEY`. An unknown
//! key, a wrong type or an impossible value is an error that names the key, and never quotes a secret.
//!
//! A new key is a field of its section in `settings.rs`, with its default, and an entry of `rollcall.default.toml`; a
//! test compares the two. What else its value has to be stands in `validate.rs`.

mod error;
mod fault;
mod load;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod validate;

pub use error::ConfigError;
pub use load::{VARIABLE_PREFIX, meant_variable};
pub use settings::{
    Auth, Cluster, Edge, Introspection, Jurisdiction, Limits, LocationHint, MessageCenter, OpenIm, Presence,
    Profile, ReceiveTypes, Runtime, Server, Settings, StaticToken, Store, Tls,
};
