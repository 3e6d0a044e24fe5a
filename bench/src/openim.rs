//! The calls of the load tool, in their published forms.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    clients::Endpoint,
    http::{Connection, post},
    server::SECRET,
};

/// The status query.
pub(crate) const STATUS: &str = "/user/get_users_online_status";
/// The order to take users offline.
const OFF: &str = "/api/v1/message/center/online/off";
/// Android: every login policy allows one connection there.
const PLATFORM: u8 = 2;
/// The first userID. All are numbers, so that the message center knows them too.
const FIRST: usize = 1_000_000;
/// Concurrent requests for tokens.
const TOKEN_REQUESTS: usize = 64;

/// The userID of a client by its number.
pub(crate) fn user(number: usize) -> String {
    (FIRST + number).to_string()
}

/// An administrator of a running origin.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    token: String,
}

impl Admin {
    /// Logs in with the secret.
    pub(crate) async fn of(address: SocketAddr) -> Result<Self> {
        let body = json!({"secret": SECRET, "userID": "imAdmin"}).to_string();
        let request = post("/auth/get_admin_token", &[("operationID", "bench")], &body);
        let answer = Connection::open(address).await?.ask(&request).await?;
        Ok(Self { address, token: token(&answer)? })
    }

    fn request(&self, path: &str, body: &Value) -> Vec<u8> {
        post(path, &[("operationID", "bench"), ("token", &self.token)], &body.to_string())
    }

    /// The endpoints of these clients, each with a token of its own.
    pub(crate) async fn endpoints(&self, clients: std::ops::Range<usize>) -> Result<Vec<Endpoint>> {
        let lanes = clients.len().clamp(1, TOKEN_REQUESTS);
        let asked = stream::iter(0..lanes).map(|lane| {
            let numbers: Vec<usize> = clients.clone().skip(lane).step_by(lanes).collect();
            async move {
                let mut connection = Connection::open(self.address).await?;
                let mut endpoints = Vec::with_capacity(numbers.len());
                for number in numbers {
                    let body = json!({"userID": user(number), "platformID": PLATFORM});
                    let answer = connection.ask(&self.request("/auth/get_user_token", &body)).await?;
                    endpoints.push((number, self.endpoint(number, &token(&answer)?)));
                }
                anyhow::Ok(endpoints)
            }
        });
        let mut endpoints: Vec<_> = asked.buffer_unordered(lanes).try_collect::<Vec<_>>().await?.concat();
        endpoints.sort_by_key(|(number, _)| *number);
        Ok(endpoints.into_iter().map(|(_, endpoint)| endpoint).collect())
    }

    fn endpoint(&self, number: usize, token: &str) -> Endpoint {
        let user = user(number);
        let target = format!(
            "/?sendID={user}&token={token}&platformID={PLATFORM}&operationID=bench&isBackground=false\
             &isMsgResp=true&sdkType=js"
        );
        Endpoint { address: self.address, target, greets: true }
    }

    /// The request for the status of some clients.
    pub(crate) fn status_request(&self, clients: impl Iterator<Item = usize>) -> Vec<u8> {
        let users: Vec<String> = clients.map(user).collect();
        self.request(STATUS, &json!({ "userIDs": users }))
    }

    /// The number of connections that the server reports for each of these clients.
    pub(crate) async fn connections(&self, clients: std::ops::Range<usize>) -> Result<Vec<usize>> {
        let mut connection = Connection::open(self.address).await?;
        let all: Vec<usize> = clients.collect();
        let mut counts = Vec::with_capacity(all.len());
        for some in all.chunks(1000) {
            let answer = connection.ask(&self.status_request(some.iter().copied())).await?;
            let users = answer.pointer("/data").and_then(Value::as_array).context("no data")?;
            counts.extend(users.iter().map(|user| {
                let online = user.pointer("/status").and_then(Value::as_i64) == Some(1);
                let list = user.pointer("/detailPlatformStatus").and_then(Value::as_array);
                if online { list.map_or(0, Vec::len) } else { 0 }
            }));
        }
        Ok(counts)
    }

    /// The message center's request to force one client off.
    pub(crate) fn off_user(&self, client: usize) -> Vec<u8> {
        self.off(&json!({"receiveObjectType": "USER", "receiveObjectIds": [user(client)]}))
    }

    /// The message center's request to force the whole tenant off.
    pub(crate) fn off_tenant(&self) -> Vec<u8> {
        self.off(&json!({"receiveObjectType": "TENANT", "receiveObjectIds": ["0"]}))
    }

    fn off(&self, body: &Value) -> Vec<u8> {
        let bearer = format!("Bearer {}", self.token);
        post(OFF, &[("authorization", &bearer)], &body.to_string())
    }

    /// OpenIM's request for a forced logout of one client.
    pub(crate) fn force_logout(&self, client: usize) -> Vec<u8> {
        self.request("/auth/force_logout", &json!({"userID": user(client), "platformID": PLATFORM}))
    }
}

/// Fails unless an answer of either family is a success.
pub(crate) fn success(answer: &Value) -> Result<()> {
    let openim = answer.pointer("/errCode").and_then(Value::as_i64) == Some(0);
    let console = answer.pointer("/code").and_then(Value::as_str) == Some("S");
    if !openim && !console {
        bail!("the server answered {answer}");
    }
    Ok(())
}

fn token(answer: &Value) -> Result<String> {
    success(answer)?;
    Ok(answer.pointer("/data/token").and_then(Value::as_str).context("an answer without a token")?.to_owned())
}
