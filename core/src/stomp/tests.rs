//! What is said to a client that says this: one example a sentence.

use std::time::Duration;

use super::{
    Framing, Heartbeat, HeartbeatMode, MessageOutcome, Session,
    decoder::{BODY_BYTES, HEAD_BYTES},
    frame::HEADERS,
};
use crate::{
    gateway::{Close, Incoming},
    id::ConnId,
};

const NAME: ConnId = ConnId::from_bytes([0xab; 16]);
const SESSION: &str = "abababababababababababababababab";

fn bare(mode: HeartbeatMode) -> Session {
    Session::new(Framing::Bare, mode)
}

fn say(session: &mut Session, text: &str) -> MessageOutcome {
    session.on_message(NAME, &Incoming::Text(text.to_owned()))
}

/// A session of this version.
fn connected(version: &str) -> Session {
    let mut session = bare(HeartbeatMode::Disabled);
    let outcome = say(&mut session, &format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0"));
    assert_eq!(outcome.end, None);
    assert!(outcome.answers[0].starts_with(&format!("CONNECTED\nversion:{version}\n")), "{outcome:?}");
    session
}

fn silent(outcome: &MessageOutcome) {
    assert_eq!(*outcome, MessageOutcome::default());
}

/// The only answer is an ERROR of this message, and this close follows.
fn refused(outcome: &MessageOutcome, message: &str, close: Close) {
    assert_eq!(outcome.end, Some(close), "{outcome:?}");
    let [error] = outcome.answers.as_slice() else { panic!("{outcome:?}") };
    assert!(error.starts_with("ERROR\n") && error.ends_with("\n\n\0"), "{error:?}");
    assert!(error.contains(&format!("message:{message}\n")), "{error:?}");
}

#[test]
fn the_best_version_in_common_is_spoken_and_none_is_1_0() {
    for (accepted, spoken) in [
        ("accept-version:1.0,1.1,1.2\n", "1.2"),
        ("accept-version:1.1, 1.0\n", "1.1"),
        ("accept-version:1.0,2.0\n", "1.0"),
        ("", "1.0"),
    ] {
        let mut session = bare(HeartbeatMode::Enabled);
        let outcome = say(&mut session, &format!("STOMP\n{accepted}\n\0"));
        let beats = if spoken == "1.0" { "" } else { "heart-beat:10000,10000\n" };
        let wanted = format!("CONNECTED\nversion:{spoken}\n{beats}session:{SESSION}\n\n\0");
        assert_eq!(outcome.answers, [wanted]);
    }
    let outcome = say(&mut bare(HeartbeatMode::Disabled), "CONNECT\naccept-version:1.3,3\n\n\0");
    refused(&outcome, "the versions are 1.0, 1.1 and 1.2", Close::Policy);
    assert!(outcome.answers[0].contains("\nversion:1.0,1.1,1.2\n"));
}

#[test]
fn nothing_comes_before_connect_and_connect_comes_once() {
    for frame in ["SEND\ndestination:/app/chat\n\nx\0", "SUBSCRIBE\nid:1\ndestination:/topic/messages\n\n\0"]
    {
        let outcome = say(&mut bare(HeartbeatMode::Disabled), frame);
        refused(&outcome, "the first frame must be CONNECT or STOMP", Close::Undecodable);
    }
    let outcome = say(&mut connected("1.2"), "CONNECT\naccept-version:1.2\n\n\0");
    refused(&outcome, "the session is connected already", Close::Undecodable);
}

#[test]
fn a_message_goes_to_the_users_queue_else_to_the_topic() {
    let mut session = connected("1.2");
    assert!(session.deliver(NAME, "{}").is_empty(), "nobody subscribed");
    silent(&say(&mut session, "SUBSCRIBE\nid:a\ndestination:/topic/messages\n\n\0"));
    let topic = format!(
        "MESSAGE\nsubscription:a\nmessage-id:{SESSION}.0\ndestination:/topic/messages\n\
         content-type:application/json\ncontent-length:2\n\n{{}}\0"
    );
    assert_eq!(session.deliver(NAME, "{}"), std::slice::from_ref(&topic));
    silent(&say(&mut session, "SUBSCRIBE\nid:b\\c1\ndestination:/user/queue/messages\nack:client\n\n\0"));
    silent(&say(&mut session, "SUBSCRIBE\nid:c\ndestination:/user/queue/messages\n\n\0"));
    let own = session.deliver(NAME, "é");
    assert_eq!(own.len(), 2);
    assert!(
        own[0].starts_with("MESSAGE\nsubscription:b\\c1\n")
            && own[0].contains(&format!("\nack:{SESSION}.0\n"))
    );
    assert!(own[0].contains("\ncontent-length:2\n"), "octets, not characters");
    assert!(own[1].contains(&format!("\nmessage-id:{SESSION}.1\n")) && !own[1].contains("\nack:"));
    silent(&say(&mut session, "UNSUBSCRIBE\nid:b\\c1\n\n\0UNSUBSCRIBE\nid:c\n\n\0UNSUBSCRIBE\nid:c\n\n\0"));
    assert_eq!(session.deliver(NAME, "{}"), [topic]);
}

#[test]
fn in_1_0_a_subscription_may_go_by_its_destination() {
    let mut session = connected("1.0");
    silent(&say(&mut session, "SUBSCRIBE\ndestination: /user/queue/messages\n\n\0"));
    let [message] = session.deliver(NAME, "{}").try_into().unwrap();
    assert!(message.starts_with(&format!("MESSAGE\nmessage-id:{SESSION}.0\n")), "{message:?}");
    let again = say(&mut session.clone(), "SUBSCRIBE\ndestination:/user/queue/messages\n\n\0");
    refused(&again, "the subscription's id is taken", Close::Undecodable);
    silent(&say(&mut session, "UNSUBSCRIBE\ndestination:/user/queue/messages\n\n\0"));
    assert!(session.deliver(NAME, "{}").is_empty());
    for frame in
        ["SUBSCRIBE\ndestination:/topic/messages\n\n\0", "UNSUBSCRIBE\ndestination:/topic/messages\n\n\0"]
    {
        refused(
            &say(&mut connected("1.1"), frame),
            "a required header is missing or does not read",
            Close::Undecodable,
        );
    }
}

#[test]
fn subscriptions_are_to_two_destinations_and_few() {
    for destination in ["/queue/messages", "/topic/other", "/topic/messages ", "/user/7/queue/messages", ""] {
        let frame = format!("SUBSCRIBE\nid:1\ndestination:{destination}\n\n\0");
        refused(
            &say(&mut connected("1.2"), &frame),
            "the destinations are /user/queue/messages and /topic/messages",
            Close::Policy,
        );
    }
    let mut session = connected("1.2");
    let subscribe = |id: &str| format!("SUBSCRIBE\nid:{id}\ndestination:/topic/messages\n\n\0");
    (0..8).for_each(|id| silent(&say(&mut session, &subscribe(&id.to_string()))));
    let too_many = "too many subscriptions, or too long an id";
    refused(&say(&mut session, &subscribe("9")), too_many, Close::Policy);
    refused(&say(&mut connected("1.1"), &subscribe(&"x".repeat(65))), too_many, Close::Policy);
    silent(&say(&mut connected("1.1"), &subscribe(&"x".repeat(64))));
}

#[test]
fn every_frame_may_ask_for_a_receipt() {
    for command in
        ["ACK\nid:1", "NACK\nid:1", "BEGIN\ntransaction:1", "COMMIT\ntransaction:1", "ABORT\ntransaction:1"]
    {
        let mut session = connected("1.2");
        silent(&say(&mut session, &format!("{command}\n\n\0")));
        let outcome = say(&mut session, &format!("{command}\nreceipt:r\\c\\n\n\n\0"));
        assert_eq!(
            outcome,
            MessageOutcome { answers: vec!["RECEIPT\nreceipt-id:r\\c\\n\n\n\0".into()], end: None }
        );
    }
    let outcome = say(&mut connected("1.2"), "SEND\ndestination:/topic/messages\nreceipt:7\n\nhello\0");
    refused(&outcome, "nothing can be sent there", Close::Policy);
    assert!(outcome.answers[0].contains("\nreceipt-id:7\n"));
    let outcome = say(&mut connected("1.1"), "SEND\ndestination:/app/chat\nreceipt:7\n\nhello\0");
    assert_eq!(outcome.answers, ["RECEIPT\nreceipt-id:7\n\n\0"]);
}

#[test]
fn a_client_that_disconnects_gets_its_receipt_and_nothing_behind_it() {
    let outcome = say(&mut connected("1.1"), "DISCONNECT\nreceipt:bye\n\n\0SEND\ndestination:/x\n\n\0");
    assert_eq!(
        outcome,
        MessageOutcome { answers: vec!["RECEIPT\nreceipt-id:bye\n\n\0".into()], end: Some(Close::Done) }
    );
    assert_eq!(say(&mut connected("1.0"), "DISCONNECT\n\n\0").end, Some(Close::Done));
}

#[test]
fn each_version_has_its_own_escapes() {
    let with = |version, id: &str| {
        say(&mut connected(version), &format!("BEGIN\ntransaction:t\nreceipt:{id}\n\n\0"))
    };
    let malformed =
        |outcome: &MessageOutcome| refused(outcome, "the frame does not read", Close::Undecodable);
    assert_eq!(with("1.0", "a\\n:b").answers, ["RECEIPT\nreceipt-id:a\\n:b\n\n\0"], "as it is");
    assert_eq!(with("1.1", "a\\n\\c\\\\").answers, ["RECEIPT\nreceipt-id:a\\n\\c\\\\\n\n\0"]);
    assert_eq!(with("1.2", "a\\r").answers, ["RECEIPT\nreceipt-id:a\\r\n\n\0"]);
    malformed(&with("1.1", "a\\r"));
    malformed(&with("1.2", "a\\t"));
    malformed(&with("1.2", "a\\"));
    // CONNECT is written as it is: a backslash in it is a backslash.
    let outcome =
        say(&mut bare(HeartbeatMode::Disabled), "CONNECT\naccept-version:1.2\npasscode:a\\tb\n\n\0");
    assert_eq!(outcome.end, None);
}

#[test]
fn the_first_of_repeated_headers_counts() {
    let outcome = say(&mut connected("1.2"), "ACK\nreceipt:1\nreceipt:2\n\n\0");
    assert_eq!(outcome.answers, ["RECEIPT\nreceipt-id:1\n\n\0"]);
}

#[test]
fn lines_may_end_with_a_carriage_return_and_frames_be_cut_and_joined_anywhere() {
    let script = "\n\r\nCONNECT\r\naccept-version:1.2\r\n\r\n\0\n\nSUBSCRIBE\nid:1\ndestination:/topic/messages\n\n\0\
                  SEND\ndestination:/app/chat\ncontent-length:3\nreceipt:a\n\n\0\n\0\0\
                  SEND\ndestination:/app/chat\nreceipt:b\n\nfür\0\nDISCONNECT\nreceipt:c\n\n\0";
    let whole = say(&mut bare(HeartbeatMode::Disabled), script);
    assert_eq!(whole.answers.len(), 4, "{whole:?}");
    assert_eq!(whole.end, Some(Close::Done));
    for cut in 0..=script.len() {
        let mut session = bare(HeartbeatMode::Disabled);
        let (first, second) = script.as_bytes().split_at(cut);
        let mut outcome = session.on_message(NAME, &Incoming::Binary(first.to_vec()));
        // What waits for its rest survives an object that was thrown out of memory.
        let mut woken: Session = serde_json::from_str(&serde_json::to_string(&session).unwrap()).unwrap();
        assert_eq!(woken, session);
        if outcome.end.is_none() {
            let rest = woken.on_message(NAME, &Incoming::Binary(second.to_vec()));
            outcome.answers.extend(rest.answers);
            outcome.end = rest.end;
        }
        assert_eq!(outcome, whole, "cut at {cut}");
    }
}

#[test]
fn what_is_no_frame_is_told_so() {
    let malformed = "the frame does not read";
    for (frame, message) in [
        ("hello\n\n\0", "there is no such command"),
        ("connect\n\n\0", "there is no such command"),
        ("CONNECT\n\0", malformed),
        ("\0", malformed),
        ("CONNECT\nno colon\n\n\0", malformed),
        ("CONNECT\n\nbody\0", malformed),
        ("CONNECT\ncontent-length:4\n\nbody\0", malformed),
        ("CONNECT\ncontent-length:x\n\n\0", "a required header is missing or does not read"),
        ("CONNECT\naccept-version:1.1\nheart-beat:1\n\n\0", "a required header is missing or does not read"),
    ] {
        refused(&say(&mut bare(HeartbeatMode::Enabled), frame), message, Close::Undecodable);
    }
    let outcome =
        bare(HeartbeatMode::Disabled).on_message(NAME, &Incoming::Binary(b"CONNECT\nx:\xff\n\n\0".to_vec()));
    refused(&outcome, malformed, Close::Undecodable);
    let outcome = say(&mut connected("1.2"), "SEND\ndestination:/app/chat\ncontent-length:1\n\nab\0");
    refused(&outcome, malformed, Close::Undecodable);
}

#[test]
fn everything_has_a_bound() {
    let too_big = |outcome: &MessageOutcome| refused(outcome, "the frame is too big", Close::TooBig);
    too_big(&say(&mut bare(HeartbeatMode::Disabled), &"x".repeat(HEAD_BYTES + 1)));
    silent(&say(&mut bare(HeartbeatMode::Disabled), &"x".repeat(HEAD_BYTES)));
    too_big(&say(
        &mut bare(HeartbeatMode::Disabled),
        &format!("CONNECT\n{}\n\0", "a:b\n".repeat(HEADERS + 1)),
    ));
    let outcome =
        say(&mut bare(HeartbeatMode::Disabled), &format!("CONNECT\n{}\n\0", "a:b\n".repeat(HEADERS)));
    assert_eq!(outcome.end, None);
    let send = "SEND\ndestination:/app/chat\nreceipt:1\n";
    let body = "x".repeat(BODY_BYTES as usize);
    assert_eq!(say(&mut connected("1.2"), &format!("{send}\n{body}\0")).answers.len(), 1);
    assert_eq!(
        say(&mut connected("1.2"), &format!("{send}content-length:{BODY_BYTES}\n\n{body}\0")).answers.len(),
        1
    );
    too_big(&say(&mut connected("1.2"), &format!("{send}\n{body}x\0")));
    too_big(&say(&mut connected("1.2"), &format!("{send}content-length:{}\n\n", BODY_BYTES + 1)));
    let flood = say(&mut connected("1.2"), &"ACK\nreceipt:1\n\n\0".repeat(101));
    assert_eq!((flood.answers.len(), flood.end), (101, Some(Close::TooBig)));
}

/// The edge keeps it on the socket, with no more than 16 KiB.
#[test]
fn the_biggest_conversation_fits_on_a_socket() {
    let mut session = Session::new(Framing::SockJs, HeartbeatMode::Disabled);
    let mut say = |frame: &str| {
        let list = serde_json::to_string(&[frame]).unwrap();
        assert_eq!(session.on_message(NAME, &Incoming::Text(list)).end, None);
    };
    say("CONNECT\naccept-version:1.2\n\n\0");
    for n in 1..=8 {
        // Text that JSON writes at its longest.
        let id = format!("{}{n}", "\u{1}".repeat(63));
        say(&format!("SUBSCRIBE\nack:client\nid:{id}\ndestination:/user/queue/messages\n\n\0"));
    }
    say(&"x".repeat(HEAD_BYTES));
    let size = serde_json::to_string(&session).unwrap().len();
    assert!((HEAD_BYTES..15_500).contains(&size), "{size}");
}

#[test]
fn beats_are_as_rare_as_the_rarer_side_wants() {
    let heartbeat = |framing, mode, wish: &str| {
        let mut session = Session::new(framing, mode);
        let connect = format!("CONNECT\naccept-version:1.1\nheart-beat:{wish}\n\n\0");
        let text =
            if framing == Framing::SockJs { serde_json::to_string(&connect).unwrap() } else { connect };
        assert_eq!(session.on_message(NAME, &Incoming::Text(text)).end, None);
        session.heartbeat()
    };
    let seconds = Duration::from_secs;
    let eol = |every| Some((seconds(every), "\n"));
    for (wish, beat, timeout) in [
        ("0,0", None, None),
        ("0,1000", eol(10), None),
        ("5000, 20000", eol(20), Some(seconds(90))),
        ("60000,0", None, Some(seconds(180))),
    ] {
        assert_eq!(
            heartbeat(Framing::Bare, HeartbeatMode::Enabled, wish),
            Heartbeat { beat, timeout },
            "{wish}"
        );
        assert_eq!(heartbeat(Framing::Bare, HeartbeatMode::Disabled, wish), Heartbeat::default());
        assert_eq!(heartbeat(Framing::SockJs, HeartbeatMode::Disabled, wish), Heartbeat::default());
    }
    let sockjs = |wish| heartbeat(Framing::SockJs, HeartbeatMode::Enabled, wish).beat;
    assert_eq!(sockjs("0,0"), Some((seconds(25), "h")));
    assert_eq!(sockjs("0,10000"), Some((seconds(10), r#"a["\n"]"#)));
    assert_eq!(sockjs("0,60000"), Some((seconds(25), r#"a["\n"]"#)));
    assert_eq!(
        Session::new(Framing::SockJs, HeartbeatMode::Enabled).heartbeat().beat,
        Some((seconds(25), "h"))
    );
}

#[test]
fn sockjs_takes_lists_of_texts_or_a_text_and_wraps_what_it_says() {
    let mut session = Session::new(Framing::SockJs, HeartbeatMode::Disabled);
    assert_eq!(session.greeting(), Some("o"));
    silent(&say(&mut session, ""));
    silent(&say(&mut session, r#"["CONNECT\naccept-ver"]"#));
    let outcome = say(&mut session, r#""sion:1.1\n\n\u0000""#);
    assert!(outcome.answers[0].starts_with(r#"a["CONNECTED\nversion:1.1\n"#), "{outcome:?}");
    assert!(outcome.answers[0].ends_with(r#"\n\n\u0000"]"#), "{outcome:?}");
    let outcome = say(&mut session, r#"["BEGIN\nreceipt:1\n\n\u0000\n","ACK\nreceipt:2\n\n\u0000"]"#);
    assert_eq!(outcome.answers, [1, 2].map(|id| format!(r#"a["RECEIPT\nreceipt-id:{id}\n\n\u0000"]"#)));
    assert_eq!(session.closing_text(Close::ForcedOffline).as_deref(), Some(r#"c[4001,"forced_offline"]"#));
    for text in ["x", "[", "{}", "[1]", r#"["a",null]"#, "\"", "null"] {
        let outcome = say(&mut session.clone(), text);
        assert_eq!(outcome, MessageOutcome { answers: vec![], end: Some(Close::Undecodable) }, "{text}");
    }
    assert_eq!(session.on_message(NAME, &Incoming::Binary(b"[]".to_vec())).end, Some(Close::Undecodable));
    // One byte of a list is 24 of memory.
    let list = |length| serde_json::to_string(&vec![""; length]).unwrap();
    silent(&say(&mut session, &list(1_000)));
    assert_eq!(say(&mut session, &list(1_001)).end, Some(Close::TooBig));
}

#[test]
fn a_conversation_shows_nothing_of_what_a_client_has_half_said() {
    let mut session = bare(HeartbeatMode::Disabled);
    silent(&say(&mut session, "CONNECT\npasscode:secret"));
    assert!(!format!("{session:?}").contains("secret"));
}
