//! Orders to selections: put down first, and carried out then, part by part or as a scoped cutoff.

use std::{collections::HashSet, future, time::Duration};

use futures_util::{StreamExt as _, stream};
use rollcall_api::Chain;
use rollcall_core::{
    audit::{EntryId, Part, Progress as Written},
    order::{self, AGAIN, Answer, Ask, NewOrder, OPEN, Opened, Progress, Scope, State, Taken},
    shard::{
        parts::{self, PartDelivery},
        scoped::UNDELIVERED,
    },
    time::Timestamp,
    user::{ForceOff, Request as _},
};

use super::{OrderError, Orders, audited};
use crate::{
    backend,
    cache::CACHE_SPAN,
    clock::{self, Pause},
    directory,
    stub::AT_ONCE,
    wire::CutoffAnswer,
};

/// How long the giver of an order waits for its users, and for all of the order: it gives a call up after 5 s, and then knows no id.
const TOLD: Duration = Duration::from_secs(2);
const ANSWERED: Duration = Duration::from_secs(3);
/// How long one alarm waits for the users of an order. It is below the time after which the order counts as abandoned.
const ROUND: Duration = Duration::from_secs(30);

impl Orders {
    pub(super) async fn force_off(&self, ask: Ask) -> Result<CutoffAnswer, OrderError> {
        Ok(CutoffAnswer::ForceOff(match ask {
            Ask::DryRun(run) => self.keep_dry_run(&run)?,
            Ask::Give(new) => self.give(&new).await?,
            Ask::Show(order) => self.seen(order)?,
            Ask::List { before, limit } => self.listed(before, limit)?,
        }))
    }

    fn keep_dry_run(&self, run: &NewOrder) -> Result<Answer, OrderError> {
        let (now, tenant) = (clock::now(), self.tenant()?);
        // A call whose answer was lost is made again.
        if !self.rows(&order::dry_run(run.order.entry.id))?.is_empty() {
            return Ok(Answer::Kept);
        }
        let open = order::read_count(&self.rows(&order::open_dry_runs(tenant, now))?);
        if open.is_some_and(|open| open >= OPEN) {
            return Ok(Answer::TooMany);
        }
        let mut statements = vec![self.named()?];
        statements.extend(order::keep_dry_run(run, now));
        statements.extend(audited::kept(&run.audit()));
        self.sql().write(&statements)?;
        self.arm();
        Ok(Answer::Kept)
    }

    async fn give(&self, new: &NewOrder) -> Result<Answer, OrderError> {
        let id = new.order.entry.id;
        // A call whose answer was lost is made again.
        if self.state_of(id)?.is_some() {
            self.arm();
            return self.shown(id);
        }
        let run = match new.receipt {
            Some(receipt) => order::read_dry_run(&self.rows(&order::dry_run(receipt))?),
            None => None,
        };
        if new.needs_delivery(run, self.direct_users()?) && self.deliveries()?.len() >= UNDELIVERED {
            return Ok(Answer::TooMany);
        }
        let mut statements = vec![self.named()?];
        statements.extend(order::begin(new, clock::now()));
        let answers = self.sql().write(&statements)?;
        match order::opened(id, &answers) {
            Opened::Conflict => return Ok(Answer::Conflict),
            Opened::Earlier(earlier) => return self.shown(earlier),
            Opened::New => self.arm(),
        }
        let begun = async {
            match self.state_of(id)? {
                Some(order) => self.carry_on(&order, TOLD).await,
                None => Ok(()),
            }
        };
        match clock::within(ANSWERED, begun).await {
            Some(Ok(())) => {}
            Some(Err(error)) => self.goes_on_later(id, &error)?,
            None => self.sql().write(&[order::put_off(id, clock::now())]).map(drop)?,
        }
        self.arm();
        self.shown(id)
    }

    fn goes_on_later(&self, id: EntryId, error: &OrderError) -> Result<(), OrderError> {
        tracing::error!(error = %Chain(error), "an order to a selection goes on later");
        self.sql().write(&[order::put_off(id, clock::now() + AGAIN)])?;
        Ok(())
    }

    /// Goes on with the order whose turn it is, if there is one.
    pub(super) async fn go_on(&self) -> Result<(), OrderError> {
        let now = clock::now();
        if self.due_selections()?.is_some_and(|due| due <= now) {
            self.sql().write(&order::sweep(now))?;
        }
        let due = order::read_order(&self.rows(&order::next_due())?)?.filter(|order| order.next_at <= now);
        let Some(order) = due else { return Ok(()) };
        self.sql().write(&[order::take_up(&order, now)])?;
        match self.carry_on(&order, ROUND).await {
            Ok(()) => Ok(()),
            Err(error) => self.goes_on_later(order.order.entry.id, &error),
        }
    }

    /// When an order is taken up, or a selection is over.
    pub(super) fn due_selections(&self) -> Result<Option<Timestamp>, OrderError> {
        Ok(order::read_due(&self.rows(&order::earliest())?))
    }

    /// Goes through the users of an order once. Those that cannot be reached stay for later, as do those that have not answered in `span`.
    async fn carry_on(&self, order: &Progress, span: Duration) -> Result<(), OrderError> {
        let (end, id) = (clock::now() + span, order.order.entry.id);
        if !order.is_direct(self.direct_users()?) {
            return self.carry_out_as_cutoff(order);
        }
        if order.users == 0 {
            let part = Part::whole(order.order.entry.clone(), order.order.tenant, Some(0), Written::Done);
            let mut statements = Vec::from(order::forget_part(order, 0, &[], &[], clock::now()));
            statements.extend(audited::kept(&part));
            self.sql().write(&statements)?;
            return Ok(());
        }
        let (mut after, mut is_missed) = (0, false);
        while let Some((part, taken)) =
            order::read_part(&self.rows(&order::next_part(order.selection, after))?)?
        {
            after = part;
            let left = end.since(clock::now());
            if left.is_zero() {
                self.sql().write(&[order::put_off(id, clock::now())])?;
                return Ok(());
            }
            let told = taken.iter().map(|one| self.take_selected(order, one));
            // Half of it: the users of a part who are silent keep the next part from nothing.
            let told = stream::iter(told).buffer_unordered(AT_ONCE).take_until(Pause::of(left / 2));
            let told: HashSet<i64> = told.filter_map(future::ready).collect().await;
            let left: Vec<Taken> = taken.iter().filter(|(user, _)| !told.contains(user)).cloned().collect();
            if order.order.scope == Scope::User {
                let users = taken.iter().map(|(user, _)| *user).collect();
                let (tenant, shards) = (self.tenant()?, self.shards()?);
                directory::import::end(&self.env, tenant, shards, users, id.at(), true).await?;
            }
            is_missed |= !left.is_empty();
            self.sql().write(&order::forget_part(order, part, &taken, &left, clock::now()))?;
        }
        if is_missed {
            let now = clock::now();
            let next = if now < end { now + AGAIN } else { now };
            self.sql().write(&[order::put_off(id, next)])?;
        }
        Ok(())
    }

    /// The user's number, once it was reached.
    async fn take_selected(&self, order: &Progress, one: &Taken) -> Option<i64> {
        let (user, command) = order.order.command(one);
        let told = backend::execute(&self.env, &user, command).await;
        match told.and_then(|reply| Ok(ForceOff::read(reply)?)) {
            Ok(()) => Some(one.0),
            Err(error) => {
                tracing::warn!(%user, error = %Chain(&error), "an order to a selection has not reached one of its users");
                None
            }
        }
    }

    fn carry_out_as_cutoff(&self, order: &Progress) -> Result<(), OrderError> {
        let users = order::read_selected(&self.rows(&order::whole_selection(order.selection))?)?;
        let Progress { order, .. } = order;
        let part = Part::whole(order.entry.clone(), order.tenant, Some(users.len()), Written::InForce);
        let id = order.entry.id;
        let (notice, deny) = (order.notice.clone(), order.window());
        if let CutoffAnswer::TooMany = self.order(users, notice, deny, Some(&part), Some(id))? {
            tracing::warn!("an order to a selection waits for others to be delivered");
            self.sql().write(&[order::put_off(id, clock::now() + AGAIN)])?;
        }
        Ok(())
    }

    /// The order as a reader sees it who has not waited: isolates may remember what was in force before it.
    fn seen(&self, id: EntryId) -> Result<Answer, OrderError> {
        let mut answer = self.shown(id)?;
        if let Answer::Order(order, _) = &mut answer {
            order.state = state_for_readers(order, &self.deliveries()?);
        }
        Ok(answer)
    }

    fn shown(&self, id: EntryId) -> Result<Answer, OrderError> {
        let Some(mut order) = self.state_of(id)? else { return Ok(Answer::Unknown) };
        let mut unreached: Vec<i64> = Vec::new();
        match (order.state, order.serial) {
            (State::Ordered, _) => {
                let part = order::read_part(&self.rows(&order::next_part(order.selection, 0))?)?;
                unreached.extend(part.unwrap_or_default().1.into_iter().map(|(user, _)| user));
            }
            (State::CutOff, Some(serial)) => {
                let delivery = self.deliveries()?.into_iter().find(|delivery| delivery.serial == serial);
                order.reached = order.reached_by(delivery.map(|delivery| delivery.reached));
                let part = parts::read_parts(&self.rows(&parts::parts(serial, 0, 1))?)?.pop();
                unreached.extend(part.unwrap_or_default().1);
            }
            (State::CutOff, None) => {}
        }
        unreached.truncate(order::NAMED as usize);
        Ok(Answer::Order(Box::new(order), unreached))
    }

    fn listed(&self, before: Option<EntryId>, limit: u32) -> Result<Answer, OrderError> {
        let mut orders = order::read_orders(&self.rows(&order::list(self.tenant()?, before, limit))?)?;
        let deliveries = self.deliveries()?;
        for order in &mut orders {
            let delivery = deliveries.iter().find(|delivery| Some(delivery.serial) == order.serial);
            order.reached = order.reached_by(delivery.map(|delivery| delivery.reached));
            order.state = state_for_readers(order, &deliveries);
        }
        Ok(Answer::Orders(orders))
    }

    fn state_of(&self, id: EntryId) -> Result<Option<Progress>, OrderError> {
        Ok(order::read_order(&self.rows(&order::get(id))?)?)
    }

    fn direct_users(&self) -> Result<u32, OrderError> {
        Ok(self.configuration()?.settings.message_center.direct_users)
    }
}

/// Isolates may remember what was in force before an order.
fn state_for_readers(order: &Progress, deliveries: &[PartDelivery]) -> State {
    let now = clock::now();
    let of_order = |delivery: &PartDelivery| Some(delivery.serial) == order.serial;
    let is_fresh = |delivery: &PartDelivery| now < delivery.at + CACHE_SPAN;
    let hides = deliveries.iter().any(|one| of_order(one) && is_fresh(one));
    if hides { State::Ordered } else { order.state }
}
