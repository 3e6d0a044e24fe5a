//! What can be done to a user, at random. Tokens and connections are named by how long ago they were made, so that
//! a shortened sequence still means something.

use proptest::prelude::*;

use super::model::Frame;
use crate::harness::Setup;

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Let this many milliseconds pass.
    Wait(i64),
    Issue(u8),
    Verify(Pick),
    Open {
        token: Pick,
        claim: Claim,
        background: bool,
    },
    /// Open once more with the token of a live connection.
    Reopen(Pick),
    Close(Pick),
    Background(Pick, bool),
    Receive(Pick, Frame),
    ForceOffPlatform(u8),
    ForceOffToken(Pick),
    ForceOffConnection(Pick),
    ForceOffEverything,
    /// An order to everything, or to one connection, with a deny window of so many milliseconds.
    Deny(Option<Pick>, i64),
    Unlock,
    /// The server is configured anew; its users stay.
    Policy(u8),
    Status,
    /// A tick that no outcome asked for.
    Tick,
    /// The users who were asked answer, or cannot be asked.
    Answers {
        asked: bool,
    },
}

/// Which one; see [`super::pair::Pair`].
#[derive(Clone, Copy, Debug)]
pub struct Pick(pub usize);

/// What a client says of itself at its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    True,
    AnotherUser,
    AnotherPlatform,
    BothWrong,
}

/// A step, and whether the store fails when it comes to the commit.
#[derive(Clone, Debug)]
pub struct Turn {
    pub step: Step,
    pub commit_fails: bool,
}

pub const PLATFORMS: [u8; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

pub const FRAMES: [Frame; 19] = [
    Frame::Ping,
    Frame::PingWithBody,
    Frame::Pong,
    Frame::StrayText,
    Frame::Garbage,
    Frame::WrongSender,
    Frame::Unknown,
    Frame::Question(1001),
    Frame::Question(1002),
    Frame::Question(1005),
    Frame::Question(1007),
    Frame::Message(1003),
    Frame::Message(1004),
    Frame::Logout,
    Frame::Background(true),
    Frame::Background(false),
    Frame::BackgroundGarbage,
    Frame::Unsubscribe,
    Frame::Subscribe,
];

/// What the client writes; every request is of operation `o1` and is called `m1`.
pub fn wire(frame: Frame, user: &str) -> Result<String, Vec<u8>> {
    let request = |identifier: u16, sender: &str, data: &str| {
        format!(
            r#"{{"reqIdentifier":{identifier},"token":"","sendID":"{sender}","operationID":"o1","msgIncr":"m1","data":"{data}"}}"#
        )
        .into_bytes()
    };
    Err(match frame {
        Frame::Ping => return Ok(r#"{"type":"ping"}"#.into()),
        Frame::PingWithBody => return Ok(r#"{"type":"ping","body":{"n":[1.50,"x"]}}"#.into()),
        Frame::Pong => return Ok(r#"{"type":"pong","body":null}"#.into()),
        Frame::StrayText => return Ok("hello".into()),
        Frame::Garbage => b"\x00\xff{".to_vec(),
        Frame::WrongSender => request(1001, "another", ""),
        Frame::Unknown => request(2002, user, ""),
        Frame::Question(identifier) | Frame::Message(identifier) => request(identifier, user, "CgJ1MQ=="),
        Frame::Logout => request(2003, user, "CgJ1MRAF"),
        Frame::Background(true) => request(2004, user, "CgJ1MRAB"),
        Frame::Background(false) => request(2004, user, "CgJ1MQ=="),
        Frame::BackgroundGarbage => request(2004, user, "////"),
        Frame::Unsubscribe => request(2005, user, "EgJ1MQ=="),
        Frame::Subscribe => request(2005, user, "CgJ1MQ=="),
    })
}

pub fn setup() -> impl Strategy<Value = Setup> {
    (policy(), 1..4_usize, 1..7_usize, prop::sample::select(vec![0_u64, 30]), prop::bool::weighted(0.8))
        .prop_map(|(policy, most_tokens, most_connections, grace, numbered)| Setup {
            policy,
            most_tokens,
            most_connections,
            grace,
            numbered,
        })
}

pub fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn =
        (step(), prop::bool::weighted(0.08)).prop_map(|(step, commit_fails)| Turn { step, commit_fails });
    prop::collection::vec(turn, 1..70)
}

fn policy() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![0_u8, 1, 4, 5])
}

/// A few platforms come often, so that logins meet.
fn platform() -> impl Strategy<Value = u8> {
    prop_oneof![2 => prop::sample::select(vec![1_u8, 2, 3, 5]), 1 => prop::sample::select(PLATFORMS.to_vec())]
}

fn pick() -> impl Strategy<Value = Pick> {
    (0..64_usize).prop_map(Pick)
}

fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..900_i64,
        2 => 900..40_000_i64,
        1 => prop::sample::select(vec![1000_i64, 29_999, 30_000, 59_999, 60_000]),
        1 => prop::sample::select(vec![3_600_000_i64, 43_200_000, 86_399_000, 86_400_000]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let claim = prop_oneof![
        8 => Just(Claim::True),
        1 => Just(Claim::AnotherUser),
        1 => Just(Claim::AnotherPlatform),
        1 => Just(Claim::BothWrong),
    ];
    prop_oneof![
        6 => wait().prop_map(Step::Wait),
        8 => platform().prop_map(Step::Issue),
        3 => pick().prop_map(Step::Verify),
        14 => (pick(), claim, any::<bool>())
            .prop_map(|(token, claim, background)| Step::Open { token, claim, background }),
        6 => pick().prop_map(Step::Reopen),
        4 => pick().prop_map(Step::Close),
        2 => (pick(), any::<bool>()).prop_map(|(pick, background)| Step::Background(pick, background)),
        6 => (pick(), prop::sample::select(FRAMES.to_vec())).prop_map(|(pick, frame)| Step::Receive(pick, frame)),
        1 => platform().prop_map(Step::ForceOffPlatform),
        1 => pick().prop_map(Step::ForceOffToken),
        1 => pick().prop_map(Step::ForceOffConnection),
        1 => Just(Step::ForceOffEverything),
        1 => (prop::option::of(pick()), prop::sample::select(vec![1_000_i64, 40_000, 86_400_000]))
            .prop_map(|(connection, millis)| Step::Deny(connection, millis)),
        1 => Just(Step::Unlock),
        1 => policy().prop_map(Step::Policy),
        1 => Just(Step::Status),
        1 => Just(Step::Tick),
        1 => any::<bool>().prop_map(|asked| Step::Answers { asked }),
    ]
}
