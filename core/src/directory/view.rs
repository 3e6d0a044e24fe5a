//! Liveness: whether a record counts as ended, and since when (`docs/rules/message-center.md#liveness`).
//!
//! "Online" is never stored. It follows from the record's own end, the end of its lease and its tenant's cutoff at one
//! moment. This file holds the rule twice, over a [`Record`] and as SQL, and tests compare the two.

use serde::{Deserialize, Serialize};

use super::{record::Record, sql::Binder};
use crate::time::Timestamp;

/// The revocation cutoff of a tenant, set by an order to the whole tenant
/// (`docs/rules/message-center.md#cutoffs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cutoff {
    /// Connections and tokens that began at or before this instant are ended.
    pub at: Timestamp,
    /// User numbers that the order does not cover.
    pub exempt: Vec<i64>,
    /// Whether the tenant was unlocked since: opaque tokens are good again, what was ended stays so.
    #[serde(default)]
    pub lifted: bool,
}

impl Cutoff {
    /// Whether the cutoff ends this record, unless the record ended before.
    pub fn covers(&self, record: &Record) -> bool {
        record.online_at <= self.at && !self.exempt.contains(&record.user)
    }
}

/// The moment and the cutoff under which records are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The instant at which leases are checked.
    pub now: Timestamp,
    /// The tenant's cutoff; usually there is none.
    pub cutoff: Option<Cutoff>,
}

impl View {
    /// The view of a tenant without a cutoff.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, cutoff: None }
    }

    /// The end of the record in this view; `None` while it is online.
    ///
    /// A stored end wins; else the earlier of an expired lease and a cutoff that covers the record.
    pub fn ended_at(&self, record: &Record) -> Option<Timestamp> {
        let lapsed = record.lease_until.filter(|until| *until <= self.now);
        let ordered = self.cutoff.as_ref().filter(|cutoff| cutoff.covers(record)).map(|cutoff| cutoff.at);
        record.offline_at.or_else(|| lapsed.into_iter().chain(ordered).min())
    }

    /// Whether the record is online in this view.
    pub fn is_online(&self, record: &Record) -> bool {
        self.ended_at(record).is_none()
    }

    /// SQL for [`View::ended_at`] over rows whose `offline_at` is NULL.
    ///
    /// It reads `lease_until` and, under a cutoff, `online_at` and `user`: the columns of `record_open`.
    pub(super) fn open_end(&self, binder: &mut Binder) -> String {
        let now = binder.wide(self.now.millis());
        let lapsed = format!("lease_until <= {now}");
        let Some(cutoff) = &self.cutoff else {
            return format!("CASE WHEN {lapsed} THEN lease_until END");
        };
        let at = binder.wide(cutoff.at.millis());
        let mut covered = format!("online_at <= {at}");
        if !cutoff.exempt.is_empty() {
            let exempt = binder.numbers(cutoff.exempt.iter().copied());
            covered = format!("{covered} AND user NOT IN {exempt}");
        }
        format!(
            "CASE WHEN {covered} THEN CASE WHEN {lapsed} THEN min(lease_until, {at}) ELSE {at} END \
             WHEN {lapsed} THEN lease_until END"
        )
    }

    /// SQL for [`View::ended_at`] over any row.
    pub(super) fn end(&self, binder: &mut Binder) -> String {
        format!("coalesce(offline_at, {})", self.open_end(binder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::support::sample;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_cutoff_ends_what_was_opened_before_it_and_nothing_else() {
        let record = Record { online_at: at(100), ..sample(1) };
        let view = |cutoff, exempt: &[i64]| View {
            now: at(1_000),
            cutoff: Some(Cutoff { at: at(cutoff), exempt: exempt.to_vec(), lifted: false }),
        };
        assert_eq!(view(99, &[]).ended_at(&record), None);
        assert_eq!(view(100, &[]).ended_at(&record), Some(at(100)));
        assert_eq!(view(500, &[record.user]).ended_at(&record), None);
        assert_eq!(View::at(at(1_000)).ended_at(&record), None);
    }

    #[test]
    fn a_lapsed_lease_and_a_cutoff_end_a_record_at_the_earlier_of_the_two() {
        let record = Record { online_at: at(100), lease_until: Some(at(400)), ..sample(1) };
        let cut_off = |cutoff| View {
            now: at(1_000),
            cutoff: Some(Cutoff { at: at(cutoff), exempt: vec![], lifted: false }),
        };
        assert_eq!(cut_off(300).ended_at(&record), Some(at(300)));
        assert_eq!(cut_off(500).ended_at(&record), Some(at(400)));
        assert_eq!(View::at(at(399)).ended_at(&record), None);
        assert_eq!(View::at(at(400)).ended_at(&record), Some(at(400)));
    }

    #[test]
    fn an_end_that_was_written_down_is_kept() {
        let record = Record { offline_at: Some(at(700)), lease_until: Some(at(400)), ..sample(1) };
        let view =
            View { now: at(1_000), cutoff: Some(Cutoff { at: at(500), exempt: vec![], lifted: false }) };
        assert_eq!(view.ended_at(&record), Some(at(700)));
    }
}
