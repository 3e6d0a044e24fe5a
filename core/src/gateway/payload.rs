//! The protobuf messages inside requests and responses (`docs/rules/openim.md#payloads`).

use std::collections::VecDeque;

use prost::{
    DecodeError,
    encoding::{DecodeContext, decode_key, skip_field, string},
};

/// The request of 2004: whether the application is in the background. The userID inside is ignored.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetBackground {
    /// The client's userID.
    #[prost(string, tag = "1")]
    pub user_id: String,
    /// The new flag.
    #[prost(bool, tag = "2")]
    pub is_background: bool,
}

/// The request of 2005: the users whose presence the client follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Users to follow from now on.
    pub subscribe: Vec<String>,
    /// Users to follow no longer; an id in both lists is followed.
    pub unsubscribe: Vec<String>,
}

impl Subscribe {
    /// Decodes a request. Of each list the last `most` ids are kept, and no more are held meanwhile: a small message that
    /// inflates may name half a million.
    ///
    /// # Errors
    /// When it is not a protobuf message with two lists of texts.
    pub fn decode(mut data: &[u8], most: usize) -> Result<Self, DecodeError> {
        let (mut subscribe, mut unsubscribe) = (VecDeque::new(), VecDeque::new());
        while !data.is_empty() {
            let (tag, wire_type) = decode_key(&mut data)?;
            let list = match tag {
                1 => &mut subscribe,
                2 => &mut unsubscribe,
                _ => {
                    skip_field(wire_type, tag, &mut data, DecodeContext::default())?;
                    continue;
                }
            };
            let mut id = String::new();
            string::merge(wire_type, &mut id, &mut data, DecodeContext::default())?;
            list.push_back(id);
            if list.len() > most {
                list.pop_front();
            }
        }
        Ok(Self { subscribe: subscribe.into(), unsubscribe: unsubscribe.into() })
    }
}

/// The answer and the push of 2005: the presence of some users.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PresenceTips {
    /// One a user.
    #[prost(message, repeated, tag = "1")]
    pub users: Vec<PresenceTip>,
}

/// One user's presence.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PresenceTip {
    /// The user.
    #[prost(string, tag = "1")]
    pub user_id: String,
    /// The platforms with a connection; none is offline.
    #[prost(int32, repeated, tag = "2")]
    pub platforms: Vec<i32>,
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::gateway::{Encoding, Payload, Wire, encode, frame::Response};

    #[test]
    fn payloads_are_the_documents_bytes() {
        let tips = PresenceTips { users: vec![PresenceTip { user_id: "u1".into(), platforms: vec![2, 5] }] };
        assert_eq!(tips.encode_to_vec(), b"\x0a\x08\x0a\x02u1\x12\x02\x02\x05");
        let background = SetBackground::decode(&b"\x0a\x02u1\x10\x01"[..]).unwrap();
        assert_eq!(background, SetBackground { user_id: "u1".into(), is_background: true });
    }

    /// The two lists of a request, in protobuf.
    fn lists(subscribe: &[&str], unsubscribe: &[&str]) -> Vec<u8> {
        let field = |key: u8, id: &&str| [&[key, u8::try_from(id.len()).unwrap()], id.as_bytes()].concat();
        let all =
            subscribe.iter().map(|id| field(0x0a, id)).chain(unsubscribe.iter().map(|id| field(0x12, id)));
        all.collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_last_ids_of_a_longer_list_are_read() {
        let read = |data: &[u8]| Subscribe::decode(data, 2).map(|read| (read.subscribe, read.unsubscribe));
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        assert_eq!(read(b"").unwrap(), (vec![], vec![]));
        let long = lists(&["a", "b", "", "c"], &["x", "y", "z"]);
        assert_eq!(read(&long).unwrap(), (owned(&["", "c"]), owned(&["y", "z"])));
        // Fields of a later version are passed over, a list of numbers is none of ours.
        assert_eq!(read(&[b"\x18\x07".as_slice(), &lists(&["a"], &[])].concat()).unwrap().0, ["a"]);
        for bad in [b"\x08\x01".as_slice(), b"\x0a", b"\x0a\x02a", b"\x0a\x01\xff", b"\x1b", b"\xff"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_that_inflates_is_never_held_whole() {
        let million = b"\x0a\x00\x12\x00".repeat(1 << 18);
        let read = Subscribe::decode(&million, 3_000).unwrap();
        assert_eq!((read.subscribe.len(), read.unsubscribe.len()), (3_000, 3_000));
        assert!(read.subscribe.capacity() < 10_000, "{}", read.subscribe.capacity());
    }

    #[test]
    fn w6_presence_is_pushed_as_the_vector_shows() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/openim.json");
        let vectors: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let frames = vectors["jsonFrames"].as_array().unwrap();
        let w6 = frames.iter().find(|frame| frame["id"] == "W6").unwrap();
        let tips = PresenceTips { users: vec![PresenceTip { user_id: "u1".into(), platforms: vec![2, 5] }] };
        let push = Response { identifier: 2005, data: Some(tips.encode_to_vec()), ..Response::default() };
        let wire = Wire { encoding: Encoding::Json, gzip: false };
        let expected = w6["payloads"][0].as_str().unwrap().as_bytes().to_vec();
        assert_eq!(encode(wire, &push), Payload::Binary(expected));
    }
}
