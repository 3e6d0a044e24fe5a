//! What the OpenIM documents fix for every interface: error codes, and the envelope that carries them.

mod code;
mod error;

pub use code::Code;
pub use error::{DetailStyle, OpenImError};
