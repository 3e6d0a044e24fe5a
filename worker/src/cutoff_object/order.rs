//! Orders that are given and lifted, and what is in force.

use rollcall_core::{
    audit::{EntryId, Part},
    deny::DenyWindow,
    directory::view::{Cutoff, OwnOrder, ScopedCutoff},
    order,
    serial::Serial,
    shard::{
        cutoff,
        parts::{self, PartDelivery},
        scoped::{self, UNDELIVERED},
        undelivered::Undelivered,
    },
    store::{Statement, Value},
    time::Timestamp,
};

use super::{OrderError, Orders, audited};
use crate::{
    cache::CACHE_SPAN,
    clock,
    directory::{self, question},
    wire::{CutoffAnswer, OrdersInForce},
};

impl Orders {
    /// The tenant's orders, the sets of users left out.
    pub(super) fn in_force(&self) -> Result<OrdersInForce, OrderError> {
        let deliveries = self.deliveries()?;
        let scoped = deliveries.iter().map(|order| (order.serial, order.at)).collect();
        let denying = deliveries.into_iter().filter(|order| order.deny.is_some()).map(|order| Cutoff {
            serial: order.serial,
            at: order.at,
            exempt: Vec::new(),
            lifted: false,
            deny: order.deny.map(Box::new),
        });
        let (cutoff, newest, denying) = (self.cutoff()?, self.newest()?, denying.collect());
        Ok(OrdersInForce { cutoff, newest, scoped, denying })
    }

    /// The set of an order; `None` when it is delivered.
    pub(super) fn users(&self, serial: Serial) -> Result<Option<Vec<i64>>, OrderError> {
        let parts = parts::read_parts(&self.rows(&parts::parts(serial, 0, u32::MAX))?)?;
        let users: Vec<i64> = parts.into_iter().flat_map(|(_, users)| users).collect();
        Ok((!users.is_empty()).then_some(users))
    }

    /// Puts an order to the whole tenant in force, and tells the shards. When one of them cannot be reached now, the alarm goes on
    /// with it.
    pub(super) async fn set(
        &self,
        exempt: Vec<i64>,
        notice: String,
        part: Option<&Part>,
    ) -> Result<CutoffAnswer, OrderError> {
        let cutoff = Cutoff::next(self.cutoff()?.as_ref(), self.newest()?, exempt, clock::now());
        let telling = Telling { notice, next_at: clock::now() };
        let mut statements = vec![self.named()?, cutoff::set(self.tenant()?, &cutoff), telling.keep()];
        statements.extend(part.into_iter().flat_map(audited::kept));
        self.sql().write(&statements)?;
        self.arm();
        self.tell(&cutoff, &telling.notice).await?;
        Ok(CutoffAnswer::Done)
    }

    /// Puts an order to a set of users in force. Its delivery goes by alarm. `of` is the order to a selection that it is.
    pub(super) fn order(
        &self,
        users: Vec<i64>,
        notice: String,
        deny: Option<DenyWindow>,
        part: Option<&Part>,
        of: Option<EntryId>,
    ) -> Result<CutoffAnswer, OrderError> {
        if self.deliveries()?.len() >= UNDELIVERED {
            return Ok(CutoffAnswer::TooMany);
        }
        let now = clock::now();
        let cutoff = ScopedCutoff::next(self.newest()?, users, now);
        // An isolate may go on with older orders for so long. What it admits meanwhile is covered.
        let delivery = PartDelivery { deny, ..PartDelivery::new(&cutoff, notice, now + CACHE_SPAN) };
        let mut statements = vec![self.named()?, scoped::keep_last_serial(cutoff.serial)];
        statements.extend(parts::keep(&delivery, &cutoff.users));
        statements.extend(of.into_iter().flat_map(|order| order::cut_off(order, cutoff.serial)));
        statements.extend(part.into_iter().flat_map(audited::kept));
        self.sql().write(&statements)?;
        self.arm();
        Ok(CutoffAnswer::Done)
    }

    /// Takes over the order that earlier code kept in shard 0, before anything is answered. An object that was written to has done so.
    pub(super) async fn take_over(&self) -> Result<(), OrderError> {
        if self.is_alone.get() {
            return Ok(());
        }
        if !self.has_name()? {
            let (tenant, shards) = (self.tenant()?, self.shards()?);
            let (cutoff, notice) = directory::ask(&self.env, tenant, 0, shards, question::kept()).await?;
            // Another request may have been quicker.
            if let Some(cutoff) = cutoff.filter(|_| self.has_name().is_ok_and(|has_name| !has_name)) {
                let telling = notice.map(|notice| Telling { notice, next_at: clock::now() }.keep());
                let mut statements = vec![self.named()?, cutoff::set(tenant, &cutoff)];
                statements.extend(telling);
                self.sql().write(&statements)?;
                self.arm();
            }
        }
        self.is_alone.set(true);
        Ok(())
    }

    fn has_name(&self) -> Result<bool, OrderError> {
        Ok(!self.rows(&Statement::new("SELECT name FROM name", []))?.is_empty())
    }

    /// Puts an order of another server in force. It has no delivery: what it ended is ended there.
    pub(super) fn adopt(&self, moved: Cutoff) -> Result<CutoffAnswer, OrderError> {
        Ok(CutoffAnswer::Adopted(match Cutoff::adopt(self.cutoff()?.as_ref(), moved) {
            Ok(Some(adopted)) => {
                self.sql().write(&[self.named()?, cutoff::set(self.tenant()?, &adopted)])?;
                Some(true)
            }
            Ok(None) => Some(false),
            Err(OwnOrder) => None,
        }))
    }

    /// Lifts the order to the whole tenant, if one is in force.
    pub(super) fn lift(&self, part: Option<&Part>) -> Result<CutoffAnswer, OrderError> {
        let in_force = self.cutoff()?.is_some_and(|cutoff| !cutoff.lifted);
        let mut statements = Vec::new();
        if let Some(part) = part {
            statements.push(self.named()?);
            statements.extend(audited::kept(part));
        }
        if in_force {
            statements.push(cutoff::lift(self.tenant()?));
        }
        if !statements.is_empty() {
            self.sql().write(&statements)?;
            self.arm();
        }
        Ok(CutoffAnswer::Lifted(in_force))
    }

    /// The orders under delivery, as far as this object delivers them.
    pub(super) fn undelivered(&self) -> Result<Vec<Undelivered>, OrderError> {
        let shown = |order: PartDelivery| Undelivered {
            serial: order.serial,
            at: order.at,
            users: Some(order.users),
            reached: order.reached,
        };
        let mut all: Vec<Undelivered> = self.deliveries()?.into_iter().map(shown).collect();
        if let Some(cutoff) = self.cutoff()?.filter(|_| self.telling().is_ok_and(|telling| telling.is_some()))
        {
            all.push(Undelivered { serial: cutoff.serial, at: cutoff.at, users: None, reached: 0 });
        }
        Ok(all)
    }

    pub(super) fn cutoff(&self) -> Result<Option<Cutoff>, OrderError> {
        Ok(cutoff::read(&self.rows(&cutoff::get(self.tenant()?))?)?)
    }

    pub(super) fn deliveries(&self) -> Result<Vec<PartDelivery>, OrderError> {
        Ok(parts::read_all(&self.rows(&parts::all())?)?)
    }

    /// The serial of the tenant's latest order.
    fn newest(&self) -> Result<Serial, OrderError> {
        let of_sets = scoped::read_last_serial(&self.rows(&scoped::last_serial())?)?;
        Ok(self.cutoff()?.map_or(Serial::NONE, |cutoff| cutoff.serial).max(of_sets))
    }

    pub(super) fn telling(&self) -> Result<Option<Telling>, OrderError> {
        Telling::read(&self.rows(&Statement::new("SELECT notice, next_at FROM telling", []))?)
    }
}

/// The tenant's order that shards have not heard of yet.
pub(super) struct Telling {
    pub(super) notice: String,
    pub(super) next_at: Timestamp,
}

impl Telling {
    pub(super) fn keep(&self) -> Statement {
        Statement::new(
            "INSERT INTO telling (id, notice, next_at) VALUES (1, ?1, ?2) \
             ON CONFLICT (id) DO UPDATE SET notice = excluded.notice, next_at = excluded.next_at",
            [self.notice.as_str().into(), self.next_at.millis().into()],
        )
    }

    /// Every shard has heard of it.
    pub(super) fn end() -> Statement {
        Statement::new("DELETE FROM telling", [])
    }

    fn read(rows: &[Vec<Value>]) -> Result<Option<Self>, OrderError> {
        match rows.first().map(Vec::as_slice) {
            None => Ok(None),
            Some([Value::Text(notice), Value::Int(next_at)]) => {
                Ok(Some(Self { notice: notice.clone(), next_at: Timestamp::from_millis(*next_at) }))
            }
            Some(_) => Err(OrderError::Row),
        }
    }
}
