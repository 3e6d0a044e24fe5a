//! The OpenIM gateway's protocol as values (`docs/rules/openim.md#gateway`).
//!
//! This module holds no socket. A handshake is parsed from its query, a message is decoded into a request, and an answer
//! is encoded into a payload. The user's aggregate decides; the adapter moves the bytes.

mod codec;
pub mod frame;
mod gob;
mod gzip;
mod handshake;
mod json;
mod keepalive;
pub mod payload;
mod wire;

pub use codec::{DecodeError, decode, encode};
pub use handshake::{Handshake, HandshakeError};
pub use keepalive::{Keepalive, PING, PONG};
pub use wire::{Close, Encoding, Incoming, MESSAGE_BYTES, Payload, Wire};
