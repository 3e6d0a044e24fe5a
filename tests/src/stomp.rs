//! Consoles that speak STOMP, plain or inside SockJS: the suite's own idea of both.

use std::{collections::VecDeque, fmt::Write as _};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    check::{holds, same, shorten},
    ws::{Event, Socket, describe},
};

/// The destination of a user's own messages.
pub const OWN: &str = "/user/queue/messages";
/// The destination of messages to all users.
pub const TOPIC: &str = "/topic/messages";

/// The framing around a STOMP frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Nothing.
    Plain,
    /// SockJS.
    SockJs,
}

/// A frame as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its first line.
    pub command: String,
    /// Its headers, in order, unescaped.
    pub headers: Vec<(String, String)>,
    /// The text behind the empty line.
    pub body: String,
}

/// A client that may be connected.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    framing: Framing,
    /// Whether headers have escapes.
    escapes: bool,
    /// Messages of a SockJS frame that were not looked at yet.
    waiting: VecDeque<String>,
}

impl Client {
    /// On a socket that was just opened; SockJS says so first.
    pub async fn on(socket: Socket, framing: Framing) -> Result<Self> {
        let mut client = Self { socket, framing, escapes: false, waiting: VecDeque::new() };
        if framing == Framing::SockJs {
            same(client.socket.text().await?.as_str(), "o", "the first frame of SockJS")?;
        }
        Ok(client)
    }

    /// The socket beneath.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The socket itself, without a word to the other side.
    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// CONNECT in this version, without heart-beats; the CONNECTED frame.
    pub async fn connect(&mut self, version: &str) -> Result<Frame> {
        self.connect_with(version, "0,0").await
    }

    /// CONNECT with these wishes.
    pub async fn connect_with(&mut self, versions: &str, beats: &str) -> Result<Frame> {
        let headers = [("accept-version", versions), ("host", "rollcall.test"), ("heart-beat", beats)];
        self.say("CONNECT", &headers, "").await?;
        let connected = self.frame().await?;
        same(connected.command.as_str(), "CONNECTED", "the answer to CONNECT")?;
        self.escapes = connected.header("version") != Some("1.0");
        Ok(connected)
    }

    /// SUBSCRIBE, and its receipt.
    pub async fn subscribe(&mut self, id: &str, destination: &str) -> Result<()> {
        self.done("SUBSCRIBE", &[("id", id), ("destination", destination)]).await
    }

    /// Any frame, and its receipt.
    pub async fn done(&mut self, command: &str, headers: &[(&str, &str)]) -> Result<()> {
        let receipt = format!("{command}:done\\");
        let asked: Vec<_> = headers.iter().copied().chain([("receipt", receipt.as_str())]).collect();
        self.say(command, &asked, "").await?;
        let answer = self.frame().await?;
        same(answer.command.as_str(), "RECEIPT", "the answer")?;
        same(answer.headers, vec![("receipt-id".to_owned(), receipt)], "its headers")
    }

    /// Sends a frame.
    pub async fn say(&mut self, command: &str, headers: &[(&str, &str)], body: &str) -> Result<()> {
        let text = self.write(command, headers, body);
        self.say_text(&text).await
    }

    /// A frame as it is sent.
    pub fn write(&self, command: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut text = format!("{command}\n");
        for (name, value) in headers {
            let value = if self.escapes { escape(value) } else { (*value).to_owned() };
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "\n{body}\0");
        text
    }

    /// Sends any text inside the framing.
    pub async fn say_text(&mut self, text: &str) -> Result<()> {
        match self.framing {
            Framing::Plain => self.socket.send_text(text).await,
            Framing::SockJs => self.socket.send_text(&json!([text]).to_string()).await,
        }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Result<Frame> {
        match self.next().await? {
            Some(text) => Frame::read(&text, self.escapes),
            None => bail!("expected a frame, got a close"),
        }
    }

    /// The next text inside the framing, beats included; none at the close of SockJS.
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(text) = self.waiting.pop_front() {
                return Ok(Some(text));
            }
            let text = match self.socket.next().await {
                Event::Text(text) => text,
                other => bail!("expected a text, got {}", describe(&other)),
            };
            if self.framing == Framing::Plain || text == "h" {
                return Ok(Some(text));
            }
            let list =
                text.strip_prefix('a').with_context(|| format!("no SockJS frame: {}", shorten(&text)))?;
            self.waiting =
                serde_json::from_str(list).with_context(|| format!("no list: {}", shorten(list)))?;
        }
    }

    /// The next text, which must be a beat.
    pub async fn beat(&mut self) -> Result<String> {
        let text = self.next().await?.unwrap_or_default();
        holds(matches!(text.as_str(), "\n" | "h"), || format!("no beat: {}", shorten(&text)))?;
        Ok(text)
    }

    /// The next thing, which must be this close, announced by SockJS where that is spoken.
    pub async fn closed(&mut self, code: u16, reason: &str) -> Result<()> {
        if self.framing == Framing::SockJs {
            let text = self.socket.text().await?;
            let parts = text.strip_prefix('c').and_then(|parts| serde_json::from_str::<Value>(parts).ok());
            same(parts, Some(json!([code, reason])), "the close of SockJS")?;
        }
        same(self.socket.closed(code).await?.as_str(), reason, "the reason of the Close frame")
    }

    /// The next frame, which must be an ERROR with this message, and the close behind it.
    pub async fn refused(&mut self, message: &str, code: u16, reason: &str) -> Result<Frame> {
        let error = self.frame().await?;
        same(error.command.as_str(), "ERROR", "the command")?;
        same(error.header("message"), Some(message), "the message of an ERROR")?;
        self.closed(code, reason).await?;
        Ok(error)
    }
}

impl Frame {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Reads one whole frame and nothing else.
    fn read(text: &str, escapes: bool) -> Result<Self> {
        let what = || format!("not a frame: {}", shorten(text));
        let (head, body) = text.split_once("\n\n").with_context(what)?;
        let body = body.strip_suffix('\0').filter(|body| !body.contains('\0')).with_context(what)?;
        let mut lines = head.split('\n');
        let command = lines.next().unwrap_or_default().to_owned();
        let plain = !escapes || command == "CONNECTED";
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').with_context(what)?;
            holds(plain || !value.contains(':'), || format!("a colon without an escape in {line}"))?;
            let value = if plain { value.to_owned() } else { unescape(value).with_context(what)? };
            headers.push((name.to_owned(), value));
        }
        let frame = Self { command, headers, body: body.to_owned() };
        if let Some(length) = frame.header("content-length") {
            same(length, frame.body.len().to_string().as_str(), "content-length")?;
        }
        Ok(frame)
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace(':', "\\c")
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                'c' => ':',
                '\\' => '\\',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_with_the_escapes_of_its_version() {
        let text = "MESSAGE\na:x\\cy\\\\\ncontent-length:3\n\n1\n2\0";
        let frame = Frame::read(text, true).unwrap();
        assert_eq!((frame.header("a"), frame.body.as_str()), (Some("x:y\\"), "1\n2"));
        assert_eq!(Frame::read(text, false).unwrap().header("a"), Some("x\\cy\\\\"));
        assert_eq!(unescape(&escape("a:\\\n")).as_deref(), Some("a:\\\n"));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for text in [
            "",
            "\n",
            "A\n\n",
            "A\nb\n\n\0",
            "A\nb:\\t\n\n\0",
            "A\ncontent-length:2\n\n1\0",
            "A\nb:c:d\n\n\0",
        ] {
            assert!(Frame::read(text, true).is_err(), "{text:?}");
        }
    }
}
