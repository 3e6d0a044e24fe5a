//! The STOMP protocol of one client: its state, and the answers to its frames (`docs/rules/message-center.md#stomp`).

use serde::{Deserialize, Serialize};

use super::{
    Command, Decoder, Frame, Framing, Heartbeat, HeartbeatMode, StompError, Version, choose,
    encoder::Encoder, heartbeat::Agreed,
};
use crate::{gateway::Close, id::ConnId};

/// The destination of messages to one user.
const USER_MESSAGES: &str = "/user/queue/messages";
/// The destination of messages to all users.
const TOPIC_MESSAGES: &str = "/topic/messages";
/// Where clients of the original service chat with each other. Frames to it are skipped, like texts on a socket without STOMP.
const CHAT: &str = "/app/chat";

/// The most answers to one WebSocket message, which may hold many frames.
const ANSWERS: usize = 100;
/// The most subscriptions of one session.
const SUBSCRIPTIONS: usize = 8;
/// The longest id of one, in bytes.
const ID_BYTES: usize = 64;

/// The protocol state of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Protocol {
    #[serde(rename = "heart")]
    mode: HeartbeatMode,
    /// None before CONNECT.
    version: Option<Version>,
    agreed: Agreed,
    subscriptions: Vec<Subscription>,
    #[serde(rename = "unread")]
    decoder: Decoder,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Subscription {
    /// The client's name for it; none in 1.0.
    id: Option<String>,
    /// Whether it is to [`TOPIC_MESSAGES`]; else it is to [`USER_MESSAGES`].
    topic: bool,
    /// Whether the client acknowledges messages.
    acknowledged: bool,
}

/// How the socket is closed; `None` while the session goes on.
pub(super) type End = Option<Close>;

impl Protocol {
    /// The state before CONNECT.
    pub(super) fn new(mode: HeartbeatMode) -> Self {
        Self {
            mode,
            version: None,
            agreed: Agreed::default(),
            subscriptions: Vec::new(),
            decoder: Decoder::default(),
        }
    }

    /// Reads `input` and adds the frames that answer it. `name` is the connection's.
    pub(super) fn on_message(&mut self, name: ConnId, mut input: &[u8], answers: &mut Vec<String>) -> End {
        let (error, receipt) = loop {
            if answers.len() >= ANSWERS {
                break (StompError::TooBig, None);
            }
            match self.decoder.take(&mut input, self.version) {
                Ok(None) => return None,
                Err(error) => break (error, None),
                Ok(Some(frame)) => match self.handle(name, &frame, answers) {
                    Ok(None) => {}
                    Ok(end) => return end,
                    Err(error) => break (error, frame.header("receipt").map(str::to_owned)),
                },
            }
        };
        answers.push(error.frame(self.version.unwrap_or(Version::V10), receipt.as_deref()));
        Some(error.close())
    }

    /// A message as its subscribers get it: those to [`USER_MESSAGES`], or, where there are none, those to
    /// [`TOPIC_MESSAGES`].
    pub(super) fn deliver(&self, name: ConnId, body: &str) -> Vec<String> {
        let Some(version) = self.version else { return Vec::new() };
        let topic = self.subscriptions.iter().all(|subscription| subscription.topic);
        let matching = self.subscriptions.iter().filter(|subscription| subscription.topic == topic);
        matching
            .enumerate()
            .map(|(index, subscription)| {
                let mut id = name.to_string();
                id.push('.');
                id.push_str(&index.to_string());
                let mut frame = Encoder::new("MESSAGE", version);
                if let Some(id) = &subscription.id {
                    frame.header("subscription", id);
                }
                frame.header("message-id", &id);
                frame.header("destination", subscription.destination());
                frame.header("content-type", "application/json");
                frame.header("content-length", &body.len().to_string());
                if version == Version::V12 && subscription.acknowledged {
                    frame.header("ack", &id);
                }
                frame.end(body)
            })
            .collect()
    }

    pub(super) fn heartbeat(&self, framing: Framing) -> Heartbeat {
        self.agreed.heartbeat(self.mode, framing)
    }

    fn handle(&mut self, name: ConnId, frame: &Frame, answers: &mut Vec<String>) -> Result<End, StompError> {
        let Some(version) = self.version else {
            return match frame.command {
                Command::Connect => self.connect(name, frame).map(|connected| {
                    answers.push(connected);
                    None
                }),
                _ => Err(StompError::NotConnected),
            };
        };
        match frame.command {
            Command::Connect => return Err(StompError::Connected),
            Command::Subscribe => self.subscribe(version, frame)?,
            Command::Unsubscribe => self.unsubscribe(version, frame)?,
            Command::Send if frame.header("destination") == Some(CHAT) => {}
            Command::Send => return Err(StompError::Send),
            Command::Idle | Command::Disconnect => {}
        }
        if let Some(receipt) = frame.header("receipt") {
            let mut answer = Encoder::new("RECEIPT", version);
            answer.header("receipt-id", receipt);
            answers.push(answer.end(""));
        }
        Ok((frame.command == Command::Disconnect).then_some(Close::Done))
    }

    fn connect(&mut self, name: ConnId, frame: &Frame) -> Result<String, StompError> {
        let accepted = frame.header("accept-version").unwrap_or(Version::V10.name());
        let version = choose(accepted, Version::name).ok_or(StompError::Version)?;
        if let Some(wish) = frame.header("heart-beat").filter(|_| version != Version::V10) {
            self.agreed = self.mode.agree(wish).ok_or(StompError::Header)?;
        }
        self.version = Some(version);
        // CONNECTED is written without escapes; none of its values needs one.
        let mut connected = Encoder::new("CONNECTED", Version::V10);
        connected.header("version", version.name());
        if version != Version::V10 {
            connected.header("heart-beat", self.mode.header());
        }
        connected.header("session", &name.to_string());
        Ok(connected.end(""))
    }

    fn subscribe(&mut self, version: Version, frame: &Frame) -> Result<(), StompError> {
        let topic = match frame.header("destination").ok_or(StompError::Header)? {
            USER_MESSAGES => false,
            TOPIC_MESSAGES => true,
            _ => return Err(StompError::Subscribe),
        };
        let id = frame.header("id");
        if id.is_none() && version != Version::V10 {
            return Err(StompError::Header);
        }
        if self.subscriptions.iter().any(|other| other.is_named(id, topic)) {
            return Err(StompError::Taken);
        }
        if self.subscriptions.len() >= SUBSCRIPTIONS || id.is_some_and(|id| id.len() > ID_BYTES) {
            return Err(StompError::TooMany);
        }
        let acknowledged = frame.header("ack").is_some_and(|mode| mode != "auto");
        self.subscriptions.push(Subscription { id: id.map(str::to_owned), topic, acknowledged });
        Ok(())
    }

    /// Unsubscribing twice is no error.
    fn unsubscribe(&mut self, version: Version, frame: &Frame) -> Result<(), StompError> {
        let (id, destination) = (frame.header("id"), frame.header("destination"));
        if id.is_none() && (version != Version::V10 || destination.is_none()) {
            return Err(StompError::Header);
        }
        self.subscriptions.retain(|one| !match id {
            Some(_) => one.is_named(id, one.topic),
            None => one.id.is_none() && destination == Some(one.destination()),
        });
        Ok(())
    }
}

impl Subscription {
    const fn destination(&self) -> &'static str {
        if self.topic { TOPIC_MESSAGES } else { USER_MESSAGES }
    }

    /// In 1.0 a subscription without an id goes by its destination.
    fn is_named(&self, id: Option<&str>, topic: bool) -> bool {
        self.id.as_deref() == id && (id.is_some() || self.topic == topic)
    }
}
