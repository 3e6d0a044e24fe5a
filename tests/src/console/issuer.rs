//! A small RFC 7662 server: what it knows of tokens, how it misbehaves, and what it was asked. It also resolves
//! departments and groups.

use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

use crate::{
    http::{self, Request},
    settings::{Introspection, Settings},
};

/// The address of the issuer in a profile; port 0 stands for the one that is found at the start.
pub const ANYWHERE: &str = "http://127.0.0.1:0/oauth2/introspect";

/// The same of the resolver of departments and groups.
pub const RESOLVER_ANYWHERE: &str = "http://127.0.0.1:0/members";

/// The issuer's behavior towards a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behavior {
    /// It answers as it should.
    Healthy,
    /// It ends the connection without an answer.
    Disconnecting,
    /// It has an error of its own.
    Failing,
    /// It refuses the asking server's credentials.
    Unauthorized,
    /// It answers what is no JSON.
    Malformed,
    /// It answers as it should, after this many milliseconds.
    Slow(u64),
}

/// The issuer. It ends when this is dropped.
pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    known: HashMap<String, Value>,
    members: HashMap<String, Value>,
    behaviors: HashMap<String, Behavior>,
    asked: Vec<Request>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Issuer {
    /// Starts an issuer when the settings leave its place open, and puts its address there.
    pub async fn wanted(settings: &mut Settings) -> Result<Option<Self>> {
        let tokens = settings.introspection.as_mut().map(|introspection| &mut introspection.url);
        let places = [tokens, settings.message_center.resolver.as_mut()].into_iter().flatten();
        let open: Vec<&mut String> =
            places.filter(|url| [ANYWHERE, RESOLVER_ANYWHERE].contains(&url.as_str())).collect();
        if open.is_empty() {
            return Ok(None);
        }
        let issuer = Self::start().await?;
        for url in open {
            *url = url.replace("127.0.0.1:0", &issuer.address.to_string());
        }
        Ok(Some(issuer))
    }

    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("the issuer's port")?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &state).await.ok() });
            }
        });
        Ok(Self { address, state, accepting })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a token has these claims; it is active unless they say otherwise.
    pub fn activates(&self, token: &str, claims: Value) {
        self.state().known.insert(token.to_owned(), claims);
    }

    /// From now on a token is inactive.
    pub fn deactivates(&self, token: &str) {
        self.state().known.remove(token);
    }

    /// From now on this is the answer about a department or a group, such as `DEPT 11`.
    pub fn sets_members(&self, circle: &str, answer: Value) {
        self.state().members.insert(circle.to_owned(), answer);
    }

    /// From now on questions about a token, or about a department or group, are met like this. Cases do not disturb each other: a behavior is about one.
    pub fn behaves(&self, token: &str, behavior: Behavior) {
        self.state().behaviors.insert(token.to_owned(), behavior);
    }

    /// Everything that was asked about a token, or about a department or group, in order.
    pub fn asked(&self, token: &str) -> Vec<Request> {
        self.state()
            .asked
            .iter()
            .filter(|request| subject(request).as_deref() == Some(token))
            .cloned()
            .collect()
    }
}

/// The header that authenticates a server.
pub fn basic(introspection: &Introspection) -> String {
    let id = introspection.client_id.as_deref().unwrap_or_default();
    let secret = introspection.client_secret.as_deref().unwrap_or_default();
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The claims of a user's token, as the message center's issuer has them.
pub fn user_claims(user: i64, tenant: i64, extra: &Value) -> Value {
    let mut claims = json!({
        "active": true,
        "client_id": "xcan_tp",
        "grant_type": "password",
        "token_type": "Bearer",
        "scope": "sign",
        "permissions": [],
        "principal": {
            "id": user.to_string(),
            "username": format!("user{user}"),
            "full_name": format!("Introspected {user}"),
            "sys_admin": false,
            "tenant_id": tenant.to_string(),
            "user_token": false,
        },
    });
    merge(&mut claims, extra);
    claims
}

fn merge(into: &mut Value, extra: &Value) {
    match (into, extra) {
        (Value::Object(into), Value::Object(extra)) => {
            for (name, value) in extra {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, extra) => *into = extra.clone(),
    }
}

async fn serve(mut stream: TcpStream, state: &Mutex<State>) -> Result<()> {
    let mut unread = Vec::new();
    while let Some(request) = http::read_request(&mut stream, &mut unread).await? {
        let subject = subject(&request).unwrap_or_default();
        let (behavior, known) = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.asked.push(request);
            let known = state.known.get(&subject).or(state.members.get(&subject)).cloned();
            (state.behaviors.get(&subject).copied().unwrap_or(Behavior::Healthy), known)
        };
        let answer = known.unwrap_or_else(|| json!({"active": false, "userIds": []})).to_string();
        let (status, body) = match behavior {
            Behavior::Healthy => ("200 OK", answer),
            Behavior::Disconnecting => return Ok(()),
            Behavior::Failing => ("500 Internal Server Error", "{}".to_owned()),
            Behavior::Unauthorized => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
            Behavior::Malformed => ("200 OK", "<html>hello</html>".to_owned()),
            Behavior::Slow(millis) => {
                sleep(Duration::from_millis(millis)).await;
                ("200 OK", answer)
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
    }
    Ok(())
}

/// The subject of a question: a token, or the first of the departments or groups.
fn subject(request: &Request) -> Option<String> {
    let body = std::str::from_utf8(&request.body).ok()?;
    match serde_json::from_str::<Value>(body) {
        Ok(question) => {
            let circle = question.pointer("/ids/0")?;
            let circle = circle.as_str().map_or_else(|| circle.to_string(), str::to_owned);
            Some(format!("{} {circle}", question.pointer("/type")?.as_str()?))
        }
        Err(_) => body.split('&').find_map(|pair| pair.strip_prefix("token=")).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;

    fn question(token: &str) -> Request {
        Request::new("POST", "/oauth2/introspect").body(format!("token={token}"))
    }

    #[tokio::test]
    async fn it_answers_what_it_knows_and_remembers_what_it_was_asked() {
        let issuer = Issuer::start().await.unwrap();
        issuer.activates("a", user_claims(7, 1, &json!({"principal": {"sys_admin": true}})));
        let mut connection = Connection::open(issuer.address).await.unwrap();
        let answer = connection.send(&question("a")).await.unwrap();
        let claims: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(claims["principal"]["sys_admin"], true);
        assert_eq!(claims["principal"]["id"], "7");
        let answer = connection.send(&question("b")).await.unwrap();
        assert_eq!(answer.body, br#"{"active":false,"userIds":[]}"#);
        issuer.sets_members("DEPT 11", json!({"userIds": [1]}));
        let about_members = Request::post("/members").body(r#"{"type":"DEPT","tenantId":"1","ids":["11"]}"#);
        assert_eq!(connection.send(&about_members).await.unwrap().body, br#"{"userIds":[1]}"#);
        assert_eq!(issuer.asked("DEPT 11").len(), 1);
        assert_eq!((issuer.asked("a").len(), issuer.asked("b").len()), (1, 1));
        issuer.behaves("a", Behavior::Disconnecting);
        assert!(connection.send(&question("a")).await.is_err());
        issuer.deactivates("a");
        issuer.behaves("a", Behavior::Failing);
        let mut connection = Connection::open(issuer.address).await.unwrap();
        assert_eq!(connection.send(&question("a")).await.unwrap().status, 500);
    }

    #[tokio::test]
    async fn it_is_started_only_where_the_settings_leave_its_place_open() {
        let mut settings = Settings::default();
        assert!(Issuer::wanted(&mut settings).await.unwrap().is_none());
        let introspection = Introspection {
            url: ANYWHERE.to_owned(),
            client_id: Some("a".to_owned()),
            client_secret: Some("b".to_owned()),
            cache_seconds: 30,
        };
        settings.introspection = Some(introspection.clone());
        assert!(Issuer::wanted(&mut settings).await.unwrap().is_some());
        assert_ne!(settings.introspection.as_ref().unwrap().url, ANYWHERE);
        assert!(Issuer::wanted(&mut settings).await.unwrap().is_none());
        settings.message_center.resolver = Some(RESOLVER_ANYWHERE.to_owned());
        assert!(Issuer::wanted(&mut settings).await.unwrap().is_some());
        assert_eq!(basic(&introspection), "Basic YTpi");
    }
}
