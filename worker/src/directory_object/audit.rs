//! The audit: every live record is compared with its user's object within `presence.audit_seconds`. That bounds how long a record
//! that a crash left open is shown.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rollcall_api::Chain;
use rollcall_core::{
    directory::{query, record::Record},
    id::RecordId,
    shard::progress::{self, AUDIT_BATCH},
};

use super::{Shard, ShardError};
use crate::{
    directory::{self, reconcile},
    stub::{AT_ONCE, CallError},
};

impl Shard {
    /// Visits the next records after `after`. Returns where to go on, and how long to wait until then.
    pub(super) async fn audit(
        &self,
        after: Option<RecordId>,
    ) -> Result<(Option<RecordId>, Duration), ShardError> {
        let tenant = self.tenant()?;
        let rows = self.sql().read(&query::open_records(tenant, after, AUDIT_BATCH))?.unwrap_or_default();
        let records = query::read_records(&rows)?;
        let is_last = records.len() < usize::try_from(AUDIT_BATCH).unwrap_or(usize::MAX);
        let last = records.last().map(|record| record.id).filter(|_| !is_last);
        let users = directory::groups(records.iter().map(|record| (record.user, record.id)));
        let asked = users.into_iter().map(|(user, ids)| self.ask(user, ids));
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        for (user, ids, answered) in answers {
            match answered {
                Ok(known) => {
                    let gone: Vec<RecordId> =
                        ids.into_iter().filter(|id| known.iter().all(|record| record.id != *id)).collect();
                    self.hold_against(&known, &gone)?;
                }
                // *Could not ask* is not *offline*: its rows stay until the next round.
                Err(error) => tracing::warn!(user, error = %Chain(&error), "a user could not be audited"),
            }
        }
        let pause = progress::audit_pause(self.count_live(tenant)?, self.audit_every()?);
        Ok((last, pause))
    }

    async fn ask(
        &self,
        user: i64,
        ids: Vec<RecordId>,
    ) -> (i64, Vec<RecordId>, Result<Vec<Record>, CallError>) {
        let known = reconcile::known(&self.env, user, ids.clone()).await;
        (user, ids, known)
    }
}
