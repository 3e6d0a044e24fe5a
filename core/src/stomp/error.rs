//! Protocol errors of a client: an ERROR frame, then the close.

use super::Version;
use crate::gateway::Close;

/// The reason of an ERROR frame (`docs/rules/message-center.md#stomp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StompError {
    /// The bytes are no frame.
    Malformed,
    /// A frame above the limits.
    TooBig,
    /// A command that the version does not have.
    Command,
    /// Another frame before CONNECT.
    NotConnected,
    /// A second CONNECT.
    Connected,
    /// No version in common.
    Version,
    /// A required header is missing or malformed.
    Header,
    /// A subscription to an unknown destination.
    Subscribe,
    /// A message to a destination that takes none.
    Send,
    /// The id of a subscription is in use.
    Taken,
    /// Too many subscriptions, or too long an id.
    TooMany,
}

impl StompError {
    /// The header `message`. It does not quote the client's frame, which may hold a secret.
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

    /// How the socket is closed after the ERROR frame.
    pub(super) const fn close(self) -> Close {
        match self {
            Self::TooBig => Close::TooBig,
            Self::Version | Self::Subscribe | Self::Send | Self::TooMany => Close::Policy,
            _ => Close::Undecodable,
        }
    }

    /// The ERROR frame; `receipt` is the receipt header of the faulty frame.
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
