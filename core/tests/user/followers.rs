//! What a client is sent about the users that it follows, and when.

use crate::harness::{Adapter, Event, Setup, Sqlite, Trace, platform};
use rollcall_core::{
    gateway::{Incoming, Payload},
    id::{ConnId, UserId},
    platform::PlatformSet,
    user::{Command, PendingRequest, PresenceNotice, PresenceVersion, RegistrationVersion},
};

const ANDROID: u8 = 2;
const WEB: u8 = 5;

/// A user with one connection.
struct Follower {
    adapter: Adapter<Sqlite>,
    connection: ConnId,
}

impl Follower {
    fn connected() -> Self {
        let mut adapter = Adapter::new(Setup::default());
        let token = adapter.issue(WEB);
        let connection = adapter.open(&token);
        Self { adapter, connection }
    }

    /// Asks to follow `u1`, which is to be asked now.
    fn asks(&mut self) -> (Vec<(UserId, RegistrationVersion)>, PendingRequest) {
        self.asks_about("CgJ1MQ==")
    }

    fn asks_about(&mut self, data: &str) -> (Vec<(UserId, RegistrationVersion)>, PendingRequest) {
        let asked = format!(
            r#"{{"reqIdentifier":2005,"sendID":"{}","operationID":"o","msgIncr":"m","data":"{data}"}}"#,
            self.adapter.user.id()
        );
        let message = Incoming::Binary(asked.into_bytes());
        let trace = self.adapter.receive(self.connection, &message);
        let watch = trace.into_iter().find_map(|event| match event {
            Event::Watch(watches, pending) => Some((watches, pending)),
            _ => None,
        });
        watch.expect("the users that are followed are asked")
    }

    /// What the client hears when `u1` tells that it is there.
    fn hears(&mut self, sequence: i64, platforms: &[u8]) -> Vec<String> {
        let watched = UserId::new("u1").unwrap();
        let notice = PresenceNotice { watched, presence: presence(sequence, platforms) };
        sent(&self.adapter.run(&Command::Notified(notice)))
    }

    fn is_answered(
        &mut self,
        (watches, pending): (Vec<(UserId, RegistrationVersion)>, PendingRequest),
        told: Option<PresenceVersion>,
    ) -> Vec<String> {
        let presences = told.map(|presence| {
            watches.into_iter().map(|(user, registration)| (user, registration, presence)).collect()
        });
        sent(&self.adapter.run(&Command::Answered { pending, presences }))
    }
}

fn presence(sequence: i64, platforms: &[u8]) -> PresenceVersion {
    PresenceVersion { sequence, platforms: platforms.iter().copied().map(platform).collect::<PlatformSet>() }
}

fn sent(trace: &Trace) -> Vec<String> {
    let text = |event: &Event| match event {
        Event::Send(_, Payload::Binary(bytes)) => Some(String::from_utf8(bytes.clone()).unwrap()),
        _ => None,
    };
    trace.iter().filter_map(text).collect()
}

fn answer(data: &str) -> Vec<String> {
    vec![format!(
        r#"{{"reqIdentifier":2005,"msgIncr":"m","operationID":"o","errCode":0,"errMsg":"","data":"{data}"}}"#
    )]
}

fn push(data: &str) -> Vec<String> {
    vec![format!(
        r#"{{"reqIdentifier":2005,"msgIncr":"","operationID":"","errCode":0,"errMsg":"","data":"{data}"}}"#
    )]
}

/// A request about `u2`.
const U2: &str = "CgJ1Mg==";
/// `u1` on nothing, on Android, and on Web.
const NOWHERE: &str = "CgQKAnUx";
const ON_ANDROID: &str = "CgcKAnUxEgEC";
const ON_WEB: &str = "CgcKAnUxEgEF";

#[test]
fn a_notice_that_overtakes_the_answer_is_shown_by_it_and_not_before() {
    let mut follower = Follower::connected();
    let asked = follower.asks();
    assert_eq!(follower.hears(3, &[ANDROID]), Vec::<String>::new(), "the answer is still due");
    assert_eq!(follower.is_answered(asked, Some(presence(2, &[]))), answer(ON_ANDROID));
    assert_eq!(follower.hears(3, &[ANDROID]), Vec::<String>::new(), "it was notified");
    assert_eq!(follower.hears(4, &[]), push(NOWHERE));
}

#[test]
fn who_was_answered_about_somebody_never_seen_hears_of_the_first_move() {
    let mut follower = Follower::connected();
    let asked = follower.asks();
    assert_eq!(follower.is_answered(asked, Some(PresenceVersion::default())), answer(NOWHERE));
    assert_eq!(follower.hears(1, &[WEB]), push(ON_WEB));
}

#[test]
fn asking_again_holds_back_nothing() {
    let mut follower = Follower::connected();
    let asked = follower.asks();
    follower.is_answered(asked, Some(PresenceVersion::default()));
    let again = follower.asks();
    assert_eq!(follower.hears(1, &[WEB]), push(ON_WEB), "it was answered once");
    assert_eq!(follower.is_answered(again, Some(PresenceVersion::default())), answer(ON_WEB));
}

#[test]
fn after_an_answer_that_is_an_error_moves_are_pushed() {
    let mut follower = Follower::connected();
    let asked = follower.asks();
    assert!(follower.is_answered(asked, None)[0].contains(r#""errCode":500"#));
    assert_eq!(follower.hears(1, &[WEB]), push(ON_WEB));
}

#[test]
fn an_error_about_one_request_is_none_about_another_that_is_under_way() {
    let mut follower = Follower::connected();
    let other = follower.asks_about(U2);
    let asked = follower.asks();
    assert!(follower.is_answered(other, None)[0].contains(r#""errCode":500"#));
    assert_eq!(follower.hears(1, &[WEB]), Vec::<String>::new(), "this answer is still due");
    assert_eq!(follower.is_answered(asked, Some(PresenceVersion::default())), answer(ON_WEB));
}
