//! The vectors of the message center, and how one is played in a fixture.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{
    api::Api,
    date::Zone,
    fixture::{Fixture, Row},
    reply::Reply,
};
use crate::{
    check::{at, same, shorten, text_at},
    http::Request,
};

const FILE: &str = include_str!("../../vectors/message-center.json");

/// Users that the vectors name.
const USERS: [i64; 8] = [100, 101, 102, 103, 104, 201, 999, 998];
/// Tenants that the vectors name.
const TENANTS: [i64; 2] = [1, 2];

/// The parts of the file that a client can play through.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Golden {
    /// The zone of every date in it.
    pub time_zone: String,
    fixture: Vec<FixtureRow>,
    /// Requests with their answers, and one frame.
    pub pairs: Vec<Pair>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FixtureRow {
    id: String,
    tenant_id: String,
    user_id: String,
    full_name: String,
    avatar: Option<String>,
    user_agent: String,
    device_id: String,
    remote_address: String,
    online_date: String,
    offline_date: Option<String>,
}

/// One vector.
#[derive(Debug, Deserialize)]
pub struct Pair {
    /// Its label.
    pub id: String,
    /// The request.
    pub request: Option<Asked>,
    /// The expected answer.
    pub response: Option<Answered>,
    /// The frame that a socket has to get.
    pub frame: Option<Value>,
}

/// The request of a [`Pair`].
#[derive(Debug, Deserialize)]
pub struct Asked {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// The answer of a [`Pair`].
#[derive(Debug, Deserialize)]
pub struct Answered {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Reads the file.
pub fn load() -> Result<Golden> {
    serde_json::from_str(FILE).context("tests/vectors/message-center.json")
}

impl Golden {
    /// The fixture.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let zone = Zone::named(&self.time_zone).context("the zone of the vectors")?;
        let row = |given: &FixtureRow| -> Result<Row> {
            Ok(Row {
                id: given.id.parse()?,
                tenant: given.tenant_id.parse()?,
                user: given.user_id.parse()?,
                name: given.full_name.clone(),
                avatar: given.avatar.clone(),
                agent: given.user_agent.clone(),
                device: given.device_id.clone(),
                address: given.remote_address.clone(),
                online_at: zone.read(&given.online_date)?,
                offline_at: given.offline_date.as_deref().map(|date| zone.read(date)).transpose()?,
            })
        };
        self.fixture.iter().map(row).collect()
    }

    /// A vector by its label.
    pub fn pair(&self, id: &str) -> Result<&Pair> {
        self.pairs.iter().find(|pair| pair.id == id).with_context(|| format!("no vector {id}"))
    }
}

/// Sends a vector's request, with raw brackets and with encoded ones, and compares every answer.
pub async fn play(api: &Api, id: &str) -> Result<Reply> {
    let golden = load()?;
    let pair = golden.pair(id)?;
    let asked = pair.request.as_ref().with_context(|| format!("{id} has no request"))?;
    let wanted = pair.response.as_ref().with_context(|| format!("{id} has no answer"))?;
    let raw = numbers(&asked.target, api.fixture(), Numbers::Users);
    let encoded = raw.replace('[', "%5B").replace(']', "%5D");
    let reply = send(api, asked, &raw).await?;
    fits(api.fixture(), wanted, &reply).with_context(|| id.to_owned())?;
    if encoded != raw {
        let reply = send(api, asked, &encoded).await?;
        fits(api.fixture(), wanted, &reply).with_context(|| format!("{id} with encoded brackets"))?;
    }
    Ok(reply)
}

async fn send(api: &Api, asked: &Asked, target: &str) -> Result<Reply> {
    let mut request = Request::new(&asked.method, target);
    for (name, value) in &asked.headers {
        let value = match value.strip_prefix("Bearer tok-") {
            Some(role) => format!("Bearer {}", api.bearer(role)),
            None => value.clone(),
        };
        request = request.header(name, &value);
    }
    if let Some(body) = &asked.body {
        let kind = if body.contains("TENANT") { Numbers::Tenants } else { Numbers::Users };
        request = request.body(numbers(body, api.fixture(), kind));
    }
    api.ask(&request).await
}

fn fits(fixture: Fixture, wanted: &Answered, reply: &Reply) -> Result<()> {
    for (name, value) in &wanted.headers {
        let name = name.to_ascii_lowercase();
        same(reply.response.header(&name).as_deref(), Some(value.as_str()), &name)?;
    }
    if wanted.status != 200 {
        let key = text_at(&wanted.body, "/ext/eKey")?;
        return match wanted.status {
            401 => reply.unauthorized(&key),
            status => reply.refused(status, &key),
        };
    }
    let (got, wanted) = (reply.data()?, in_fixture(at(&wanted.body, "/data")?, fixture));
    if got != wanted {
        bail!("expected {}, got {}", shorten(&wanted.to_string()), shorten(&got.to_string()));
    }
    Ok(())
}

/// A value of the vectors with the numbers of a fixture.
pub fn in_fixture(value: &Value, fixture: Fixture) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
                let value = match (name.as_str(), number) {
                    ("id", Some(id)) => fixture.record(id).to_string().into(),
                    ("userId" | "sendBy", Some(user)) => fixture.user(user).to_string().into(),
                    ("receiveObjectIds", _) => users_in(value, fixture),
                    _ => in_fixture(value, fixture),
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => items.iter().map(|item| in_fixture(item, fixture)).collect(),
        other => other.clone(),
    }
}

fn users_in(value: &Value, fixture: Fixture) -> Value {
    let user = |id: &Value| id.as_str().and_then(|id| id.parse().ok()).map(|id| fixture.user(id).to_string());
    value.as_array().into_iter().flatten().map(user).collect()
}

#[derive(Clone, Copy)]
enum Numbers {
    Users,
    Tenants,
}

/// A text with those numbers replaced that stand for a user, or for a tenant. A number is a whole run of digits: those
/// of dates and addresses are none of the users'.
fn numbers(text: &str, fixture: Fixture, kind: Numbers) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let length = from.bytes().take_while(u8::is_ascii_digit).count();
        let (run, after) = from.split_at(length);
        out.push_str(before);
        match (kind, run.parse::<i64>()) {
            (Numbers::Users, Ok(user)) if USERS.contains(&user) => {
                out.push_str(&fixture.user(user).to_string());
            }
            (Numbers::Tenants, Ok(tenant)) if TENANTS.contains(&tenant) => {
                out.push_str(&fixture.tenant(tenant).to_string());
            }
            _ => out.push_str(run),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cases::message_center;

    fn fixture() -> Fixture {
        let own = message_center::with_own_fixture();
        Fixture::of(own.get(6).unwrap().name)
    }

    #[test]
    fn every_request_of_the_vectors_is_translated_and_nothing_else_in_it() {
        let text = "/online/101?a=2025-07-16%2010:00:00&v=%5B101,104%5D&x=10.0.1.5&pageNo=2";
        let moved = "/online/7101?a=2025-07-16%2010:00:00&v=%5B7101,7104%5D&x=10.0.1.5&pageNo=2";
        assert_eq!(numbers(text, fixture(), Numbers::Users), moved);
        let body = r#"{"receiveObjectType": "TENANT", "receiveObjectIds": [1]}"#;
        assert!(numbers(body, fixture(), Numbers::Tenants).ends_with("[7001]}"));
    }

    #[test]
    fn answers_are_translated_by_their_fields() {
        let value = json!({"total": "1", "list": [{"id": "9001", "userId": "101", "avatar": "/a/101.png"}],
            "receiveObjectIds": ["101"], "sendBy": "100"});
        let moved = json!({"total": "1", "list": [{"id": "79001", "userId": "7101", "avatar": "/a/101.png"}],
            "receiveObjectIds": ["7101"], "sendBy": "7100"});
        assert_eq!(in_fixture(&value, fixture()), moved);
        assert_eq!(in_fixture(&value, Fixture::SHARED), value);
    }

    #[test]
    fn the_shared_scene_is_the_vectors_own() {
        let golden = load().unwrap();
        for pair in &golden.pairs {
            let Some(asked) = &pair.request else { continue };
            assert_eq!(numbers(&asked.target, Fixture::SHARED, Numbers::Users), asked.target, "{}", pair.id);
        }
        assert_eq!(Fixture::SHARED.rows().unwrap(), golden.rows().unwrap());
    }

    #[test]
    fn every_vector_is_a_case_of_that_name() {
        let names: Vec<&str> = crate::cases::all().iter().map(|case| case.name).collect();
        for pair in load().unwrap().pairs {
            let start = format!("/{}_", pair.id.to_lowercase());
            assert!(names.iter().any(|name| name.contains(&start)), "{}", pair.id);
        }
    }
}
