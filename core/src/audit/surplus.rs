//! Rows that are too many (`audit.max_rows`). Each tenant keeps so many, and none makes another lose an entry.
//!
//! The oldest rows go. Of a caller who has more than half of what a tenant keeps its own go first: whoever floods the audit loses entries,
//! and what others did stays.

use super::EntryId;
use crate::{
    id::{TenantId, UserId},
    store::{Statement, Value},
    time::Timestamp,
};

/// Rows that one question counts.
const STEP: i64 = 20_000;
/// The most rows that one sweep takes for too many. It leaves the rest to the next one.
const AT_ONCE: u64 = 1_000_000;

/// Selects the first tenant with rows, or the first one behind another; read by [`read_tenant`].
pub fn tenant_behind(other: Option<TenantId>) -> Statement {
    let (bound, than) = other.map_or((i64::MIN, ">="), |tenant| (tenant.0, ">"));
    Statement::new(
        format!("SELECT CAST(min(tenant) AS TEXT) FROM audit WHERE tenant {than} CAST(?1 AS INTEGER)"),
        [Value::wide(bound)],
    )
}

/// Reads the row of [`tenant_behind`].
pub fn read_tenant(rows: &[Vec<Value>]) -> Option<TenantId> {
    match rows.first()?.as_slice() {
        [Value::Text(tenant)] => tenant.parse().ok().map(TenantId),
        _ => None,
    }
}

/// The search for a tenant's rows that are too many: ask each [`Self::question`], take its answer by [`Self::advance`], and delete what that
/// returns before the next one.
#[derive(Clone, Debug)]
pub struct Surplus {
    tenant: TenantId,
    most: u64,
    next: Next,
}

#[derive(Clone, Debug)]
enum Next {
    /// Count those before this entry; so many are counted.
    Count(EntryId, u64),
    /// So many are too many. Who has more than half of what is kept?
    Giver(u64),
    /// Where do the oldest rows end, so many of this caller's or of all; so many go besides.
    End(Option<UserId>, u64, u64),
    Done,
}

/// Rows that are too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMany {
    tenant: TenantId,
    giver: Option<UserId>,
    /// The first entry that stays.
    before: EntryId,
}

impl Surplus {
    /// What a tenant has beyond `most` rows.
    pub fn of(tenant: TenantId, most: u64) -> Self {
        Self { tenant, most, next: Next::Count(EntryId::first_of(Timestamp::from_millis(i64::MAX)), 0) }
    }

    /// The next question; `None` at the end.
    pub fn question(&self) -> Option<Statement> {
        let tenant = Value::wide(self.tenant.0);
        Some(match &self.next {
            Next::Count(before, _) => Statement::new(
                "WITH step AS (SELECT id FROM audit WHERE tenant = CAST(?1 AS INTEGER) AND id < ?2 \
                 ORDER BY id DESC LIMIT 1 OFFSET ?3) \
                 SELECT (SELECT id FROM step), count(*) FROM audit WHERE tenant = CAST(?1 AS INTEGER) AND id < ?2 \
                 AND id >= coalesce((SELECT id FROM step), '')",
                [tenant, before.to_string().into(), Value::Int(STEP)],
            ),
            Next::Giver(_) => Statement::new(
                "SELECT given_by, count(*) FROM audit WHERE tenant = CAST(?1 AS INTEGER) \
                 GROUP BY given_by HAVING count(*) > ?2 ORDER BY count(*) DESC, given_by LIMIT 1",
                [tenant, int(self.most / 2)],
            ),
            Next::End(giver, rows, _) => {
                let offset = int(rows.saturating_sub(1));
                match giver {
                    Some(giver) => Statement::new(
                        "SELECT id FROM audit WHERE tenant = CAST(?1 AS INTEGER) AND given_by = ?2 \
                         ORDER BY id LIMIT 1 OFFSET ?3",
                        [tenant, giver.as_str().into(), offset],
                    ),
                    None => Statement::new(
                        "SELECT id FROM audit WHERE tenant = CAST(?1 AS INTEGER) ORDER BY id LIMIT 1 OFFSET ?2",
                        [tenant, offset],
                    ),
                }
            }
            Next::Done => return None,
        })
    }

    /// Takes the answer, and returns what is to be deleted now. An answer that does not read ends the search.
    pub fn advance(&mut self, rows: &[Vec<Value>]) -> Option<TooMany> {
        let first = rows.first().map(Vec::as_slice);
        match std::mem::replace(&mut self.next, Next::Done) {
            Next::Count(_, counted) => {
                let (end, more) = match first? {
                    [Value::Text(end), Value::Int(more)] => (end.parse().ok(), more),
                    [_, Value::Int(more)] => (None, more),
                    _ => return None,
                };
                let rows = counted.saturating_add(u64::try_from(*more).ok()?);
                self.next = match end {
                    Some(end) => Next::Count(end, rows),
                    None if rows > self.most => Next::Giver(rows - self.most),
                    None => Next::Done,
                };
                None
            }
            Next::Giver(too_many) => {
                let greatest = match first {
                    Some([Value::Text(giver), Value::Int(own)]) => {
                        UserId::new(giver.as_str()).ok().zip(u64::try_from(*own).ok())
                    }
                    _ => None,
                };
                self.next = match greatest {
                    Some((giver, own)) => {
                        let own = too_many.min(own.saturating_sub(self.most / 2)).min(AT_ONCE);
                        Next::End(Some(giver), own, too_many - own)
                    }
                    None => Next::End(None, too_many.min(AT_ONCE), 0),
                };
                None
            }
            Next::End(giver, rows, besides) => {
                let last: EntryId = match first? {
                    [Value::Text(id)] => id.parse().ok()?,
                    _ => return None,
                };
                if besides > 0 && rows < AT_ONCE {
                    self.next = Next::Giver(besides);
                }
                Some(TooMany { tenant: self.tenant, giver, before: last.next() })
            }
            Next::Done => None,
        }
    }
}

impl TooMany {
    /// Deletes the oldest of them, at most `limit`.
    pub fn delete(&self, limit: u32) -> Statement {
        let mut params =
            vec![Value::wide(self.tenant.0), self.before.to_string().into(), Value::Int(limit.into())];
        let of_giver = if let Some(giver) = &self.giver {
            params.push(giver.as_str().into());
            " AND given_by = ?4"
        } else {
            ""
        };
        Statement::new(
            format!(
                "DELETE FROM audit WHERE (id, target) IN (SELECT id, target FROM audit \
                 WHERE tenant = CAST(?1 AS INTEGER) AND id < ?2{of_giver} ORDER BY id LIMIT ?3)"
            ),
            params,
        )
    }
}

fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
