//! The transcript of a case: every exchange and frame, in the order in which the case acted.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    http::{Request, Response},
    mask::Masks,
    ws::Event,
};

/// Longer texts are recorded by length and digest.
const LONGEST_TEXT: usize = 16 << 10;

/// One line of a transcript file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseTranscript {
    /// The case's full name.
    pub case: String,
    /// Whether it passed.
    pub passed: bool,
    /// The masked entries.
    pub entries: Vec<Value>,
}

/// Collects the entries of one case. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    shared: Option<Arc<Mutex<Shared>>>,
}

#[derive(Debug, Default)]
struct Shared {
    entries: Vec<Value>,
    sockets: usize,
}

impl Recorder {
    /// An empty record.
    pub fn new() -> Self {
        Self { shared: Some(Arc::default()) }
    }

    /// A recorder that forgets: for what is inherently a race, such as polls and storms.
    pub fn silent() -> Self {
        Self::default()
    }

    /// A name for the next socket, in order of opening.
    pub fn socket_name(&self) -> String {
        let Some(shared) = &self.shared else { return String::new() };
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.sockets += 1;
        format!("socket {}", shared.sockets)
    }

    /// Notes an HTTP exchange; `socket` names the socket if it was a handshake.
    pub fn exchange(&self, request: &Request, response: &Response, socket: Option<&str>) {
        let headers: Vec<Value> = request
            .headers
            .iter()
            .filter(|(name, _)| !handshake_detail(name))
            .map(|(name, value)| json!([name, value]))
            .collect();
        let mut entry = json!({
            "request": {
                "method": request.method,
                "target": request.target,
                "headers": headers,
                "body": lossy(&request.body),
            },
            "response": {
                "status": response.status,
                "headers": headers_that_matter(request, response),
                "body": lossy(&response.body),
            },
        });
        if let (Some(fields), Some(socket)) = (entry.as_object_mut(), socket) {
            fields.insert("socket".into(), socket.into());
        }
        self.push(entry);
    }

    /// Notes a frame that the case sent.
    pub fn sent(&self, socket: &str, opcode: &str, payload: &[u8]) {
        self.push(json!({"socket": socket, "sent": opcode, "payload": lossy(payload)}));
    }

    /// Notes what the case read from a socket.
    pub fn heard(&self, socket: &str, event: &Event) {
        self.push(match event {
            Event::Text(text) => json!({"socket": socket, "heard": "text", "payload": text}),
            Event::Binary(bytes) => json!({"socket": socket, "heard": "binary", "payload": lossy(bytes)}),
            Event::Closed { code, reason } => {
                json!({"socket": socket, "heard": "close", "code": code, "reason": reason})
            }
            Event::Ended(_) => json!({"socket": socket, "heard": "end"}),
        });
    }

    fn push(&self, entry: Value) {
        if let Some(shared) = &self.shared {
            shared.lock().unwrap_or_else(PoisonError::into_inner).entries.push(entry);
        }
    }

    /// The entries so far, masked.
    pub fn masked(&self) -> Vec<Value> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let entries = shared.lock().unwrap_or_else(PoisonError::into_inner).entries.clone();
        let mut masks = Masks::default();
        entries.into_iter().map(|entry| mask_value(entry, &mut masks)).collect()
    }
}

/// Headers that belong to the mechanics of an upgrade; their values are drawn at random.
fn handshake_detail(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sec-websocket-") || name == "connection" || name == "host"
}

/// The closed list of response headers that two subjects must agree on.
fn headers_that_matter(request: &Request, response: &Response) -> Value {
    const NAMES: [&str; 11] = [
        "content-type",
        "www-authenticate",
        "cache-control",
        "pragma",
        "allow",
        "retry-after",
        "location",
        "xc-e-key",
        "x-e-key",
        "xc-request-id",
        "sec-websocket-protocol",
    ];
    let mut kept: Vec<(String, String)> = response
        .headers
        .iter()
        .filter(|(name, _)| NAMES.contains(&name.as_str()) || name.starts_with("access-control-"))
        .map(|(name, value)| {
            let value = match name.as_str() {
                // The charset is explicitly left open.
                "content-type" => value.split(';').next().unwrap_or_default().trim().to_owned(),
                // Drawn by the server, unless it is an echo.
                "xc-request-id" if !echoes(request, value) => "<request>".to_owned(),
                _ => value.clone(),
            };
            (name.clone(), value)
        })
        .collect();
    kept.sort();
    json!(kept)
}

/// Whether a request id is the one that the client gave.
fn echoes(request: &Request, id: &str) -> bool {
    ["xc-request-id", "x-request-id"].iter().any(|name| request.value(name) == Some(id))
}

fn mask_value(value: Value, masks: &mut Masks) -> Value {
    match value {
        Value::String(text) => Value::String(digest_if_long(masks.apply(&text))),
        Value::Array(items) => items.into_iter().map(|item| mask_value(item, masks)).collect(),
        Value::Object(fields) => {
            // Placeholders are numbered by first appearance, so the request must be seen first,
            // whatever order the map keeps its keys in.
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            fields.into_iter().map(|(name, value)| (name, mask_value(value, masks))).collect()
        }
        other => other,
    }
}

fn digest_if_long(text: String) -> String {
    if text.len() <= LONGEST_TEXT {
        return text;
    }
    let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("<{} bytes, sha256 {digest}>", text.len())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str, headers: &[(&str, &str)]) -> Response {
        Response {
            status: 200,
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn only_headers_that_matter_are_kept_and_the_charset_is_not() {
        let recorder = Recorder::new();
        let request = Request::post("/x").header("sec-websocket-key", "random");
        let headers = [("date", "now"), ("content-type", "application/json; charset=utf-8"), ("server", "x")];
        recorder.exchange(&request, &answer("{}", &headers), None);
        let text = serde_json::to_string(&recorder.masked()).unwrap();
        assert!(text.contains(r#"["content-type","application/json"]]"#), "{text}");
        for absent in ["random", "now", "server", "charset"] {
            assert!(!text.contains(absent), "{absent} in {text}");
        }
    }

    #[test]
    fn a_request_id_is_kept_when_it_is_an_echo() {
        let recorder = Recorder::new();
        for request in [Request::post("/x"), Request::post("/x").header("X-Request-Id", "given")] {
            recorder.exchange(&request, &answer("{}", &[("xc-request-id", "given")]), None);
        }
        let kept: Vec<Value> =
            recorder.masked().iter().map(|entry| entry["response"]["headers"].clone()).collect();
        assert_eq!(kept, [json!([["xc-request-id", "<request>"]]), json!([["xc-request-id", "given"]])]);
    }

    #[test]
    fn two_runs_with_other_connection_ids_are_equal_and_a_swap_is_not() {
        let run = |first: &str, second: &str, again: &str| {
            let recorder = Recorder::new();
            for id in [first, second, again] {
                recorder.exchange(&Request::post("/x"), &answer(id, &[]), None);
            }
            recorder.masked()
        };
        let (a, b, c, d) = ("a".repeat(32), "b".repeat(32), "c".repeat(32), "d".repeat(32));
        assert_eq!(run(&a, &b, &a), run(&c, &d, &c));
        assert_ne!(run(&a, &b, &a), run(&a, &b, &b));
    }

    #[test]
    fn a_silent_recorder_keeps_nothing() {
        let recorder = Recorder::silent();
        recorder.sent("x", "text", b"y");
        assert!(recorder.masked().is_empty());
    }
}
