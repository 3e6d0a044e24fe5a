//! The data directory that an earlier program wrote, and what that program answered from it.

use std::path::{Path, PathBuf};

use rollcall_conformance::http::{Connection, Request};
use serde_json::Value;

use super::Server;

/// The fixture `data-v2`.
pub struct Earlier {
    fixture: PathBuf,
    /// What was asked, and what is stored.
    pub expected: Value,
}

impl Earlier {
    pub fn load() -> Self {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-v2");
        let expected = std::fs::read_to_string(fixture.join("expected.json")).unwrap();
        Self { expected: serde_json::from_str(&expected).unwrap(), fixture }
    }

    /// The store's file, which stays as it is.
    pub fn file(&self) -> PathBuf {
        self.fixture.join("rollcall.sqlite3")
    }

    /// The configuration beside the secret of the tests.
    pub fn configuration(&self) -> String {
        std::fs::read_to_string(self.fixture.join("configuration.toml")).unwrap()
    }

    /// A data directory with a copy of the store. Returns the copy.
    pub fn copy_to(&self, data: &Path) -> PathBuf {
        std::fs::create_dir(data).unwrap();
        let file = data.join("rollcall.sqlite3");
        std::fs::copy(self.file(), &file).unwrap();
        file
    }

    /// Asks a server everything that the program of the fixture was asked, and names what it answers otherwise.
    pub async fn differences(&self, server: &Server) -> String {
        let mut differences = Vec::new();
        for case in self.expected.get("answers").and_then(Value::as_array).unwrap() {
            let found = ask(server, case).await;
            let wanted = (
                case.get("status").and_then(Value::as_u64).unwrap(),
                case.get("answer").cloned().unwrap_or_default(),
            );
            if found != wanted {
                differences.push(format!("{:?}\n  wanted {wanted:?}\n  found  {found:?}", case.get("what")));
            }
        }
        differences.join("\n")
    }
}

async fn ask(server: &Server, case: &Value) -> (u64, Value) {
    let text = |name: &str| case.get(name).and_then(Value::as_str).unwrap();
    let mut request = Request::new(text("method"), text("path"));
    for (name, value) in case.get("headers").and_then(Value::as_object).unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    if let Some(body) = case.get("body") {
        request = request.body(body.to_string());
    }
    let mut connection = Connection::open(server.address).await.unwrap();
    let response = connection.send(&request).await.unwrap();
    let mut answer = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("datetime");
    }
    (response.status.into(), answer)
}
