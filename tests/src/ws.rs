//! WebSocket clients of the gateway, in its JSON mode.

use std::{fmt::Write as _, io, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use crate::{
    check::{same, shorten},
    http::{Connection, Request, Response},
    subject::Kind,
    transcript::Recorder,
};

/// The frame that tells a client it was kicked.
pub const KICK: &str =
    r#"{"reqIdentifier":2002,"msgIncr":"","operationID":"","errCode":0,"errMsg":"","data":null}"#;

/// The frame that tells a client that asked for it that the connection stands.
pub const CONNECTED: &str = r#"{"errCode":0,"errMsg":"","errDlt":""}"#;

/// The interval at which clients that wait for others send a message: the server ends a connection that is silent for 30 s.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// After this time a server counts as never ending the TCP connection once the Close frames are exchanged.
const END_AFTER_CLOSE: Duration = Duration::from_secs(30);

/// The query of an upgrade request.
#[derive(Clone, Debug)]
pub struct Handshake {
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

impl Handshake {
    /// The query of the published JavaScript client.
    pub fn new(user: &str, platform: i64, token: &str) -> Self {
        Self::empty()
            .set("sendID", user)
            .set("token", token)
            .set("platformID", &platform.to_string())
            .set("operationID", "op-connect")
            .set("isBackground", "false")
            .set("isMsgResp", "true")
            .set("sdkType", "js")
    }

    /// No parameter at all.
    pub fn empty() -> Self {
        Self { path: "/".to_owned(), query: Vec::new(), headers: Vec::new() }
    }

    /// Sets a parameter, replacing an earlier value.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        match self.query.iter_mut().find(|(n, _)| n == name) {
            Some(pair) => value.clone_into(&mut pair.1),
            None => self.query.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// Removes a parameter.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.query.retain(|(n, _)| n != name);
        self
    }

    /// Does not ask for the result as a first frame.
    #[must_use]
    pub fn silent(self) -> Self {
        self.without("isMsgResp")
    }

    /// Another path than `/`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Adds a header line to the upgrade request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The upgrade request.
    pub fn request(&self) -> Request {
        let query: Vec<String> =
            self.query.iter().map(|(n, v)| format!("{}={}", escape(n), escape(v))).collect();
        let target =
            if query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, query.join("&")) };
        upgrade(&target, &self.headers)
    }

    /// A plain GET of the same URL.
    pub fn plain(&self) -> Request {
        Request { headers: self.headers.clone(), ..Request::new("GET", &self.request().target) }
    }
}

/// An upgrade request for a target that is sent as it is.
pub fn upgrade(target: &str, headers: &[(String, String)]) -> Request {
    let mut request = Request::new("GET", target)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", &generate_key());
    request.headers.extend_from_slice(headers);
    request
}

/// Percent-encodes everything but the unreserved characters.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The outcome of an upgrade request.
#[derive(Debug)]
pub enum Opening {
    /// The protocol was switched.
    Upgraded(Box<Socket>),
    /// It was answered as plain HTTP.
    Refused(Response),
}

/// Something read from a socket; control frames other than Close do not appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A Close frame.
    Closed {
        /// Its code, if it has one.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The connection ended without a Close frame.
    Ended(String),
}

/// One open WebSocket connection.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    name: String,
    recorder: Recorder,
    kind: Kind,
    protocol: Option<String>,
}

/// Sends an upgrade request over a fresh connection.
pub async fn open(
    address: SocketAddr,
    request: &Request,
    recorder: &Recorder,
    kind: Kind,
) -> Result<Opening> {
    open_over(Connection::open(address).await?, request, recorder, kind).await
}

/// Sends an upgrade request over a connection that the caller prepared.
pub async fn open_over(
    mut connection: Connection,
    request: &Request,
    recorder: &Recorder,
    kind: Kind,
) -> Result<Opening> {
    let response = connection.send(request).await?;
    if response.status != 101 {
        recorder.exchange(request, &response, None);
        return Ok(Opening::Refused(response));
    }
    let name = recorder.socket_name();
    recorder.exchange(request, &response, Some(&name));
    let key = request.headers.iter().find(|(n, _)| n == "sec-websocket-key").map(|(_, v)| v.as_str());
    same(
        response.header("sec-websocket-accept").as_deref(),
        key.map(|key| derive_accept_key(key.as_bytes())).as_deref(),
        "sec-websocket-accept",
    )?;
    same(response.header("sec-websocket-extensions"), None, "sec-websocket-extensions")?;
    let protocol = response.header("sec-websocket-protocol");
    let (stream, unread) = connection.into_parts();
    // Thousands of sockets are open at once in some cases; the default buffers are 128 KiB each.
    let config = WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(0);
    let stream = WebSocketStream::from_partially_read(stream, unread, Role::Client, Some(config)).await;
    Ok(Opening::Upgraded(Box::new(Socket { stream, name, recorder: recorder.clone(), kind, protocol })))
}

impl Socket {
    /// The subprotocol that the server chose.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends a text message.
    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        self.recorder.sent(&self.name, "text", text.as_bytes());
        self.stream.send(Message::text(text)).await.context("sending a text frame")
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let bytes = bytes.into();
        self.recorder.sent(&self.name, "binary", &bytes);
        self.stream.send(Message::binary(bytes)).await.context("sending a binary frame")
    }

    /// Sends one message in several frames, with a control ping between them.
    pub async fn send_fragments(&mut self, text: bool, fragments: &[&[u8]]) -> Result<()> {
        let kind = if text { ("text", Data::Text) } else { ("binary", Data::Binary) };
        for (index, fragment) in fragments.iter().enumerate() {
            self.recorder.sent(&self.name, kind.0, fragment);
            let opcode = OpCode::Data(if index == 0 { kind.1 } else { Data::Continue });
            let last = index + 1 == fragments.len();
            let frame = Frame::message(fragment.to_vec(), opcode, last);
            self.stream.send(Message::Frame(frame)).await.context("sending a fragment")?;
            if !last {
                self.stream.send(Message::Ping(Vec::new().into())).await.context("sending a control ping")?;
            }
        }
        Ok(())
    }

    /// Sends a control ping and waits for its echo, passing over nothing else.
    pub async fn control_ping(&mut self, payload: &[u8]) -> Result<()> {
        self.stream.send(Message::Ping(payload.to_vec().into())).await.context("sending a control ping")?;
        match self.stream.next().await {
            Some(Ok(Message::Pong(echo))) => same(echo.as_ref(), payload, "the control pong"),
            other => bail!("expected a control pong, got {other:?}"),
        }
    }

    /// Waits for the next message, Close frame or end.
    pub async fn next(&mut self) -> Event {
        loop {
            let event = match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Event::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => Event::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => Event::Closed {
                    code: frame.as_ref().map(|f| u16::from(f.code)),
                    reason: frame.map(|f| f.reason.to_string()).unwrap_or_default(),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(error)) => Event::Ended(error.to_string()),
                None => Event::Ended("end of stream".to_owned()),
            };
            self.recorder.heard(&self.name, &event);
            return event;
        }
    }

    /// The next message, which must be text.
    pub async fn text(&mut self) -> Result<String> {
        match self.next().await {
            Event::Text(text) => Ok(text),
            other => bail!("expected a text frame, got {}", describe(&other)),
        }
    }

    /// The next message, which must be binary; as text, since in JSON mode it is.
    pub async fn binary(&mut self) -> Result<String> {
        match self.next().await {
            Event::Binary(bytes) => String::from_utf8(bytes).context("a binary frame is not UTF-8"),
            other => bail!("expected a binary frame, got {}", describe(&other)),
        }
    }

    /// The next thing, which must be a Close frame with this code; then the end of the connection.
    /// Returns the reason.
    pub async fn closed(&mut self, code: u16) -> Result<String> {
        match self.next().await {
            Event::Closed { code: Some(found), reason } if found == code => {
                self.ended(true).await?;
                Ok(reason)
            }
            other => bail!("expected Close {code}, got {}", describe(&other)),
        }
    }

    /// The kick frame, then Close 4006.
    pub async fn kicked(&mut self) -> Result<()> {
        same(self.binary().await?.as_str(), KICK, "the kick frame")?;
        same(self.closed(4006).await?.as_str(), "kicked", "the reason of the Close frame")
    }

    /// Any end without a kick frame or another message before it.
    pub async fn ended_silently(&mut self) -> Result<()> {
        match self.next().await {
            Event::Closed { .. } => self.ended(true).await,
            Event::Ended(_) => Ok(()),
            other => bail!("expected the end of the connection, got {}", describe(&other)),
        }
    }

    /// Shows that the connection works, and that nothing else was waiting to be read.
    pub async fn alive(&mut self) -> Result<()> {
        self.send_text(r#"{"type":"ping"}"#).await?;
        same(self.text().await?.as_str(), r#"{"type":"pong","body":null}"#, "the pong")
    }

    /// Sends a request in the gateway's form and returns the reply.
    pub async fn ask(&mut self, identifier: i64, user: &str, data: Option<&[u8]>) -> Result<Value> {
        self.send_binary(request(identifier, user, data).to_string()).await?;
        let reply = self.binary().await?;
        let reply: Value =
            serde_json::from_str(&reply).with_context(|| format!("not JSON: {}", shorten(&reply)))?;
        same(reply.pointer("/reqIdentifier"), Some(&json!(identifier)), "reqIdentifier of the reply")?;
        let (increment, operation) = labels(identifier, user);
        same(reply.pointer("/msgIncr"), Some(&json!(increment)), "msgIncr of the reply")?;
        same(reply.pointer("/operationID"), Some(&json!(operation)), "operationID of the reply")?;
        Ok(reply)
    }

    /// Closes cleanly and waits for the other side's Close, without which a client reports 1006 and reconnects.
    pub async fn close(mut self) -> Result<()> {
        self.recorder.sent(&self.name, "close", &1000_u16.to_be_bytes());
        let frame = CloseFrame { code: 1000.into(), reason: "".into() };
        self.stream.close(Some(frame)).await.context("sending a Close frame")?;
        self.ended(false).await
    }

    /// Ends the TCP connection with a reset.
    pub fn reset(self) -> Result<()> {
        self.stream.get_ref().set_zero_linger().context("SO_LINGER")
    }

    /// The socket beneath, for cases about how TCP itself ends.
    pub fn tcp(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends without waiting for more than the kernel's buffer to take it, as a client does that never
    /// reads.
    pub async fn push_text(&mut self, text: &str) -> io::Result<()> {
        self.stream.send(Message::text(text)).await.map_err(io::Error::other)
    }

    /// Completes the exchange of Close frames and waits for the end of TCP, which the server owes then. What is read
    /// here was sent before the Close arrived and is of no interest. At the edge TCP is the platform's, which may keep it
    /// until it evicts the object; there the client ends it once both Close frames are exchanged.
    async fn ended(&mut self, closed: bool) -> Result<()> {
        let mut closed = closed;
        let is_edge = self.kind == Kind::Edge;
        let ended = async {
            while !(closed && is_edge) {
                match self.stream.next().await {
                    Some(Ok(Message::Close(_))) => closed = true,
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None if closed => return Ok(()),
                    other => bail!("the connection ended before its Close was answered: {other:?}"),
                }
            }
            // The answer to the Close may still be waiting to be sent.
            self.stream.flush().await.ok();
            Ok(())
        };
        timeout(END_AFTER_CLOSE, ended).await.context("after both Close frames the connection stays open")?
    }

    /// Sends a Close frame with this payload and returns that of the answer, byte by byte. Nothing else may come, neither
    /// before nor after it, and on one machine TCP has to end as it should: without a reset, which could overtake the answer.
    pub async fn close_with(self, payload: &[u8]) -> Result<Vec<u8>> {
        self.recorder.sent(&self.name, "close", payload);
        let mut tcp = self.stream.into_inner();
        let length = u8::try_from(payload.len()).context("a control frame")?;
        // The mask is zero.
        let frame = [&[0x88, 0x80 | length, 0, 0, 0, 0], payload].concat();
        tcp.write_all(&frame).await.context("sending a Close frame")?;
        let answer = async {
            let mut head = [0; 2];
            tcp.read_exact(&mut head).await.context("no answer to the Close frame")?;
            same(head[0], 0x88, "the first byte of the answer")?;
            let mut answer = vec![0; usize::from(head[1])];
            tcp.read_exact(&mut answer).await.context("half an answer to the Close frame")?;
            if self.kind == Kind::Origin {
                let mut rest = Vec::new();
                tcp.read_to_end(&mut rest).await.context("after the answer")?;
                same(rest, Vec::<u8>::new(), "what comes behind the answer")?;
            }
            Ok::<_, anyhow::Error>(answer)
        };
        let answer = timeout(END_AFTER_CLOSE, answer).await.context("the connection stays open")??;
        self.recorder.heard(
            &self.name,
            &Event::Closed {
                code: answer.first_chunk().map(|code| u16::from_be_bytes(*code)),
                reason: String::new(),
            },
        );
        Ok(answer)
    }
}

/// A request in the gateway's form.
pub fn request(identifier: i64, user: &str, data: Option<&[u8]>) -> Value {
    let (increment, operation) = labels(identifier, user);
    json!({
        "reqIdentifier": identifier,
        "token": "",
        "sendID": user,
        "operationID": operation,
        "msgIncr": increment,
        "data": data.map(|bytes| STANDARD.encode(bytes)),
    })
}

fn labels(identifier: i64, user: &str) -> (String, String) {
    (format!("{user}_{identifier}"), format!("op-{identifier}"))
}

/// An event in words.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Text(text) => format!("text {}", shorten(text)),
        Event::Binary(bytes) => format!("binary {}", shorten(&String::from_utf8_lossy(bytes))),
        Event::Closed { code, reason } => format!("Close {code:?} {reason:?}"),
        Event::Ended(why) => format!("the end of the connection ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    #[test]
    fn the_kick_and_the_success_frame_are_those_of_the_vectors() {
        let vectors = vectors::load().unwrap();
        assert_eq!(KICK, vectors.frame("W8", 0).unwrap());
        assert_eq!(CONNECTED, vectors.frame("W1", 0).unwrap());
    }

    #[test]
    fn queries_are_escaped() {
        let target = Handshake::new("a b/ü", 5, "t.t").silent().set("isBackground", "true").request().target;
        assert_eq!(
            target,
            "/?sendID=a%20b%2F%C3%BC&token=t.t&platformID=5&operationID=op-connect&isBackground=true&sdkType=js"
        );
        assert_eq!(Handshake::empty().path("/ws").request().target, "/ws");
    }

    #[test]
    fn requests_have_the_published_fields() {
        let vectors = vectors::load().unwrap();
        let published: Value = serde_json::from_str(vectors.frame("W9", 0).unwrap()).unwrap();
        let ours = request(1001, "u1", Some(&crate::proto::user_only("u1")));
        let names = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&published));
        assert_eq!(ours.pointer("/data"), published.pointer("/data"));
    }
}
