//! Decoding of frames, however they are cut into messages (`docs/rules/message-center.md#stomp`).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Command, Frame, StompError, Version};

/// The longest command with its headers, in bytes. An incomplete one is kept in the socket's attachment.
pub(super) const HEAD_BYTES: usize = 8 * 1024;
/// The longest body, in bytes. Bodies are skipped and not kept: clients cannot send messages to each other.
pub(super) const BODY_BYTES: u32 = 64 * 1024;

/// An incomplete frame.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decoder {
    head: Bytes,
    body: Option<Body>,
}

/// The body that is being skipped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    /// Whether the frame has a `content-length`. Otherwise the body ends with the first NUL.
    told: bool,
    /// The octets before the NUL: exactly so many with a `content-length`, at most so many without.
    left: u32,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl Decoder {
    /// Takes bytes from `input` until a frame is complete; `None` when the input ends before that.
    ///
    /// # Errors
    /// The first problem of the frame. The decoder cannot continue after it.
    pub(super) fn take(
        &mut self,
        input: &mut &[u8],
        version: Option<Version>,
    ) -> Result<Option<Frame>, StompError> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            match &mut self.body {
                None => self.begin(*byte, version)?,
                Some(body) => {
                    if body.ends_with(*byte)? {
                        let whole = std::mem::take(self);
                        return Frame::read(&whole.head.0, version).map(Some);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes one byte of command and headers.
    fn begin(&mut self, byte: u8, version: Option<Version>) -> Result<(), StompError> {
        let head = &mut self.head.0;
        match byte {
            // Between two frames an end of line is a heart-beat.
            b'\n' | b'\r' if head.is_empty() => return Ok(()),
            0 => return Err(StompError::Malformed),
            _ if head.len() >= HEAD_BYTES => return Err(StompError::TooBig),
            _ => head.push(byte),
        }
        if head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n") {
            self.body = Some(Body::of(&Frame::read(head, version)?)?);
        }
        Ok(())
    }
}

impl Body {
    fn of(frame: &Frame) -> Result<Self, StompError> {
        let most = if frame.command == Command::Send { BODY_BYTES } else { 0 };
        let told = match frame.header("content-length") {
            Some(length) => Some(length.trim_matches(' ').parse().map_err(|_| StompError::Header)?),
            None => None,
        };
        match told {
            Some(length) if length > BODY_BYTES => Err(StompError::TooBig),
            Some(length) if length > most => Err(StompError::Malformed),
            Some(left) => Ok(Self { told: true, left }),
            None => Ok(Self { told: most == 0, left: most }),
        }
    }

    /// Takes one byte of the body; whether the frame ends with it.
    fn ends_with(&mut self, byte: u8) -> Result<bool, StompError> {
        match (self.told, self.left) {
            (true, 0) | (false, _) if byte == 0 => Ok(true),
            (true, 0) => Err(StompError::Malformed),
            (false, 0) => Err(StompError::TooBig),
            _ => {
                self.left -= 1;
                Ok(false)
            }
        }
    }
}

// The bytes may be half a CONNECT with a token in it.
impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({} bytes)", self.head.0.len())
    }
}

// Text, since the attachment is JSON; as numbers it would be four times as long.
impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(text).map(Self).map_err(|_| D::Error::custom("not base64"))
    }
}
