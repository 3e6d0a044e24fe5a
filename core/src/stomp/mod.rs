//! STOMP 1.0 to 1.2 as consoles speak it, bare or inside SockJS (`docs/rules/message-center.md#stomp`).
//!
//! A [`Talk`] takes whole WebSocket messages in and gives texts and an end back. It is a value that lies with its console, on
//! the edge in the socket's attachment: what it remembers of a client is bounded, and the bodies of frames, which nobody
//! reads, are never kept.

mod beat;
mod decoder;
mod encoder;
mod error;
mod frame;
#[cfg(test)]
mod properties;
mod session;
mod sockjs;
mod talk;
#[cfg(test)]
mod tests;
mod version;

pub use beat::{Heart, Pulse};
pub use talk::{Framing, Heard, Talk};
pub use version::{Version, choose};

use decoder::Decoder;
use error::StompError;
use frame::{Command, Frame};
use session::Session;
