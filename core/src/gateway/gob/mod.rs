//! The gob encoding (`sdkType=go`, and native clients), in binary messages both ways
//! (`docs/rules/openim.md#gob`).
//!
//! Go's gob is a stream format: an encoder describes each type once and then sends values of it. Here every
//! message is a whole stream of its own, so nothing is remembered between two messages: a request brings the
//! description of its struct along, and a response starts with a description that never changes. Only what
//! these two structs need is here, this is no general gob library.

mod decode;
mod encode;
mod reader;
#[cfg(test)]
mod tests;

pub(super) use decode::decode;
pub(super) use encode::encode;
