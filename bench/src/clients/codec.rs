//! The part of WebSocket that a passive client needs: frames are classified, and not kept.

/// The key of every upgrade. A random one would have no use here.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// A server's answer to [`KEY`].
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The first byte of a Close frame.
pub(crate) const CLOSE_BEGINS: u8 = 0x88;

/// A control ping without content, masked with zeros.
pub(super) const CONTROL_PING: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];
/// The published JavaScript client's ping.
const TEXT_PING: &[u8] = br#"{"type":"ping"}"#;

/// A frame from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Text or binary.
    Message,
    /// Expects a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// A Close frame, with its code if it has one.
    Close(Option<u16>),
}

/// The first frame in `bytes` and its length; `None` while it is not complete.
///
/// # Errors
/// For bytes that are no unfragmented frame of a server, and for frames above 64 KiB.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<(Frame, usize)>, &'static str> {
    let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    if first & 0xf0 != 0x80 {
        return Err("a fragment, or an extension that nobody asked for");
    }
    let (length, rest, head) = match second {
        0..126 => (usize::from(second), rest, 2),
        126 => match rest.split_first_chunk::<2>() {
            Some((length, rest)) => (usize::from(u16::from_be_bytes(*length)), rest, 4),
            None => return Ok(None),
        },
        127 => return Err("a message above 64 KiB"),
        _ => return Err("a masked frame"),
    };
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    let frame = match first & 0x0f {
        1 | 2 => Frame::Message,
        8 => Frame::Close(payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code))),
        9 => Frame::Ping,
        10 => Frame::Pong,
        _ => return Err("an unknown opcode"),
    };
    Ok(Some((frame, head + length)))
}

/// The published JavaScript client's ping, as a frame.
pub(super) fn text_ping() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 15, 0, 0, 0, 0];
    frame.extend_from_slice(TEXT_PING);
    frame
}

/// A pong without content.
pub(super) const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0];

/// A Close frame with this code.
pub(super) fn close(code: u16) -> [u8; 8] {
    let [high, low] = code.to_be_bytes();
    [CLOSE_BEGINS, 0x82, 0, 0, 0, 0, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart_wherever_they_are_cut() {
        let mut long = vec![0x81, 126, 1, 0];
        long.extend([b'x'; 256]);
        let all: [(&[u8], Frame); 4] = [
            (&[0x88, 6, 0x0f, 0xa6, b'k', b'i', b'c', b'k'], Frame::Close(Some(4006))),
            (&[0x88, 0], Frame::Close(None)),
            (&[0x8a, 1, 7], Frame::Pong),
            (&long, Frame::Message),
        ];
        for (bytes, expected) in all {
            for cut in 0..bytes.len() {
                assert_eq!(frame(&bytes[..cut]), Ok(None));
            }
            let followed = [bytes, &[0x89, 0]].concat();
            assert_eq!(frame(&followed), Ok(Some((expected, bytes.len()))));
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        for bytes in [[0x01, 0], [0xc1, 0], [0x81, 0x80], [0x83, 0], [0x81, 127]] {
            frame(&bytes).unwrap_err();
        }
    }

    #[test]
    fn the_text_ping_says_how_long_it_is() {
        assert_eq!(text_ping().len(), 6 + TEXT_PING.len());
        assert_eq!(text_ping()[1], 0x80 | 0x0f);
        assert_eq!(TEXT_PING.len(), 15);
    }
}
