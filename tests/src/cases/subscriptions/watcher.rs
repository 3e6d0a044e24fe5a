//! A client that follows others.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    check::{at, same, text_at},
    proto::{self, Tip},
    world::World,
    ws::Socket,
};

/// One connection, and whose it is.
pub(super) struct Watcher {
    pub(super) user: String,
    pub(super) socket: Socket,
}

impl Watcher {
    /// A user of this case, on Web.
    pub(super) async fn login(world: &World, role: &str) -> Result<Self> {
        let user = world.user(role);
        let (_, socket) = world.login(&user, 5).await?;
        Ok(Self { user, socket })
    }

    /// Asks, and returns what the answer shows.
    pub(super) async fn ask(
        &mut self,
        subscribe: &[&str],
        unsubscribe: &[&str],
    ) -> Result<Vec<(String, Vec<u64>)>> {
        let payload = proto::subscription(subscribe, unsubscribe);
        let answer = self.socket.ask(2005, &self.user, Some(&payload)).await?;
        same(at(&answer, "/errCode")?, &json!(0), "errCode of the answer")?;
        tips(&answer)
    }

    /// Follows one user; the answer shows these platforms.
    pub(super) async fn follow(&mut self, user: &str, platforms: &[u64]) -> Result<()> {
        same(self.ask(&[user], &[]).await?, vec![(user.to_owned(), platforms.to_vec())], "the answer")
    }

    /// Takes back one user.
    pub(super) async fn leave(&mut self, user: &str) -> Result<()> {
        same(self.ask(&[], &[user]).await?, Vec::new(), "the answer")
    }

    /// The next frame, which must be the push that says this.
    pub(super) async fn pushed(&mut self, user: &str, platforms: &[u64]) -> Result<()> {
        let push: Value = serde_json::from_str(&self.socket.binary().await.context(self.user.clone())?)?;
        let shown = tips(&push)?;
        let bare = json!({
            "reqIdentifier": 2005, "msgIncr": "", "operationID": "", "errCode": 0, "errMsg": "",
            "data": at(&push, "/data")?,
        });
        same(push, bare, "the fields of a push")?;
        same(shown, vec![(user.to_owned(), platforms.to_vec())], "what is pushed")
    }

    /// Whatever is pushed, up to and with this, counted here and in `pushes`. Sets may be left out, and none comes twice
    /// in a row.
    pub(super) async fn pushed_at_last(
        &mut self,
        user: &str,
        platforms: &[u64],
        pushes: &AtomicUsize,
    ) -> Result<usize> {
        let mut before: Option<Vec<u64>> = None;
        for many in 1.. {
            let push: Value = serde_json::from_str(&self.socket.binary().await?)?;
            pushes.fetch_add(1, Ordering::Relaxed);
            let [(of, shown)] = tips(&push)?.try_into().map_err(|_| anyhow::anyhow!("not one element"))?;
            same(of.as_str(), user, "userID")?;
            same(Some(&shown) == before.as_ref(), false, "the same set twice")?;
            if shown == platforms {
                return Ok(many);
            }
            before = Some(shown);
        }
        Ok(0)
    }
}

/// The elements of an answer or a push.
pub(super) fn tips(message: &Value) -> Result<Vec<(String, Vec<u64>)>> {
    let data = STANDARD.decode(text_at(message, "/data")?)?;
    Ok(proto::tips(&data)?.into_iter().map(|Tip { user, platforms }| (user, platforms)).collect())
}
