//! Orders to selections (`docs/rules/administration.md#orders-to-a-selection`): put down first, and carried out then, part by part or as
//! a scoped cutoff.

use rollcall_api::Chain;
use rollcall_core::{
    audit::{EntryId, Part, Progress as Written},
    id::TenantId,
    order::{self, AGAIN, Answer, Ask, NewOrder, OPEN, Opened, Progress, Scope, State},
    shard::scoped::{self, UNDELIVERED},
    user::{ForceOff, Request as _},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{detached::DetachedCompletion, error::CommandError, registry::Users, retry::until_durable};
use crate::{
    cluster::ORDERS,
    store::{Durability, Patience, Rows, next_rows},
};

impl Users {
    /// Answers what is asked of a tenant's orders to selections. `under_way` is held until an order is delivered.
    ///
    /// # Errors
    /// When the store fails. An order that was put down goes on.
    pub async fn force_off(
        &self,
        tenant: TenantId,
        ask: Ask,
        under_way: TaskTrackerToken,
    ) -> Result<Answer, CommandError> {
        match ask {
            Ask::DryRun(run) => {
                let users = self.clone();
                // One after the other, so that no more of them are open than may be.
                self.change_cutoff(tenant, async move { users.keep_dry_run(tenant, &run).await }).await
            }
            Ask::Give(new) => {
                let users = self.clone();
                // Once it is put down, it is carried out even if its caller leaves.
                let work = async move { users.give(&new, under_way).await };
                DetachedCompletion::new(work, drop).await
            }
            Ask::Show(order) => match self.state(order).await? {
                Some(order) => self.shown(order).await,
                None => Ok(Answer::Unknown),
            },
            Ask::List { before, limit } => self.listed(tenant, before, limit).await,
        }
    }

    async fn keep_dry_run(&self, tenant: TenantId, run: &NewOrder) -> Result<Answer, CommandError> {
        let now = self.now();
        let question = order::open_dry_runs(tenant, now);
        let is_full = |rows: &Rows| order::read_count(rows).is_none_or(|open| open >= OPEN);
        let mut statements = order::keep_dry_run(run, now);
        statements.push(rollcall_core::audit::keep(&run.audit()));
        if let Some(cluster) = &self.shared.cluster {
            // Another process may keep one at the same time.
            let (transaction, answers) = cluster.store.begin(ORDERS, &[question], Patience::Short).await?;
            if is_full(&next_rows(&mut answers.into_iter())?) {
                transaction.roll_back();
                return Ok(Answer::TooMany);
            }
            transaction.commit(&statements, Durability::Now).await?;
            return Ok(Answer::Kept);
        }
        if is_full(&self.ask(question).await?) {
            return Ok(Answer::TooMany);
        }
        self.shared.store.commit(statements).await?;
        Ok(Answer::Kept)
    }

    async fn give(&self, new: &NewOrder, under_way: TaskTrackerToken) -> Result<Answer, CommandError> {
        let (id, tenant) = (new.order.entry.id, new.order.tenant);
        let run = match new.receipt {
            Some(receipt) => order::read_dry_run(&self.ask(order::dry_run(receipt)).await?),
            None => None,
        };
        if new.needs_delivery(run, self.direct_users())
            && self.scoped_in_force(tenant).await?.len() >= UNDELIVERED
        {
            return Ok(Answer::TooMany);
        }
        let begun = self.shared.store.commit(order::begin(new, self.now())).await;
        if begun.is_err() {
            // It may be put down, and nobody carries it out.
            self.resume_force_offs();
        }
        let id = match order::opened(id, &begun?) {
            Opened::Conflict => return Ok(Answer::Conflict),
            Opened::Earlier(earlier) => earlier,
            Opened::New => {
                if let Err(error) = self.carry_out_new(id, under_way).await {
                    self.goes_on_later(id, &error).await?;
                }
                id
            }
        };
        let Some(order) = self.state(id).await? else { return Ok(Answer::Unknown) };
        // An earlier one may have died with what carried it out.
        if order.state == State::Ordered {
            self.resume_force_offs();
        }
        self.shown(order).await
    }

    /// Carries out an order that was put down just now.
    async fn carry_out_new(&self, id: EntryId, under_way: TaskTrackerToken) -> Result<(), CommandError> {
        match self.state(id).await? {
            // Another process may have been quicker.
            Some(order) if order.state == State::Ordered => self.carry_out(&order, Some(under_way)).await,
            _ => Ok(()),
        }
    }

    async fn goes_on_later(&self, id: EntryId, error: &CommandError) -> Result<(), CommandError> {
        tracing::error!(error = %Chain(error), "an order to a selection goes on later");
        self.shared.store.commit(vec![order::put_off(id, self.now() + AGAIN)]).await?;
        Ok(())
    }

    /// Goes through the users of an order once. Those that cannot be reached stay for later.
    async fn carry_out(
        &self,
        order: &Progress,
        under_way: Option<TaskTrackerToken>,
    ) -> Result<(), CommandError> {
        let id = order.order.entry.id;
        if !order.is_direct(self.direct_users()) {
            return self.carry_out_as_cutoff(order, under_way).await;
        }
        if order.users == 0 {
            let part = Part::whole(order.order.entry.clone(), order.order.tenant, Some(0), Written::Done);
            let mut statements = Vec::from(order::forget_part(order, 0, &[], &[], self.now()));
            statements.push(rollcall_core::audit::keep(&part));
            self.shared.store.commit(statements).await?;
            return Ok(());
        }
        let (mut after, mut is_missed) = (0, false);
        while let Some((part, taken)) =
            order::read_part(&self.ask(order::next_part(order.selection, after)).await?)?
        {
            after = part;
            let commands = taken.iter().map(|one| order.order.command(one)).collect();
            let results = self.execute_each(commands).await;
            let mut left = Vec::new();
            for (one, result) in taken.iter().zip(results) {
                match result.and_then(|reply| Ok(ForceOff::read(reply)?)) {
                    Ok(()) => {}
                    Err(error) if error.is_permanent() => {
                        tracing::error!(user = one.0, %error, "an order to a selection cannot reach one of its users");
                        left.push(one.clone());
                    }
                    Err(error) => {
                        tracing::warn!(user = one.0, %error, "an order to a selection has not reached one of its users");
                        left.push(one.clone());
                    }
                }
            }
            if order.order.scope == Scope::User {
                let users: Vec<i64> = taken.iter().map(|(user, _)| *user).collect();
                self.end_imports_cut_off_at(order.order.tenant, &users, id.at()).await?;
            }
            is_missed |= !left.is_empty();
            let step = order::forget_part(order, part, &taken, &left, self.now());
            self.shared.store.commit(Vec::from(step)).await?;
        }
        if is_missed {
            self.shared.store.commit(vec![order::put_off(id, self.now() + AGAIN)]).await?;
        }
        Ok(())
    }

    async fn carry_out_as_cutoff(
        &self,
        order: &Progress,
        under_way: Option<TaskTrackerToken>,
    ) -> Result<(), CommandError> {
        let rows = self.ask(order::whole_selection(order.selection)).await?;
        let named = order::read_selected(&rows)?;
        let Progress { order, .. } = order;
        let part = Part::whole(order.entry.clone(), order.tenant, Some(named.len()), Written::InForce);
        let (users, tenant, notice, id) = (self.clone(), order.tenant, order.notice.clone(), order.entry.id);
        let deny = order.window();
        let cut_off = async move {
            let order = users.put_scoped_in_force(tenant, named, notice, deny, &part, Some(id)).await?;
            // Somebody else may have been quicker.
            let Some(order) = order else { return Ok(()) };
            tokio::spawn(async move {
                users.deliver_scoped(&order).await;
                drop(under_way);
            });
            Ok(())
        };
        self.change_cutoff(tenant, cut_off).await
    }

    /// Goes on, in the background, with orders that a death cut short, and with users that could not be reached.
    pub fn resume_force_offs(&self) {
        let Ok(alone) = self.shared.cutoffs.resuming.clone().try_lock_owned() else { return };
        let users = self.clone();
        tokio::spawn(async move {
            until_durable("orders to selections", || users.go_on()).await;
            drop(alone);
        });
    }

    async fn go_on(&self) -> Result<(), CommandError> {
        while let Some(order) = order::read_order(&self.ask(order::next_due()).await?)? {
            let now = self.now();
            if order.next_at > now {
                // One that comes meanwhile may be due before it.
                tokio::time::sleep(order.next_at.since(now).min(AGAIN)).await;
                continue;
            }
            // Another process may have read it, too.
            if self.shared.store.change(order::take_up(&order, now)).await? == 0 {
                continue;
            }
            if let Err(error) = self.carry_out(&order, None).await {
                self.goes_on_later(order.order.entry.id, &error).await?;
            }
        }
        Ok(())
    }

    /// Lets every order be taken up at once: nobody may be carrying it out. One that somebody is, is carried out twice, which takes nothing
    /// more.
    pub(crate) async fn free_force_offs(&self) -> Result<(), CommandError> {
        self.shared.store.commit(vec![order::abandon_all()]).await?;
        Ok(())
    }

    async fn shown(&self, mut order: Progress) -> Result<Answer, CommandError> {
        let unreached = match (order.state, order.serial) {
            (State::Ordered, _) => {
                let rows = self.ask(order::next_part(order.selection, 0)).await?;
                let part = order::read_part(&rows)?.map(|(_, users)| users).unwrap_or_default();
                part.into_iter().map(|(user, _)| user).take(order::NAMED as usize).collect()
            }
            (State::CutOff, Some(serial)) => {
                let left = order::read_count(&self.ask(scoped::count_unreached(serial)).await?);
                order.reached = order.users.saturating_sub(left.unwrap_or(0));
                let rows = self.ask(scoped::unreached(serial, order::NAMED)).await?;
                scoped::read_users(&rows)?.iter().filter_map(|user| user.number()).collect()
            }
            (State::CutOff, None) => Vec::new(),
        };
        Ok(Answer::Order(Box::new(order), unreached))
    }

    async fn listed(
        &self,
        tenant: TenantId,
        before: Option<EntryId>,
        limit: u32,
    ) -> Result<Answer, CommandError> {
        let mut orders = order::read_orders(&self.ask(order::list(tenant, before, limit)).await?)?;
        let delivering = self.undelivered(tenant).await?;
        for order in &mut orders {
            let delivery = delivering.iter().find(|delivery| Some(delivery.serial) == order.serial);
            order.reached = order.reached_by(delivery.map(|delivery| delivery.reached));
        }
        Ok(Answer::Orders(orders))
    }

    pub(super) async fn state(&self, id: EntryId) -> Result<Option<Progress>, CommandError> {
        Ok(order::read_order(&self.ask(order::get(id)).await?)?)
    }

    fn direct_users(&self) -> u32 {
        self.shared.settings.message_center.direct_users
    }
}
