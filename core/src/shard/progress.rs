//! Progress of a shard's maintenance: the audit of live records, the sweep of old ones, and the walk over users that have too many.

use std::time::Duration;

use crate::{
    id::{RecordId, TenantId},
    store::{Statement, Value},
    time::Timestamp,
};

/// The records of one audit step. Each may be a call to another object.
pub const AUDIT_BATCH: u32 = 250;
/// The interval at which leases are settled and old records deleted.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// The next steps of audit and sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The audit's cursor: the last record that it visited; `None` at the beginning of a round.
    pub audited: Option<RecordId>,
    /// When the next audit step is due.
    pub audit_at: Timestamp,
    /// When the next sweep is due.
    pub sweep_at: Timestamp,
    /// The tenant and the user at which the walk over users with too many records goes on; `None` while none is under way.
    pub crowded: Option<(i64, i64)>,
}

impl Progress {
    /// Audit and sweep begin one interval from now: a record that was just written needs no check.
    pub fn begin(now: Timestamp, audit_every: Duration) -> Self {
        Self { audited: None, audit_at: now + audit_every / 2, sweep_at: now + SWEEP_EVERY, crowded: None }
    }

    /// The earlier of both.
    pub fn next(&self) -> Timestamp {
        self.audit_at.min(self.sweep_at)
    }
}

/// Whether no other sweep follows on this day. Only such a one looks for users with too many records: that reads every record, and
/// openings trim their own users.
pub fn is_last_sweep_of_day(now: Timestamp) -> bool {
    let day = |at: Timestamp| at.millis().div_euclid(86_400_000);
    day(now) != day(now + SWEEP_EVERY)
}

/// The pause before the audit's next step. A round over `live` records takes half of `audit_every`, so that a record
/// opened behind the cursor is still visited in time.
pub fn audit_pause(live: u64, audit_every: Duration) -> Duration {
    let steps = u32::try_from(live / u64::from(AUDIT_BATCH)).unwrap_or(u32::MAX).saturating_add(1);
    (audit_every / 2 / steps).max(Duration::from_secs(1))
}

/// Counts the live records of a tenant without an end.
pub fn count_live(tenant: TenantId) -> Statement {
    Statement::new(
        "SELECT count(*) FROM record INDEXED BY record_open WHERE tenant = CAST(?1 AS INTEGER) \
         AND offline_at IS NULL AND source = 0",
        [Value::wide(tenant.0)],
    )
}

/// Selects one row if the shard has any record, or any entry of the audit.
pub fn any_row() -> Statement {
    Statement::new("SELECT 1 FROM record UNION ALL SELECT 1 FROM audit LIMIT 1", [])
}

/// Stores the progress.
pub fn keep(progress: &Progress) -> Statement {
    let crowded =
        |part: fn((i64, i64)) -> i64| progress.crowded.map_or(Value::Null, |at| Value::wide(part(at)));
    Statement::new(
        "INSERT OR REPLACE INTO progress (id, audited, audit_at, sweep_at, crowded_tenant, crowded_user) \
         VALUES (1, CAST(?1 AS INTEGER), ?2, ?3, CAST(?4 AS INTEGER), CAST(?5 AS INTEGER))",
        [
            Value::wide(progress.audited.map_or(0, RecordId::number)),
            progress.audit_at.millis().into(),
            progress.sweep_at.millis().into(),
            crowded(|(tenant, _)| tenant),
            crowded(|(_, user)| user),
        ],
    )
}

/// Selects the progress; no row before the first write.
pub fn get() -> Statement {
    let sql = "SELECT CAST(audited AS TEXT), audit_at, sweep_at, CAST(crowded_tenant AS TEXT), \
               CAST(crowded_user AS TEXT) FROM progress";
    Statement::new(sql, [])
}

/// The progress in the rows of [`get`].
pub fn read(rows: &[Vec<Value>]) -> Option<Progress> {
    let [Value::Text(audited), Value::Int(audit_at), Value::Int(sweep_at), tenant, user] =
        rows.first()?.as_slice()
    else {
        return None;
    };
    let crowded = match (tenant, user) {
        (Value::Text(tenant), Value::Text(user)) => Some((tenant.parse().ok()?, user.parse().ok()?)),
        _ => None,
    };
    Some(Progress {
        audited: audited.parse().ok().and_then(RecordId::from_number),
        audit_at: Timestamp::from_millis(*audit_at),
        sweep_at: Timestamp::from_millis(*sweep_at),
        crowded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_sweep_of_a_day_is_its_last() {
        for offset in [0, 1, 1_799, 3_599] {
            let sweeps = (0..72).map(|hour| Timestamp::from_secs(offset + hour * 3600));
            assert_eq!(sweeps.filter(|now| is_last_sweep_of_day(*now)).count(), 3, "{offset}");
        }
    }

    #[test]
    fn a_round_of_the_audit_fits_its_span_whatever_the_number_of_records() {
        for live in [0_u64, 1, 249, 250, 10_000, 62_500] {
            let steps = u32::try_from(live / u64::from(AUDIT_BATCH)).unwrap() + 1;
            assert!(audit_pause(live, HOUR) * steps <= HOUR, "{live}");
        }
        assert_eq!(audit_pause(u64::MAX, HOUR), Duration::from_secs(1));
    }
}
