//! The publication of the user's records to the directory.

use std::{rc::Rc, time::Duration};

use super::{Object, run::RunError, sockets};
use crate::{clock, directory, stub::CallError};
use rollcall_api::Chain;
use rollcall_core::{directory::record::Record, id::RecordId, store::Statement, user::outbox};

/// How long a force-off waits for the directory.
const AWAITED: Duration = Duration::from_secs(2);
/// How long an open or a natural end is tried before the alarm takes over.
const TRIED: Duration = Duration::from_secs(10);
/// Rounds of one publication. A second one follows when ids clashed or records changed meanwhile.
const ROUNDS: usize = 8;

impl Object {
    /// Publishes all there is and waits for it, but not for long. On failure the alarm goes on with it.
    pub(super) async fn publish_in_time(self: &Rc<Self>) -> Result<(), RunError> {
        self.publish_within(AWAITED).await
    }

    /// Publishes all there is, after this event's answer. On failure the alarm goes on with it.
    pub(super) fn publish_soon(self: &Rc<Self>) {
        let object = self.clone();
        self.state.wait_until(async move {
            // It is in the log already, and the alarm is set.
            let _ = object.publish_within(TRIED).await;
        });
    }

    pub(super) async fn publish_within(self: &Rc<Self>, span: Duration) -> Result<(), RunError> {
        let published = clock::within(span, self.publish()).await;
        let published = published.unwrap_or(Err(CallError::Timeout(span).into()));
        if let Err(error) = &published {
            tracing::warn!(error = %Chain(error), "records could not be published; it is tried again");
            self.arm(None, self.retry());
        }
        published
    }

    async fn publish(&self) -> Result<(), RunError> {
        for _ in 0..ROUNDS {
            let records = self.unpublished()?;
            if records.is_empty() {
                return Ok(());
            }
            #[cfg(feature = "probe")]
            crate::probe::directory_reachable().await?;
            let configuration = self.configuration()?;
            let shards = configuration.settings.presence.directory_shards;
            let clashes = directory::publish(&self.env, &records, shards).await?;
            self.acknowledge(&records, &clashes)?;
        }
        Err(RunError::AlwaysMore)
    }

    /// The records that the directory has not acknowledged as they are.
    pub(super) fn unpublished(&self) -> Result<Vec<Record>, RunError> {
        self.read_records(&outbox::unpublished())
    }

    fn acknowledge(&self, records: &[Record], clashes: &[RecordId]) -> Result<(), RunError> {
        let mut statements: Vec<Statement> =
            records.iter().filter(|record| !clashes.contains(&record.id)).map(outbox::acknowledged).collect();
        let mut renamed = Vec::new();
        for record in records.iter().filter(|record| clashes.contains(&record.id)) {
            let new = RecordId::draw(record.online_at, clock::moment()?.entropy);
            statements.extend(outbox::renamed(record.id, new));
            renamed.push((record.id, new));
        }
        self.sql().write(&statements)?;
        if !renamed.is_empty() {
            for held in self.held(None) {
                let record = held.record();
                if let Some((_, new)) = renamed.iter().find(|(old, _)| Some(*old) == record) {
                    sockets::set_record(&held, *new);
                }
            }
        }
        Ok(())
    }
}
