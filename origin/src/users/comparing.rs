//! Sockets of this process beside their rows. They differ where an engine that failed over has lost a commit, or has kept one that nobody
//! heard of.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt as _, stream};
use rollcall_core::{
    id::{ConnId, UserId},
    user::request::{Close as EndConnection, Tick},
};

use super::{error::CommandError, registry::Users};

/// Users who are brought together with their rows at a time.
const AT_A_TIME: usize = 8;

/// What has to be done about a connection.
enum Difference {
    /// It has a socket, and no row.
    Socket(UserId),
    /// It has a row, and no socket.
    Row(UserId, ConnId),
}

impl Users {
    /// Closes sockets that have no row, and ends rows that have no socket.
    ///
    /// # Errors
    /// The first error. What is left differs at the next call too.
    pub(crate) async fn compare_with_rows(&self) -> Result<(), CommandError> {
        let Some(cluster) = &self.shared.cluster else { return Ok(()) };
        // First, so that what opens meanwhile is no difference.
        let sockets = self.open_connections();
        let rows = cluster.own_rows().await?;
        let with_row: HashSet<ConnId> = rows.iter().map(|(_, connection)| *connection).collect();
        let without_socket = rows.into_iter().filter(|(_, connection)| !sockets.contains_key(connection));
        let mut all: Vec<Difference> =
            without_socket.map(|(user, connection)| Difference::Row(user, connection)).collect();
        let without_row: HashSet<&UserId> =
            sockets.iter().filter(|(id, _)| !with_row.contains(id)).map(|(_, user)| user).collect();
        all.extend(without_row.into_iter().cloned().map(Difference::Socket));
        let settled = stream::iter(all).map(|one| async move { self.settle_difference(one).await });
        settled.buffer_unordered(AT_A_TIME).fold(Ok(()), async |all, one| all.and(one)).await
    }

    async fn settle_difference(&self, difference: Difference) -> Result<(), CommandError> {
        match difference {
            Difference::Socket(user) => {
                // Each command closes the sockets whose rows are gone.
                let work = self.run(&user, Tick).await?;
                self.do_pending_work(&user, work).await;
            }
            Difference::Row(user, connection) => {
                let entry = self.entry(&user);
                // One that is being opened has its row before its socket is known.
                let lock = entry.lock().await;
                let is_open = entry.live.lock().socket(connection).is_some();
                drop(lock);
                if !is_open {
                    self.run(&user, EndConnection { connection }).await?;
                }
            }
        }
        Ok(())
    }

    fn open_connections(&self) -> HashMap<ConnId, UserId> {
        let mut all = HashMap::new();
        self.shared.table.each(|entry| {
            let live = entry.live.lock();
            all.extend(live.sockets.keys().map(|id| (*id, live.user.id().clone())));
        });
        all
    }
}
