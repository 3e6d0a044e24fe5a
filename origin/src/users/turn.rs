//! The hold that a command has on its user, from what it reads until what it changes is durable.
//!
//! On the embedded store the user's lock in this process is all of it, and the live set is memory. Where other processes serve the
//! same users, it is a transaction that holds the user's lock in the engine, and the live set is rows: what an earlier holder
//! committed, whatever its process, is what the next one reads. Memory then has this process's own sockets alone.

use std::{borrow::Cow, time::Instant};

use rollcall_core::{
    directory::view::Cutoff,
    id::{ConnId, TenantId, UserId},
    shard::{cutoff, scoped},
    store::Statement,
    time::Moment,
    user::{
        Action, Change, Command, ForceOff, Loaded, Needs, Orders, Outcome, Part, Profile, Reply, Rules, User,
        last_opening, read_opening,
    },
};

use super::{
    cutoffs::KnownOrders, doubts::Frames, entry_guard::EntryGuard, error::CommandError, registry::Users,
    run::statements,
};
use crate::{
    clock::moment,
    cluster::{Cluster, Elsewhere, LiveRows, of_user, read_parcels, waiting_of},
    store::{Durability, Patience, Rows, StoreError, Transaction, next_rows, rows_at},
};

/// The hold.
pub(super) enum Turn {
    /// The user's lock in this process.
    Local,
    /// The same in the engine.
    Shared(Box<SharedTurn>),
}

/// A transaction that holds a user's lock.
pub(super) struct SharedTurn {
    transaction: Transaction,
    /// As the rows have it.
    user: User,
    /// The connections of other processes.
    elsewhere: Vec<Elsewhere>,
    /// What the consoles among them get before they are closed.
    notice: Option<String>,
    /// The frames that are kept if its commit has no answer.
    frames: Frames,
}

/// Reads of a query whose user's sockets close meanwhile.
const READS: u32 = 3;

/// The part of a user that this process's memory has.
struct Seen {
    /// With the connections that have a socket here.
    user: User,
    /// Connections that have ended here and whose rows may still be there.
    hidden: Vec<ConnId>,
}

/// The answers to a question.
struct Answered {
    rows: LiveRows,
    loaded: Loaded,
}

/// What a command asks of a store that has the live set.
struct Question {
    needs: Needs,
    /// The orders that were known when the question was made, if the command is under orders. They say which queries it has.
    orders: Option<KnownOrders>,
    parts: Vec<Part>,
    /// The live rows, what belongs to orders, and the parts.
    statements: Vec<Statement>,
}

impl Question {
    /// The question of a command. `known` says which queries of orders it needs, as long as no newer order is in force.
    fn of(command: &Command, id: &UserId, rules: &Rules, known: KnownOrders) -> Result<Self, CommandError> {
        let mut needs = command.needs();
        let orders = needs.orders.then_some(known);
        let mut statements = vec![of_user(id)];
        if let Some(known) = orders {
            // The serial is read first. An order that comes into force meanwhile has a greater one, and covers the outcome.
            statements.push(cutoff::newest());
            needs.profile |= known.has_orders;
            if known.has_orders {
                // Of a user that nothing is known of yet.
                let unknown = Loaded { profile: Some(Profile::default()), ..Loaded::default() };
                let named = command.tenant(id, &unknown, rules)?;
                statements.push(cutoff::of_user(id, &[named, TenantId::default()]));
            }
            statements.extend(known.has_scoped.then(|| scoped::of_user(id)));
        }
        let (parts, more) = if names_live_connections(&needs) {
            (Vec::new(), Vec::new())
        } else {
            needs.queries(&User::new(id.clone(), Vec::new()), crate::clock::now()).into_iter().unzip()
        };
        statements.extend(more);
        Ok(Self { needs, orders, parts, statements })
    }

    /// The question that is to be asked once more, about all orders, if the answers show one that was not known.
    fn again(
        &self,
        command: &Command,
        id: &UserId,
        rules: &Rules,
        answers: &[Rows],
    ) -> Result<Option<Self>, CommandError> {
        let Some(known) = self.orders else { return Ok(None) };
        let newest = cutoff::read_newest(rows_at(answers, 1)?)?;
        let all = KnownOrders { newest, has_orders: true, has_scoped: true };
        (newest != known.newest).then(|| Self::of(command, id, rules, all)).transpose()
    }
}

/// Whether a command has a caller who can try again, and is refused where no session is free soon. The other commands are of sockets,
/// which have one message under way and would be lost with it, or would only be repeated.
const fn may_come_again(command: &Command) -> bool {
    !matches!(
        command,
        Command::Close { .. }
            | Command::Tick
            | Command::SetBackground { .. }
            | Command::Receive { .. }
            | Command::Decoded { .. }
            | Command::Answered { .. }
            | Command::Unwatch { .. }
            | Command::Notified(_)
            | Command::FanOut
            | Command::WatchersNotified(_)
            | Command::ForceOff(ForceOff::Named(_) | ForceOff::Denying { .. } | ForceOff::CutOff { .. })
    )
}

/// Whether the queries name the connections that are live, so that these have to be read before.
const fn names_live_connections(needs: &Needs) -> bool {
    needs.followers_of.is_some() || needs.dangling
}

impl Users {
    /// What is known of orders, as long as the store has no newer one.
    fn known_orders(&self) -> KnownOrders {
        let known = self.shared.cutoffs.known();
        // Another process may have taken one over that came with an import, which has no serial.
        KnownOrders { has_orders: known.has_orders || self.has_company(), ..known }
    }

    /// Loads what the command needs and applies it. The caller holds the user's lock.
    pub(super) async fn decide(
        &self,
        user: &EntryGuard,
        command: &Command,
    ) -> Result<(Outcome, Turn), CommandError> {
        let Some(cluster) = &self.shared.cluster else {
            let (loaded, at) = self.load(user, command).await?;
            let live = user.live.lock();
            let found = live.user_for(command);
            let outcome = if matches!(command, Command::Answered { .. }) {
                // An answer about many users takes milliseconds to encode, and readers of this user do not wait for it.
                let copy = found.into_owned();
                drop(live);
                copy.apply(command, &loaded, &self.shared.rules, at)?
            } else {
                found.apply(command, &loaded, &self.shared.rules, at)?
            };
            return Ok((outcome, Turn::Local));
        };
        // Boxed, so that it takes no room where the store is the embedded one.
        Box::pin(self.decide_shared(cluster, user, command)).await
    }

    /// The same with the user's lock in the engine. What has a socket here and no row is ended by the outcome too.
    async fn decide_shared(
        &self,
        cluster: &Cluster,
        user: &EntryGuard,
        command: &Command,
    ) -> Result<(Outcome, Turn), CommandError> {
        let (id, rules) = (&user.id, &self.shared.rules);
        let mut question = Question::of(command, id, rules, self.known_orders())?;
        let patience = if may_come_again(command) { Patience::Short } else { Patience::Long };
        // What other processes have for sockets of the user here was committed before the lock was held.
        let waits = self.has_company().then(|| waiting_of(id, cluster.node));
        question.statements.extend(waits.clone());
        let (mut transaction, mut answers) =
            cluster.store.begin(id.as_str(), &question.statements, patience).await?;
        // Both clocks at one time.
        let at = Moment { now: transaction.began(), ..moment() };
        if let Some(mut again) = question.again(command, id, rules, &answers)? {
            again.statements.extend(waits.clone());
            (transaction, answers) = transaction.load(&again.statements).await?;
            question = again;
        }
        let parcels = waits.and_then(|_| answers.pop()).map(|rows| read_parcels(&rows)).unwrap_or_default();
        self.bring_before(cluster, user, &parcels);
        let needs = question.needs.clone();
        let Answered { rows, mut loaded } = self.answered(cluster, id, command, question, answers)?;
        let elsewhere = rows.elsewhere(cluster.node);
        let (mut live, made_up) = {
            let memory = user.live.lock();
            let own = memory.user_for(command);
            let made_up = memory.make_up(&rows.of(cluster.node), &parcels);
            // A row of this process without a socket is of a connection that was lost: its end is not durable yet. Other processes show
            // it until then, so that an order ends it too.
            let sees_lost = self.has_company() && matches!(command.alone(), Command::ForceOff(_));
            let is_lost = |id: ConnId| {
                !sees_lost
                    && !own.has(id)
                    && !matches!(command, Command::Close { connection } if *connection == id)
            };
            (rows.user(cluster.node, &own, is_lost), made_up)
        };
        if names_live_connections(&needs) {
            let (parts, more): (Vec<_>, Vec<_>) = needs.queries(&live, at.now).into_iter().unzip();
            let answers;
            (transaction, answers) = transaction.load(&more).await?;
            for (part, rows) in parts.into_iter().zip(answers) {
                loaded.absorb(part, &rows)?;
            }
        }
        if self.may_have_opened_later(user, command, at) {
            let question = id.number().map(last_opening);
            let answers;
            (transaction, answers) = transaction.load(question.as_slice()).await?;
            if let Some(last) = answers.first().and_then(|rows| read_opening(rows)) {
                live.recall_opening(last);
            }
        }
        let mut outcome = live.apply(command, &loaded, rules, at)?;
        // They belong before the command.
        outcome.actions = made_up.into_iter().chain(outcome.actions).collect();
        // A notice that was lost is not sent again: the store says that it was.
        let frames = if matches!(command, Command::Notified(_)) { Frames::All } else { Frames::OfEnded };
        let notice = command.notice(id).map(Cow::into_owned);
        let turn = SharedTurn { transaction, user: live, elsewhere, notice, frames };
        Ok((outcome, Turn::Shared(Box::new(turn))))
    }

    /// Executes a command that changes nothing, where the live set is rows: they come from one committed state.
    pub(super) async fn query_shared(
        &self,
        cluster: &Cluster,
        id: &UserId,
        command: &Command,
    ) -> Result<Reply, CommandError> {
        let rules = &self.shared.rules;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let before = self.seen(id);
            let mut question = Question::of(command, id, rules, self.known_orders())?;
            let mut answers = self.ask_shared(&question).await?;
            if let Some(again) = question.again(command, id, rules, &answers)? {
                answers = self.ask_shared(&again).await?;
                question = again;
            }
            let Answered { rows, loaded } = self.answered(cluster, id, command, question, answers)?;
            // Whether a socket that closed meanwhile was open when the rows were read is not known.
            let after = self.seen(id);
            let is_unsure = |id: &ConnId| before.user.has(*id) && !after.user.has(*id);
            if attempts < READS && rows.of(cluster.node).iter().any(is_unsure) {
                continue;
            }
            let live = rows.user(cluster.node, &before.user, |id| before.hidden.contains(&id));
            let at = Moment { now: self.now(), ..moment() };
            return Ok(live.apply(command, &loaded, rules, at)?.reply);
        }
    }

    /// The answers to a question that is outside of a turn. A long one keeps no session from commands.
    async fn ask_shared(&self, question: &Question) -> Result<Vec<Rows>, StoreError> {
        let (store, statements) = (&self.shared.store, question.statements.clone());
        if question.needs.reads_many() { store.query(statements).await } else { store.load(statements).await }
    }

    /// What this process's memory has of a user now.
    fn seen(&self, id: &UserId) -> Seen {
        let nothing = || Seen { user: User::new(id.clone(), Vec::new()), hidden: Vec::new() };
        self.shared.table.get(id).map_or_else(nothing, |entry| {
            let live = entry.live.lock();
            Seen { user: live.user_for(&Command::Status).into_owned(), hidden: live.hidden() }
        })
    }

    /// What the answers to a question say.
    fn answered(
        &self,
        cluster: &Cluster,
        id: &UserId,
        command: &Command,
        question: Question,
        answers: Vec<Rows>,
    ) -> Result<Answered, CommandError> {
        let Question { orders, parts, .. } = question;
        let mut answers = answers.into_iter();
        let mut next = || next_rows(&mut answers);
        let rows = cluster.read_live(id, &next()?)?;
        let mut loaded = Loaded::default();
        let orders = match orders {
            None => None,
            Some(known) => {
                let under = cutoff::read_newest(&next()?)?;
                let cutoffs = if known.has_orders { cutoff::read_all(&next()?)? } else { Vec::new() };
                let named = if known.has_scoped { scoped::read_of_user(&next()?)? } else { Vec::new() };
                Some((known, under, cutoffs, named))
            }
        };
        for part in parts {
            loaded.absorb(part, &next()?)?;
        }
        if let Some((known, under, cutoffs, named)) = orders {
            let rules = &self.shared.rules;
            // While no order is in force, the user's tenant need not be known.
            let tenant = known.has_orders.then(|| command.tenant(id, &loaded, rules)).transpose()?;
            let former = known.has_orders.then(|| command.former_tenant(id, &loaded, rules)).transpose()?;
            let former = former.flatten();
            let of = |tenant: TenantId| {
                let cutoff = cutoffs.iter().find(|(other, _)| *other == tenant);
                cutoff.map(|(_, cutoff)| cutoff.clone())
            };
            let naming = |tenant: Option<TenantId>| -> Vec<Cutoff> {
                let of_tenant = named.iter().filter(|(other, _)| Some(*other) == tenant);
                of_tenant.map(|(_, cutoff)| cutoff.clone()).collect()
            };
            loaded.orders = Some(Orders {
                cutoff: tenant.and_then(of),
                named: naming(tenant),
                former: former.and_then(of),
                former_named: naming(former),
                under,
            });
        }
        Ok(Answered { rows, loaded })
    }

    /// Whether the user may have opened a connection at a later date than now: the clock is behind one that left memory.
    fn may_have_opened_later(&self, user: &EntryGuard, command: &Command, at: Moment) -> bool {
        matches!(command, Command::Open(_) | Command::OpenConsole(_))
            && user.id.number().is_some()
            // Openings of other processes are not known here.
            && (self.has_company() || at.now <= self.shared.table.forgotten_opening())
    }

    /// Makes the outcome of a turn durable: its changes, and in the same transaction the live rows that its actions change.
    pub(super) async fn commit(
        &self,
        user: &EntryGuard,
        turn: Turn,
        changes: &[Change],
        actions: &[Action],
    ) -> Result<(), CommandError> {
        match (turn, &self.shared.cluster) {
            (Turn::Shared(turn), Some(cluster)) => {
                Box::pin(self.commit_shared(cluster, user, *turn, changes, actions)).await
            }
            _ => self.commit_local(user, changes).await,
        }
    }

    async fn commit_shared(
        &self,
        cluster: &Cluster,
        user: &EntryGuard,
        turn: SharedTurn,
        changes: &[Change],
        actions: &[Action],
    ) -> Result<(), CommandError> {
        let mut all = statements(&user.id, changes);
        all.extend(changes.iter().filter_map(|change| self.trim(change)));
        all.extend(actions.iter().filter_map(|action| cluster.statement(&turn.user, action)));
        let outgoing = cluster.outgoing(&user.id, &turn.elsewhere, actions, turn.notice.as_deref());
        let is_for_others = !outgoing.nodes.is_empty();
        all.extend(outgoing.statements);
        if all.is_empty() {
            turn.transaction.roll_back();
        } else {
            let is_passing = changes.is_empty() && !is_for_others && actions.iter().all(is_passing);
            let durability = if is_passing { Durability::Soon } else { Durability::Now };
            let begun = Instant::now();
            let mut outcome = turn.transaction.commit(&all, durability).await;
            self.shared.metrics.committed(begun.elapsed());
            // It may have happened where that is not known.
            cluster.ring_soon(outgoing.nodes);
            // A process that was frozen meanwhile may be dead: it lets nobody in.
            if outcome.is_ok() && actions.iter().any(is_opening) && cluster.store.may_serve().is_err() {
                outcome = Err(StoreError::too_late());
            }
            if let Err(StoreError::Unknown(_)) = &outcome {
                self.doubt(user, actions, turn.frames);
            }
            outcome?;
        }
        user.live.lock().settle_doubts();
        self.shared.unseen.committed(changes);
        Ok(())
    }

    /// Ends a turn whose changes are committed later, together with those of other users. Returns what of live rows belongs to that
    /// commit.
    pub(super) fn leave(&self, user: &EntryGuard, turn: Turn, actions: &[Action]) -> Leaving {
        let (Turn::Shared(turn), Some(cluster)) = (turn, &self.shared.cluster) else {
            return Leaving::default();
        };
        let statements = actions.iter().filter_map(|action| cluster.statement(&turn.user, action)).collect();
        let retired = |action: &Action| match action {
            Action::Retire(ids) => ids.clone(),
            _ => Vec::new(),
        };
        let connections: Vec<ConnId> = actions.iter().flat_map(retired).collect();
        turn.transaction.roll_back();
        let mut live = user.live.lock();
        live.settle_doubts();
        live.leave(&connections);
        Leaving { statements, connections }
    }
}

/// Rows of connections that have ended already.
#[derive(Clone, Default)]
pub(super) struct Leaving {
    pub(super) statements: Vec<Statement>,
    pub(super) connections: Vec<ConnId>,
}

const fn is_opening(action: &Action) -> bool {
    matches!(action, Action::Admit(_) | Action::AdmitConsole(_))
}

/// Whether what an action does to rows may be lost with the engine: memory has it too.
const fn is_passing(action: &Action) -> bool {
    matches!(
        action,
        Action::SetBackground { .. } | Action::Send { .. } | Action::KeepConsole(_) | Action::KeepPace(_)
    )
}
