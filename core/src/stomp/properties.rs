//! What holds for frames of any content, cut anywhere.

use proptest::{collection::vec, prelude::*};

use super::{Command, Decoder, Frame, Framing, HeartbeatMode, Session, Version, encoder::Encoder};
use crate::{gateway::Incoming, id::ConnId};

const VERSIONS: [Version; 3] = [Version::V10, Version::V11, Version::V12];

/// Reads bytes that come in pieces of these sizes, in turn.
fn read(version: Version, bytes: &[u8], sizes: &[usize]) -> Vec<Frame> {
    let (mut decoder, mut frames, mut rest) = (Decoder::default(), Vec::new(), bytes);
    for size in sizes.iter().cycle() {
        let (mut piece, later) = rest.split_at((*size).min(rest.len()));
        while let Some(frame) = decoder.take(&mut piece, Some(version)).unwrap() {
            frames.push(frame);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    frames
}

/// Names and values that a version can say: what it cannot escape it does not have.
fn text(version: Version) -> BoxedStrategy<String> {
    let alphabet = match version {
        Version::V10 => "[a-z0-9\\\\ü/-]",
        Version::V11 => "[a-z0-9\\\\ü/:\n -]",
        Version::V12 => "[a-z0-9\\\\ü/:\r\n -]",
    };
    proptest::string::string_regex(&format!("{alphabet}{{1,12}}")).unwrap().boxed()
}

type Script = (Version, Vec<(Vec<(String, String)>, String)>);

fn script() -> impl Strategy<Value = Script> {
    proptest::sample::select(VERSIONS.to_vec()).prop_flat_map(|version| {
        let header = (text(version).prop_map(|name| format!("x{name}")), text(version));
        (Just(version), vec((vec(header, 0..6), "[^\0]{0,40}"), 1..6))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_however_it_is_cut(
        (version, frames) in script(),
        sizes in vec(1_usize..40, 1..8),
        told in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        for (headers, body) in &frames {
            let mut frame = Encoder::new("SEND", version);
            if told {
                frame.header("content-length", &body.len().to_string());
            }
            for (name, value) in headers {
                let mut plain = String::new();
                version.escape(name, &mut plain);
                frame.header(&plain, value);
            }
            bytes.extend_from_slice(frame.end(body).as_bytes());
            bytes.push(b'\n');
        }
        let found = read(version, &bytes, &sizes);
        prop_assert_eq!(found.len(), frames.len());
        for (frame, (headers, _)) in found.iter().zip(&frames) {
            prop_assert_eq!(frame.command, Command::Send);
            for (name, _) in headers {
                let first = headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
                prop_assert_eq!(frame.header(name), first);
            }
        }
    }

    /// Bytes that look like frames more often than chance would have it.
    #[test]
    fn nothing_that_comes_breaks_a_conversation_or_makes_it_grow(
        pieces in vec(
            prop_oneof![
                vec(any::<u8>(), 0..30),
                proptest::sample::select(vec![
                    "CONNECT\naccept-version:1.2\n\n\0", "SEND\n", "SUBSCRIBE\nid:1\ndestination:/topic/messages\n",
                    "content-length:3\n", "content-length:99999999999\n", "\n\0", "\0", "\r\n", "\\c:", "[\"", "\"]",
                    "DISCONNECT\n\n\0", "receipt:1\n", "heart-beat:1,1\n",
                ]).prop_map(|text| text.as_bytes().to_vec()),
            ],
            0..40,
        ),
        sockjs in any::<bool>(),
    ) {
        let name = ConnId::from_bytes([1; 16]);
        let mut session = Session::new(if sockjs { Framing::SockJs } else { Framing::Bare }, HeartbeatMode::Enabled);
        for piece in pieces {
            let message = match String::from_utf8(piece) {
                Ok(text) => Incoming::Text(text),
                Err(error) => Incoming::Binary(error.into_bytes()),
            };
            let outcome = session.on_message(name, &message);
            prop_assert!(serde_json::to_string(&session).unwrap().len() < 15_500);
            if outcome.end.is_some() {
                break;
            }
        }
    }
}
