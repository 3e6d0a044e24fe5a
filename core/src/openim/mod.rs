//! The error codes of the OpenIM documents and the envelope that carries them, for every interface.

mod code;
mod error;

pub use code::Code;
pub use error::{DetailStyle, OpenImError};
