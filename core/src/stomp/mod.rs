//! STOMP 1.0 to 1.2 as consoles speak it, bare or inside SockJS (`docs/rules/message-center.md#stomp`).
//!
//! A [`Session`] takes whole WebSocket messages and returns texts and, at the end, a close. It is a value kept with its
//! console, on the edge in the socket's attachment: what it keeps of a client is bounded, and the bodies of frames, which
//! nothing reads, are never kept.

mod decoder;
mod encoder;
mod error;
mod frame;
mod heartbeat;
mod login;
#[cfg(test)]
mod properties;
mod protocol;
mod session;
pub mod sockjs;
#[cfg(test)]
mod tests;
mod version;

pub use heartbeat::{Heartbeat, HeartbeatMode};
pub use login::{Login, LoginOutcome, Refusal};
pub use session::{Framing, MessageOutcome, Session};
pub use version::{Version, choose};

use decoder::Decoder;
use error::StompError;
use frame::{Command, Frame};
use protocol::Protocol;
