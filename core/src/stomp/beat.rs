//! Signs of life (`docs/rules/message-center.md#heart-beats`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Framing;

/// How often a runtime that beats does so, and wants to hear from a client that can, in milliseconds.
const EVERY: u32 = 10_000;
/// How often SockJS beats when the session does not.
const SOCKJS: Duration = Duration::from_secs(25);
/// Browsers slow the timers of a page in the background down to one a minute.
const AT_LEAST: Duration = Duration::from_secs(90);
/// Beats that a client may miss.
const MISSED: u32 = 3;

/// Whether a runtime beats. At the edge each beat would wake an object that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Heart {
    /// It does.
    Beats,
    /// It does not, and wants none.
    Rests,
}

/// What was agreed on, in milliseconds; 0 is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agreed {
    /// How often the server says something.
    ours: u32,
    /// How often the client does.
    theirs: u32,
}

/// What a socket's owner has to do beside carrying messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Send this text, this often.
    pub beat: Option<(Duration, &'static str)>,
    /// A client that has sent no message for this long is gone.
    pub patience: Option<Duration>,
}

impl Heart {
    /// The header `heart-beat` of the CONNECTED frame.
    pub(super) const fn header(self) -> &'static str {
        match self {
            Self::Beats => "10000,10000",
            Self::Rests => "0,0",
        }
    }

    /// Holds the client's header against ours; `None` when it does not read.
    pub(super) fn agree(self, header: &str) -> Option<Agreed> {
        let (can, wants) = header.split_once(',')?;
        let read = |text: &str| text.trim_matches(' ').parse::<u32>().ok();
        let (can, wants) = (read(can)?, read(wants)?);
        let slower = |other: u32| if self == Self::Rests || other == 0 { 0 } else { other.max(EVERY) };
        Some(Agreed { ours: slower(wants), theirs: slower(can) })
    }
}

impl Agreed {
    /// What follows from it.
    pub(super) fn pulse(self, heart: Heart, framing: Framing) -> Pulse {
        let millis = |count: u32| Duration::from_millis(count.into());
        let agreed = (self.ours > 0).then(|| millis(self.ours));
        let beat = match (framing, agreed) {
            (Framing::Bare, agreed) => agreed.map(|every| (every, "\n")),
            (Framing::SockJs, Some(every)) => Some((every.min(SOCKJS), "a[\"\\n\"]")),
            (Framing::SockJs, None) => (heart == Heart::Beats).then_some((SOCKJS, "h")),
        };
        let patience = (self.theirs > 0).then(|| AT_LEAST.max(millis(self.theirs) * MISSED));
        Pulse { beat, patience }
    }
}
