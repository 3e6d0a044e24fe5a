//! Heart-beats (`docs/rules/message-center.md#heart-beats`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Framing;

/// The interval of the server's beats, and of the beats that it asks of clients, in milliseconds.
const EVERY: u32 = 10_000;
/// The interval of SockJS' own beats when the session agreed on none.
const SOCKJS: Duration = Duration::from_secs(25);
/// The shortest timeout of a client: browsers slow the timers of a background page down to one a minute.
const AT_LEAST: Duration = Duration::from_secs(90);
/// Beats that a client may miss before it counts as gone.
const MISSED: u32 = 3;

/// Whether a runtime sends heart-beats. At the edge each beat would wake an object that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeartbeatMode {
    /// It sends beats, and asks for them.
    #[serde(rename = "Beats")]
    Enabled,
    /// It sends none, and asks for none.
    #[serde(rename = "Rests")]
    Disabled,
}

/// The agreed intervals, in milliseconds; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agreed {
    /// The server's beats.
    ours: u32,
    /// The client's beats.
    theirs: u32,
}

/// The heartbeat of one socket, which the adapter keeps up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// The text to send, and the interval.
    pub beat: Option<(Duration, &'static str)>,
    /// A client that has sent no message for this long counts as gone.
    pub timeout: Option<Duration>,
}

impl HeartbeatMode {
    /// The header `heart-beat` of the CONNECTED frame.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Enabled => "10000,10000",
            Self::Disabled => "0,0",
        }
    }

    /// Negotiates with the client's header; `None` when the header does not parse.
    pub(super) fn agree(self, header: &str) -> Option<Agreed> {
        let (can, wants) = header.split_once(',')?;
        let read = |text: &str| text.trim_matches(' ').parse::<u32>().ok();
        let (can, wants) = (read(can)?, read(wants)?);
        let slower = |other: u32| if self == Self::Disabled || other == 0 { 0 } else { other.max(EVERY) };
        Some(Agreed { ours: slower(wants), theirs: slower(can) })
    }
}

impl Agreed {
    /// The heartbeat that follows from the agreement.
    pub(super) fn heartbeat(self, mode: HeartbeatMode, framing: Framing) -> Heartbeat {
        let millis = |count: u32| Duration::from_millis(count.into());
        let agreed = (self.ours > 0).then(|| millis(self.ours));
        let beat = match (framing, agreed) {
            (Framing::Bare | Framing::Undecided, agreed) => agreed.map(|every| (every, "\n")),
            (Framing::SockJs, Some(every)) => Some((every.min(SOCKJS), "a[\"\\n\"]")),
            (Framing::SockJs, None) => (mode == HeartbeatMode::Enabled).then_some((SOCKJS, "h")),
        };
        let timeout = (self.theirs > 0).then(|| AT_LEAST.max(millis(self.theirs) * MISSED));
        Heartbeat { beat, timeout }
    }
}
