//! The OpenIM gateway: what its clients say and are told, as values (`docs/rules/openim.md#gateway`).
//!
//! Nothing here holds a socket. A handshake is parsed from its query, a message is decoded into a request and an
//! answer encoded into a payload; the user's aggregate decides, the adapter moves the bytes.

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
