//! The audit's entries of orders that are no single user's: to the tenant, to sets of users, and imports.

use std::time::Duration;

use rollcall_core::{
    audit::{self, Asked, Indexed, Page, Part},
    store::{Statement, Value},
    time::Timestamp,
};

use super::{OrderError, Orders};
use crate::{clock, wire::CutoffAnswer};

/// How often entries that are over are looked for, as long as there are any.
const SWEEP_EVERY: Duration = Duration::from_secs(24 * 3600);
/// Rows that one commit of a sweep deletes.
const SWEEP_ROWS: u32 = 1_000;
/// How often a sweep repeats that. What is left then is deleted by the next one.
const SWEEP_STEPS: usize = 100;

impl Orders {
    /// Keeps the entry of an order that nothing else here belongs to.
    pub(super) fn keep_part(&self, part: &Part) -> Result<CutoffAnswer, OrderError> {
        let mut statements = vec![self.named()?];
        statements.extend(kept(part));
        self.sql().write(&statements)?;
        self.arm();
        Ok(CutoffAnswer::Done)
    }

    /// This object's part of the audit.
    pub(super) fn entries(&self, asked: &Asked) -> Result<Page, OrderError> {
        asked.answer(Indexed::Id, |statement| self.rows(statement))
    }

    /// When entries that are over are to be looked for, if there are any.
    pub(super) fn sweep_at(&self) -> Result<Option<Timestamp>, OrderError> {
        match self.rows(&Statement::new("SELECT next_at FROM audit_sweep", []))?.first().map(Vec::as_slice) {
            None => Ok(None),
            Some([Value::Int(next_at)]) => Ok(Some(Timestamp::from_millis(*next_at))),
            Some(_) => Err(OrderError::Row),
        }
    }

    /// Deletes entries that are over or too many, once a day in pieces.
    pub(super) fn sweep(&self) -> Result<(), OrderError> {
        let now = clock::now();
        if self.sweep_at()?.is_none_or(|next_at| now < next_at) {
            return Ok(());
        }
        // First, so that a failure is not repeated before the next day.
        self.sql().write(&[next_sweep(now + SWEEP_EVERY)])?;
        let kept = self.configuration()?.settings.audit;
        self.delete(&audit::delete(audit::expired(now, kept.retention_days), SWEEP_ROWS))?;
        let mut surplus = audit::Surplus::of(self.tenant()?, kept.max_rows);
        while let Some(question) = surplus.question() {
            if let Some(too_many) = surplus.advance(&self.rows(&question)?) {
                self.delete(&too_many.delete(SWEEP_ROWS))?;
            }
        }
        if self.rows(&Statement::new("SELECT 1 FROM audit LIMIT 1", []))?.is_empty() {
            self.sql().write(&[Statement::new("DELETE FROM audit_sweep", [])])?;
        }
        Ok(())
    }

    /// Repeats a deletion of at most [`SWEEP_ROWS`] rows.
    fn delete(&self, some: &Statement) -> Result<(), OrderError> {
        for _ in 0..SWEEP_STEPS {
            let changes = Statement::new("SELECT changes()", []);
            let answers = self.sql().write(&[some.clone(), changes])?;
            if answers.last() != Some(&vec![vec![Value::Int(SWEEP_ROWS.into())]]) {
                break;
            }
        }
        Ok(())
    }
}

/// Keeps an entry, and the date of the next sweep where there was none.
pub(super) fn kept(part: &Part) -> [Statement; 2] {
    let first = Statement::new(
        "INSERT INTO audit_sweep (id, next_at) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING",
        [(clock::now() + SWEEP_EVERY).millis().into()],
    );
    [audit::keep(part), first]
}

fn next_sweep(at: Timestamp) -> Statement {
    Statement::new("UPDATE audit_sweep SET next_at = ?1", [at.millis().into()])
}
