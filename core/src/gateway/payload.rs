//! The protobuf messages inside requests and responses (`docs/rules/openim.md#payloads`).

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
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Subscribe {
    /// Users to follow from now on.
    #[prost(string, repeated, tag = "1")]
    pub subscribe: Vec<String>,
    /// Users to follow no longer; an id in both lists is followed.
    #[prost(string, repeated, tag = "2")]
    pub unsubscribe: Vec<String>,
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
