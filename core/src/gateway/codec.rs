//! The choice of a connection's encoding, in one place. All other code handles requests and responses.

use std::borrow::Cow;

use super::{
    frame::{Request, Response},
    gob, gzip, json,
    wire::{Encoding, Payload, Wire},
};

/// A binary message is not a request in the connection's encoding. The error ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message could not be decoded")]
pub struct DecodeError;

/// Decodes a binary message.
///
/// # Errors
/// [`DecodeError`] for anything that is not exactly one request.
pub fn decode(wire: Wire, bytes: &[u8]) -> Result<Request, DecodeError> {
    let plain =
        if wire.gzip { Cow::Owned(gzip::decode(bytes).ok_or(DecodeError)?) } else { Cow::Borrowed(bytes) };
    match wire.encoding {
        Encoding::Json => json::decode(&plain),
        Encoding::Gob => gob::decode(&plain),
    }
    .ok_or(DecodeError)
}

/// Encodes a response. It is a binary message even in JSON: clients take a text message for a handshake result.
pub fn encode(wire: Wire, response: &Response) -> Payload {
    let plain = match wire.encoding {
        Encoding::Json => json::encode(response),
        Encoding::Gob => gob::encode(response),
    };
    Payload::Binary(if wire.gzip { gzip::encode(&plain) } else { plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Gob];

    fn bytes(payload: Payload) -> Vec<u8> {
        match payload {
            Payload::Binary(bytes) => bytes,
            Payload::Text(text) => panic!("a text: {text}"),
        }
    }

    /// Requests and responses share most of their names, so a response can be read as one.
    fn answer() -> (Response, Request) {
        let request = Request {
            identifier: 1001,
            operation_id: "op1".into(),
            msg_incr: "u1_op1".into(),
            data: b"\x0a\x02u1".into(),
            ..Request::default()
        };
        (request.answer(Some(request.data.clone())), request)
    }

    #[test]
    fn gzip_goes_around_both_encodings() {
        let (response, request) = answer();
        for encoding in ENCODINGS {
            let plain = bytes(encode(Wire { encoding, gzip: false }, &response));
            let zipped = bytes(encode(Wire { encoding, gzip: true }, &response));
            assert_eq!(gzip::decode(&zipped), Some(plain.clone()), "{encoding:?}");
            assert_eq!(decode(Wire { encoding, gzip: false }, &plain), Ok(request.clone()), "{encoding:?}");
            assert_eq!(decode(Wire { encoding, gzip: true }, &zipped), Ok(request.clone()), "{encoding:?}");
        }
    }

    #[test]
    fn a_message_in_another_form_than_agreed_is_refused() {
        let (response, _) = answer();
        let forms = ENCODINGS.map(|encoding| [false, true].map(|gzip| Wire { encoding, gzip }));
        for sent in forms.as_flattened() {
            for agreed in forms.as_flattened() {
                let read = decode(*agreed, &bytes(encode(*sent, &response)));
                assert_eq!(read.is_ok(), sent == agreed, "{sent:?} {agreed:?}");
            }
        }
    }
}
