//! Frames out of bytes, however they are cut into messages (`docs/rules/message-center.md#stomp`).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Command, Frame, StompError, Version};

/// The longest command with its headers, in bytes. It may wait on a socket's attachment for its rest.
pub(super) const HEAD_BYTES: usize = 8 * 1024;
/// The longest body. It is read over and not kept: nobody is sent anything by a client.
pub(super) const BODY_BYTES: u32 = 64 * 1024;

/// A frame that has not come in full.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decoder {
    head: Bytes,
    body: Option<Body>,
}

/// The body that is being read over.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Body {
    /// Whether its length was told. If not, it ends with the first NUL.
    told: bool,
    /// Octets that may still come before the NUL, or that must.
    left: u32,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl Decoder {
    /// Takes from `input` until a frame is whole; `None` when it ends before that.
    ///
    /// # Errors
    /// What is wrong with the frame. Nothing good can follow it.
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

    /// One more byte of command and headers.
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

    /// Whether the frame ends with this byte.
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

// What has come may be half a CONNECT with a token in it.
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
