//! Protocol errors of a client: an ERROR frame, then the close.

use super::Version;
use crate::gateway::Close;

/// The reason of an ERROR frame (`docs/rules/message-center.md#stomp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StompError {
    /// The bytes are no frame.
    Malformed,
    /// More than a client may send in one.
    TooBig,
    /// A command that the version does not have.
    Command,
    /// Something else before CONNECT.
    NotConnected,
    /// CONNECT for the second time.
    Connected,
    /// No version in common.
    Version,
    /// A header that the frame must have.
    Header,
    /// Nobody can subscribe to that.
    Subscribe,
    /// Nobody can send there.
    Send,
    /// A subscription of that name is there already.
    Taken,
    /// More subscriptions, or a longer name of one, than a client may have.
    TooMany,
}

impl StompError {
    /// The header `message`. It quotes nothing of what the client sent, which may have been a secret.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Malformed => "the frame does not read",
            Self::TooBig => "the frame is too big",
            Self::Command => "there is no such command",
            Self::NotConnected => "the first frame must be CONNECT or STOMP",
            Self::Connected => "the session is connected already",
            Self::Version => "the versions are 1.0, 1.1 and 1.2",
            Self::Header => "a required header is missing or does not read",
            Self::Subscribe => "the destinations are /user/queue/messages and /topic/messages",
            Self::Send => "nothing can be sent there",
            Self::Taken => "the subscription's id is taken",
            Self::TooMany => "too many subscriptions, or too long an id",
        }
    }

    /// How the socket is closed behind the ERROR frame.
    pub(super) const fn close(self) -> Close {
        match self {
            Self::TooBig => Close::TooBig,
            Self::Version | Self::Subscribe | Self::Send | Self::TooMany => Close::Policy,
            _ => Close::Undecodable,
        }
    }

    /// The ERROR frame; `receipt` is that of the frame at fault.
    pub(super) fn frame(self, version: Version, receipt: Option<&str>) -> String {
        let mut frame = super::encoder::Encoder::new("ERROR", version);
        frame.header("message", self.message());
        if self == Self::Version {
            frame.header("version", "1.0,1.1,1.2");
        }
        if let Some(receipt) = receipt {
            frame.header("receipt-id", receipt);
        }
        frame.end("")
    }
}
