//! One change in one answer: a mistake of an adapter that no case needs to notice.

/// The cases that are played, all of the profile `base`.
pub(super) const CASES: [&str; 7] = [KICK, PING, STRAY, ROUTES, HEALTH, OFFLINE, DETAIL];

const KICK: &str = "base/a_kick_is_a_frame_then_a_close";
const PING: &str = "base/a_text_ping_is_echoed_with_its_body";
const STRAY: &str = "base/stray_text_ends_the_connection";
const ROUTES: &str = "base/unknown_routes_are_not_found";
const HEALTH: &str = "base/health_needs_no_authentication";
const OFFLINE: &str = "base/an_offline_user_looks_like_an_unknown_one";
const DETAIL: &str = "base/platforms_are_listed_in_ascending_order";

/// A change.
#[derive(Debug)]
pub(super) struct Change {
    /// In words.
    pub(super) what: &'static str,
    /// The case during which the server's bytes are changed, once.
    pub(super) case: &'static str,
    /// The bytes that are replaced.
    pub(super) find: &'static [u8],
    /// By what.
    pub(super) put: &'static [u8],
    /// Whether the case itself does not look at it: then only the comparison can tell.
    pub(super) unnoticed: bool,
    /// Whether the case waits for the bytes that never come.
    pub(super) hangs: bool,
}

/// All of them.
pub(super) const CHANGES: &[Change] = &[
    Change {
        what: "another close code",
        case: KICK,
        // Close, 8 bytes, 4006.
        find: b"\x88\x08\x0f\xa6kicked",
        put: b"\x88\x08\x0f\xa7kicked",
        unnoticed: false,
        hangs: false,
    },
    Change {
        what: "another close reason",
        case: STRAY,
        find: b"\x03\xeaundecodable",
        put: b"\x03\xeaundecidable",
        unnoticed: true,
        hangs: false,
    },
    Change {
        what: "another number in a frame",
        case: KICK,
        find: br#""reqIdentifier":2002"#,
        put: br#""reqIdentifier":2001"#,
        unnoticed: false,
        hangs: false,
    },
    Change {
        what: "another type of frame",
        case: KICK,
        // Binary becomes text; the length stays.
        find: b"\x82\x58{\"reqIdentifier\":2002",
        put: b"\x81\x58{\"reqIdentifier\":2002",
        unnoticed: false,
        hangs: false,
    },
    Change {
        what: "a frame that never comes",
        case: PING,
        find: b"\x81\x1a{\"type\":\"pong\",\"body\":\"x\"}",
        put: b"",
        unnoticed: false,
        hangs: true,
    },
    Change {
        what: "another body of a frame",
        case: PING,
        find: br#""body":7"#,
        put: br#""body":8"#,
        unnoticed: false,
        hangs: false,
    },
    Change {
        what: "another HTTP status",
        case: ROUTES,
        find: b"HTTP/1.1 404 Not Found",
        put: b"HTTP/1.1 410 Not Found",
        unnoticed: false,
        hangs: false,
    },
    Change {
        what: "another value of a header",
        case: HEALTH,
        find: b"access-control-max-age: 172800",
        put: b"access-control-max-age: 172801",
        unnoticed: true,
        hangs: false,
    },
    Change {
        what: "a missing header",
        case: HEALTH,
        find: b"access-control-allow-origin: *\r\n",
        put: b"",
        unnoticed: true,
        hangs: false,
    },
    Change {
        what: "another value in a body",
        case: OFFLINE,
        find: br#""status":0"#,
        put: br#""status":1"#,
        unnoticed: false,
        hangs: false,
    },
    Change {
        what: "another count in a body",
        case: DETAIL,
        find: br#""total":1"#,
        put: br#""total":2"#,
        unnoticed: true,
        hangs: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cases, ws};

    #[test]
    fn every_case_exists_and_every_change_is_for_one_of_them() {
        let all: Vec<&str> = cases::all().iter().map(|case| case.name).collect();
        assert!(CASES.iter().all(|case| all.contains(case)));
        assert!(CHANGES.iter().all(|change| CASES.contains(&change.case) && change.find != change.put));
    }

    #[test]
    fn frames_are_found_by_their_length() {
        assert_eq!(ws::KICK.len(), 0x58);
        assert_eq!(r#"{"type":"pong","body":"x"}"#.len(), 0x1a);
    }
}
