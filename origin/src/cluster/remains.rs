//! What a process leaves that has died: rows of connections, open records, and users who wait for something.
//!
//! The engine has decided each of its commits when it is declared dead, so that nothing is added later.

use std::time::Duration;

use rollcall_core::{
    id::UserId,
    store::{Statement, Value},
    time::Timestamp,
};

use super::{Cluster, parcel::forget_lost};
use crate::store::{Node, StoreError, rows_at};

/// Connections that one commit ends. It is short, since others may wait for it.
const ROWS: i64 = 2_000;
/// Users who are taken up between two looks.
const USERS: i64 = 500;
/// How long nobody else takes up who was taken.
const TAKEN: Duration = Duration::from_secs(30);
/// How long a process that is gone is listed.
const LISTED_MS: i64 = 3_600_000;

/// A wake that is written again is another one, so that who looks after the first one does not take it for done.
const AGAIN: &str = "ON CONFLICT (user) DO UPDATE SET at = CASE WHEN wake.at = excluded.at THEN excluded.at + 1 ELSE excluded.at END";

/// Nobody else sweeps the process until the transaction ends; no row where somebody does, or has.
fn have_alone(node: &Node) -> Statement {
    Statement::new(
        "SELECT id FROM node WHERE id = ?1 AND swept = 0 AND state <> 0 FOR UPDATE SKIP LOCKED",
        [node.id.into()],
    )
}

/// Ends connections of a dead process, and their records at its last sign of life, where nobody else does. Their watchers and those whom
/// they follow will be looked after.
fn end_some(node: &Node, now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "WITH mine AS (\
               SELECT id FROM node WHERE id = ?1 AND swept = 0 AND state <> 0 FOR UPDATE SKIP LOCKED\
             ), gone AS (\
               DELETE FROM live WHERE node IN (SELECT id FROM mine) AND connection IN (\
                 SELECT connection FROM live WHERE node = ?1 ORDER BY connection LIMIT ?4) RETURNING user, record\
             ), ended AS (\
               UPDATE record SET generation = generation + 1, offline_at = max(online_at, ?2) \
               WHERE offline_at IS NULL AND id IN (SELECT record FROM gone) RETURNING id\
             ) INSERT INTO wake (user, at) SELECT DISTINCT gone.user, ?3 FROM gone \
             WHERE EXISTS (SELECT 1 FROM watcher WHERE watcher.user = gone.user) \
             OR EXISTS (SELECT 1 FROM subscription WHERE subscription.user = gone.user) ORDER BY gone.user {AGAIN}"
        ),
        [node.id.into(), node.alive_at.millis().into(), now.millis().into(), ROWS.into()],
    )
}

fn is_any_left(node: &Node) -> Statement {
    Statement::new("SELECT 1 FROM live WHERE node = ?1 LIMIT 1", [node.id.into()])
}

/// Whoever waits for something may have waited for it at that process.
fn wake_who_waits(now: Timestamp) -> Statement {
    Statement::new(
        format!(
            "INSERT INTO wake (user, at) SELECT waiting.user, ?1 FROM (\
               SELECT user FROM ties WHERE due = 1 OR wave <> '' OR release_at IS NOT NULL \
               UNION SELECT user FROM held_end) AS waiting WHERE TRUE ORDER BY waiting.user {AGAIN}"
        ),
        [now.millis().into()],
    )
}

fn swept(node: &Node) -> Statement {
    Statement::new("UPDATE node SET swept = 1 WHERE id = ?1 AND state <> 0", [node.id.into()])
}

impl Cluster {
    /// Ends all that a process has left that serves no longer, unless somebody else does.
    ///
    /// # Errors
    /// When a commit fails. What is left then is ended by the next call.
    pub(crate) async fn sweep(&self, node: &Node) -> Result<(), StoreError> {
        let mut ended = 0;
        loop {
            let some = vec![have_alone(node), end_some(node, self.store.now()), is_any_left(node)];
            let answers = self.store.commit_as_end(some).await?;
            if rows_at(&answers, 0)?.is_empty() {
                return Ok(());
            }
            if rows_at(&answers, 2)?.is_empty() {
                break;
            }
            ended += ROWS;
        }
        let last = vec![wake_who_waits(self.store.now()), forget_lost(), swept(node)];
        self.store.commit_as_end(last).await?;
        tracing::info!(
            node = node.id,
            name = node.name,
            "what a process has left is ended ({ended} and more)"
        );
        Ok(())
    }

    /// Takes users who have to be looked after, with the moments until which nobody else does.
    ///
    /// # Errors
    /// When they cannot be taken.
    pub(crate) async fn to_wake(&self) -> Result<Vec<(UserId, Timestamp)>, StoreError> {
        let now = self.store.now();
        let due = Statement::new("SELECT 1 FROM wake WHERE at <= ?1 LIMIT 1", [now.millis().into()]);
        if rows_at(&self.store.load(vec![due]).await?, 0)?.is_empty() {
            return Ok(Vec::new());
        }
        let until = now + TAKEN;
        let take = Statement::new(
            "UPDATE wake SET at = ?2 WHERE user IN (\
               SELECT user FROM wake WHERE at <= ?1 ORDER BY at, user LIMIT ?3 FOR UPDATE SKIP LOCKED) RETURNING user",
            [now.millis().into(), until.millis().into(), USERS.into()],
        );
        let answers = self.store.commit_as_end(vec![take]).await?;
        let user = |row: &Vec<Value>| match row.first() {
            Some(Value::Text(user)) => Some((UserId::new(user.as_str()).ok()?, until)),
            _ => None,
        };
        Ok(rows_at(&answers, 0)?.iter().filter_map(user).collect())
    }

    /// Forgets processes that have been gone for long.
    ///
    /// # Errors
    /// When the commit fails.
    pub(super) async fn forget_gone(&self) -> Result<(), StoreError> {
        let before = self.store.now().millis().saturating_sub(LISTED_MS);
        let forget = Statement::new(
            "DELETE FROM node WHERE swept = 1 AND state <> 0 AND alive_at < ?1 \
             AND NOT EXISTS (SELECT 1 FROM live WHERE live.node = node.id)",
            [before.into()],
        );
        self.store.commit_as_end(vec![forget, forget_lost()]).await.map(drop)
    }
}

/// The user has been looked after whom [`Cluster::to_wake`] gave with that moment. One that was woken once more since is not.
pub(crate) fn is_awake(user: &UserId, until: Timestamp) -> Statement {
    Statement::new(
        "DELETE FROM wake WHERE user = ?1 AND at = ?2",
        [user.as_str().into(), until.millis().into()],
    )
}
