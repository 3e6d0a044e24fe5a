//! What the OpenIM documents fix for every interface: error codes, and the envelope that carries them.

mod code;
mod failure;

pub use code::Code;
pub use failure::{DetailStyle, Failure};
