//! The golden vectors, read from the file that the repository carries.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

const FILE: &str = include_str!("../vectors/openim.json");

/// The parts of the file that a client can play through.
#[derive(Debug, Deserialize)]
pub struct Vectors {
    /// The secret that every vector assumes.
    pub secret: String,
    /// Tokens.
    pub jwt: Vec<Jwt>,
    /// Request and answer pairs.
    pub http: Vec<Exchange>,
    /// Login policies.
    pub policy: Vec<Policy>,
    /// Frames of the JSON mode.
    #[serde(rename = "jsonFrames")]
    pub frames: Vec<Frames>,
    /// Messages of the gob mode.
    #[serde(rename = "gobFrames")]
    pub gob: Vec<Gob>,
    /// The `v` parameter of the handshake.
    #[serde(rename = "vParameter")]
    pub packed: Packed,
}

/// One token.
#[derive(Debug, Deserialize)]
pub struct Jwt {
    /// Its label.
    pub id: String,
    /// The payload's exact text.
    pub claims: String,
    /// The token's text.
    pub token: String,
}

/// One request and its answer.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    /// Its label.
    pub id: String,
    /// `None` where only the formatter is concerned.
    pub request: Option<Asked>,
    /// The expected answer.
    pub response: Answered,
}

/// The request of an [`Exchange`].
#[derive(Debug, Deserialize)]
pub struct Asked {
    /// The HTTP method.
    pub method: String,
    /// Path and query, with placeholders.
    pub path: String,
    /// Headers, with placeholders.
    pub headers: BTreeMap<String, String>,
    /// The exact body.
    pub body: Option<String>,
}

/// The answer of an [`Exchange`].
#[derive(Debug, Deserialize)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body, with placeholders.
    pub body: Value,
}

/// One row of the policy table.
#[derive(Debug, Deserialize)]
pub struct Policy {
    /// Its label.
    pub id: String,
    /// The steps, in order.
    pub steps: Vec<String>,
    /// The state of every token at the end: 0, or the code that refuses it.
    pub tokens: BTreeMap<String, i64>,
    /// The names whose sockets are open at the end, in connect order.
    pub live: Vec<String>,
    /// The names whose sockets received the kick frame.
    #[serde(rename = "kickFrame")]
    pub kick_frame: Vec<String>,
}

/// One row of the frame table.
#[derive(Debug, Deserialize)]
pub struct Frames {
    /// Its label.
    pub id: String,
    /// The quoted pieces in order.
    pub payloads: Vec<String>,
}

/// One row of the gob table.
#[derive(Debug, Deserialize)]
pub struct Gob {
    /// Its label.
    pub id: String,
    /// The message's bytes.
    pub hex: String,
}

/// The packed handshake parameter.
#[derive(Debug, Deserialize)]
pub struct Packed {
    /// Its text.
    pub v: String,
    /// Its fields.
    pub fields: Value,
}

/// Reads the file.
pub fn load() -> Result<Vectors> {
    serde_json::from_str(FILE).context("tests/vectors/openim.json")
}

impl Vectors {
    /// The text of a token vector.
    pub fn token(&self, id: &str) -> Result<String> {
        self.jwt
            .iter()
            .find(|v| v.id == id)
            .map(|v| v.token.clone())
            .with_context(|| format!("no vector {id}"))
    }

    /// A pair by its label.
    pub fn exchange(&self, id: &str) -> Result<&Exchange> {
        self.http.iter().find(|v| v.id == id).with_context(|| format!("no vector {id}"))
    }

    /// A policy row by its label.
    pub fn policy(&self, id: &str) -> Result<&Policy> {
        self.policy.iter().find(|v| v.id == id).with_context(|| format!("no vector {id}"))
    }

    /// The `index`-th quoted piece of a frame row.
    pub fn frame(&self, id: &str, index: usize) -> Result<&str> {
        let row = self.frames.iter().find(|v| v.id == id).with_context(|| format!("no vector {id}"))?;
        row.payloads.get(index).map(String::as_str).with_context(|| format!("{id} has no piece {index}"))
    }

    /// The bytes of a gob vector.
    pub fn gob(&self, id: &str) -> Result<Vec<u8>> {
        let row = self.gob.iter().find(|v| v.id == id).with_context(|| format!("no vector {id}"))?;
        let byte = |at| u8::from_str_radix(row.hex.get(at..at + 2).unwrap_or_default(), 16);
        (0..row.hex.len()).step_by(2).map(|at| byte(at).with_context(|| format!("{id} is not hex"))).collect()
    }

    /// Every label that a case has to carry in its name.
    pub fn ids(&self) -> Vec<String> {
        let jwt = self.jwt.iter().map(|v| &v.id);
        let http = self.http.iter().map(|v| &v.id);
        let policy = self.policy.iter().map(|v| &v.id);
        let frames = self.frames.iter().map(|v| &v.id);
        jwt.chain(http).chain(policy).chain(frames).cloned().collect()
    }
}
