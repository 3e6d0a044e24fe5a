//! A client without a token in its upgrade: the first frame has to bring one (`docs/rules/message-center.md#login`).

use std::fmt;

use super::{Command, Decoder, Framing, Session, StompError, Version, encoder::Encoder, sockjs};
use crate::{
    gateway::{Close, Incoming},
    json,
    secret::Secret,
};

/// The reading of the first frame. Nothing is answered before it.
pub struct Login {
    session: Session,
    decoder: Decoder,
    /// What the client has sent from the beginning of the first frame on. It holds the token.
    sent: Vec<u8>,
}

/// The outcome of a message.
#[derive(Debug)]
pub enum LoginOutcome {
    /// The first frame is not complete.
    Incomplete,
    /// The first frame is CONNECT, with this header `Authorization`.
    Connect(Option<Secret<String>>),
    /// The client cannot log in.
    Refused(Refusal),
}

/// The end of a client that may not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// To be sent, in order.
    pub texts: Vec<String>,
    /// How the socket is closed after them.
    pub close: Close,
}

impl Login {
    /// The login that precedes `session`.
    pub fn new(session: Session) -> Self {
        Self { session, decoder: Decoder::default(), sent: Vec::new() }
    }

    /// The text that the server sends first, if any.
    pub fn greeting(&self) -> Option<&'static str> {
        self.session.greeting()
    }

    /// Reads a whole WebSocket message.
    pub fn on_message(&mut self, message: &Incoming) -> LoginOutcome {
        let list = match (self.session.framing(), message) {
            (Framing::SockJs, Incoming::Text(text)) => sockjs::read(text),
            (Framing::SockJs, Incoming::Binary(_)) => Err(Close::Undecodable),
            (_, Incoming::Text(text)) => return self.on_bytes(text.as_bytes()),
            (_, Incoming::Binary(bytes)) => return self.on_bytes(bytes),
        };
        match list {
            Ok(texts) => self.on_bytes(texts.concat().as_bytes()),
            Err(close) => LoginOutcome::Refused(self.end(Vec::new(), close)),
        }
    }

    fn on_bytes(&mut self, bytes: &[u8]) -> LoginOutcome {
        let mut rest = bytes;
        match self.decoder.take(&mut rest, None) {
            Err(error) => LoginOutcome::Refused(self.fail(error)),
            Ok(Some(frame)) if frame.command != Command::Connect => {
                LoginOutcome::Refused(self.fail(StompError::NotConnected))
            }
            Ok(Some(frame)) => {
                self.sent.extend_from_slice(bytes);
                let token = frame.header_of_any_case("authorization").map(Secret::from);
                LoginOutcome::Connect(token)
            }
            // Ends of line before a frame are heart-beats, and not kept.
            Ok(None) if self.decoder == Decoder::default() => LoginOutcome::Incomplete,
            Ok(None) => {
                self.sent.extend_from_slice(bytes);
                LoginOutcome::Incomplete
            }
        }
    }

    /// The session of the client once it has logged in.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// All that the session has to read yet, as one message.
    pub fn unread(&self) -> Incoming {
        match self.session.framing() {
            Framing::SockJs => {
                // Put together from texts.
                Incoming::Text(json::quoted(&String::from_utf8_lossy(&self.sent)))
            }
            Framing::Bare | Framing::Undecided => Incoming::Binary(self.sent.clone()),
        }
    }

    /// An ERROR frame with this message, and the close.
    pub fn refuse(&self, message: &str) -> Refusal {
        let mut error = Encoder::new("ERROR", Version::V10);
        error.header("message", message);
        self.end(vec![error.end("")], Close::Policy)
    }

    /// The close without a frame before it.
    pub fn close(&self, close: Close) -> Refusal {
        self.end(Vec::new(), close)
    }

    fn fail(&self, error: StompError) -> Refusal {
        self.end(vec![error.frame(Version::V10, None)], error.close())
    }

    fn end(&self, frames: Vec<String>, close: Close) -> Refusal {
        let mut texts = self.session.framed(frames);
        texts.extend(self.session.closing_text(close));
        Refusal { texts, close }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({} bytes)", self.sent.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::ConnId, stomp::HeartbeatMode};

    const CONNECT: &str = "CONNECT\naccept-version:1.2\nAuthorization:Bearer abc\n\n\0";

    fn login(framing: Framing) -> Login {
        Login::new(Session::new(framing, HeartbeatMode::Disabled))
    }

    fn text(text: &str) -> Incoming {
        Incoming::Text(text.to_owned())
    }

    fn token(outcome: LoginOutcome) -> Option<String> {
        match outcome {
            LoginOutcome::Connect(token) => token.map(|token| token.expose().clone()),
            other => panic!("{other:?}"),
        }
    }

    fn answers(login: &Login) -> Vec<String> {
        let mut session = login.session().clone();
        session.on_message(ConnId::from_bytes([1; 16]), &login.unread()).answers
    }

    #[test]
    fn the_token_of_the_first_frame_is_read_and_the_session_reads_all_of_it() {
        let mut whole = login(Framing::Bare);
        let both = format!("\n{CONNECT}\nBEGIN\nreceipt:1\n\n\0");
        assert_eq!(token(whole.on_message(&text(&both))).as_deref(), Some("Bearer abc"));
        assert!(!format!("{whole:?}").contains("abc"));
        let answers_of_whole = answers(&whole);
        assert!(answers_of_whole[0].starts_with("CONNECTED\n"));
        assert!(answers_of_whole[1].starts_with("RECEIPT\n"));

        for cut in 1..CONNECT.len() {
            let (first, second) = CONNECT.split_at(cut);
            for framing in [Framing::Bare, Framing::SockJs] {
                let mut login = login(framing);
                let wrap = |part: &str| match framing {
                    Framing::SockJs => text(&serde_json::to_string(&["", part]).unwrap()),
                    _ => Incoming::Binary(part.as_bytes().to_vec()),
                };
                assert!(matches!(login.on_message(&wrap("\r\n")), LoginOutcome::Incomplete));
                assert!(matches!(login.on_message(&wrap(first)), LoginOutcome::Incomplete), "{cut}");
                assert_eq!(token(login.on_message(&wrap(second))).as_deref(), Some("Bearer abc"));
                let [connected] = answers(&login).try_into().unwrap();
                assert!(connected.contains("CONNECTED"), "{connected}");
            }
        }
    }

    #[test]
    fn a_header_of_any_case_counts_and_none_is_none() {
        for (connect, wanted) in [
            ("STOMP\nauthorization: Bearer x\n\n\0", Some("Bearer x")),
            ("CONNECT\r\nAUTHORIZATION:Bearer a:b\r\n\r\n\0", Some("Bearer a:b")),
            ("CONNECT\nlogin:x\npasscode:Bearer y\n\n\0", None),
        ] {
            assert_eq!(token(login(Framing::Bare).on_message(&text(connect))).as_deref(), wanted);
        }
    }

    #[test]
    fn what_is_no_connect_is_refused_and_heart_beats_are_not_kept() {
        let refused = |framing, message: &Incoming| match login(framing).on_message(message) {
            LoginOutcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        };
        let early = refused(Framing::Bare, &text("SEND\ndestination:/app/chat\n\n\0"));
        assert_eq!(early.close, Close::Undecodable);
        assert!(early.texts[0].contains("message:the first frame must be CONNECT or STOMP\n"));
        assert_eq!(refused(Framing::Bare, &text(&"x".repeat(9000))).close, Close::TooBig);
        let early = refused(Framing::SockJs, &text("{}"));
        assert_eq!(early.texts, [r#"c[1002,"undecodable"]"#]);
        assert_eq!(refused(Framing::SockJs, &Incoming::Binary(vec![1])), early);
        let many = serde_json::to_string(&vec![""; 1_001]).unwrap();
        assert_eq!(refused(Framing::SockJs, &text(&many)).close, Close::TooBig);
        let mut idle = login(Framing::Bare);
        (0..1000).for_each(|_| drop(idle.on_message(&text("\n"))));
        assert!(idle.sent.is_empty());
    }

    #[test]
    fn a_refusal_is_an_error_frame_in_the_clients_framing() {
        let refusal = login(Framing::SockJs).refuse("invalid_token");
        let texts = [r#"a["ERROR\nmessage:invalid_token\n\n\u0000"]"#, r#"c[1008,"refused"]"#];
        assert_eq!((refusal.texts, refusal.close), (texts.map(String::from).to_vec(), Close::Policy));
        let late = login(Framing::Bare).close(Close::Policy);
        assert_eq!(late, Refusal { texts: Vec::new(), close: Close::Policy });
    }
}
