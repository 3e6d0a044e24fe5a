//! What a process leaves that has died: rows of connections, open records, and users who wait for something.
//!
//! The engine has decided each of its commits when it is declared dead, so that nothing is added later.

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
/// How long a process that is gone is listed.
const LISTED_MS: i64 = 3_600_000;

/// Ends connections of a dead process, and their records at its last sign of life. Their watchers and those whom they follow will be
/// looked after.
fn end_some(node: &Node, now: Timestamp) -> Statement {
    Statement::new(
        "WITH gone AS (\
           DELETE FROM live WHERE connection IN (\
             SELECT connection FROM live WHERE node = ?1 ORDER BY connection LIMIT ?4) RETURNING user, record\
         ), ended AS (\
           UPDATE record SET generation = generation + 1, offline_at = max(online_at, ?2) \
           WHERE offline_at IS NULL AND id IN (SELECT record FROM gone) RETURNING id\
         ) INSERT INTO wake (user, at) SELECT DISTINCT gone.user, ?3 FROM gone \
         WHERE EXISTS (SELECT 1 FROM watcher WHERE watcher.user = gone.user) \
         OR EXISTS (SELECT 1 FROM subscription WHERE subscription.user = gone.user) ON CONFLICT (user) DO NOTHING",
        [node.id.into(), node.alive_at.millis().into(), now.millis().into(), ROWS.into()],
    )
}

fn is_any_left(node: &Node) -> Statement {
    Statement::new("SELECT 1 FROM live WHERE node = ?1 LIMIT 1", [node.id.into()])
}

/// Whoever waits for something may have waited for it at that process.
fn wake_who_waits(now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO wake (user, at) SELECT waiting.user, ?1 FROM (\
           SELECT user FROM ties WHERE due = 1 OR wave <> '' OR release_at IS NOT NULL \
           UNION SELECT user FROM held_end) AS waiting WHERE TRUE ON CONFLICT (user) DO NOTHING",
        [now.millis().into()],
    )
}

fn swept(node: &Node) -> Statement {
    Statement::new("UPDATE node SET swept = 1 WHERE id = ?1 AND state <> 0", [node.id.into()])
}

impl Cluster {
    /// Ends all that a process has left that serves no longer.
    ///
    /// # Errors
    /// When a commit fails. What is left then is ended by the next call.
    pub(super) async fn sweep(&self, node: &Node) -> Result<(), StoreError> {
        let mut ended = 0;
        loop {
            let answers =
                self.store.commit(vec![end_some(node, self.store.now()), is_any_left(node)]).await?;
            if rows_at(&answers, 1)?.is_empty() {
                break;
            }
            ended += ROWS;
        }
        self.store.commit(vec![wake_who_waits(self.store.now()), forget_lost(), swept(node)]).await?;
        tracing::info!(
            node = node.id,
            name = node.name,
            "what a process has left is ended ({ended} and more)"
        );
        Ok(())
    }

    /// Users who have to be looked after.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn to_wake(&self) -> Result<Vec<UserId>, StoreError> {
        let ask = Statement::new("SELECT user FROM wake ORDER BY at, user LIMIT ?1", [USERS.into()]);
        let answers = self.store.load(vec![ask]).await?;
        let user = |row: &Vec<Value>| match row.first() {
            Some(Value::Text(user)) => UserId::new(user.as_str()).ok(),
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
            "DELETE FROM node WHERE swept = 1 AND state <> 0 AND alive_at < ?1",
            [before.into()],
        );
        self.store.commit(vec![forget, forget_lost()]).await.map(drop)
    }
}

/// The user has been looked after.
pub(crate) fn is_awake(user: &UserId) -> Statement {
    Statement::new("DELETE FROM wake WHERE user = ?1", [user.as_str().into()])
}
