//! Carrying out a command: load, apply, commit, act, answer.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, stream};

use rollcall_api::metrics::{KickCause, console_protocol, protocol};
use rollcall_core::{
    directory::{upsert, view::Cutoff},
    gateway::{Close, Incoming},
    id::{ConnId, TenantId, UserId},
    shard::scoped,
    store::Statement,
    time::{Moment, Timestamp},
    token::{TokenHash, store::TokenRow},
    user::{
        Action, Change, Command, ConsoleMessage, Loaded, Needs, OpenError, Orders, Outcome, Reply, Request,
        end_of_piece, read_end_of_piece,
        request::{Close as EndConnection, Receive, Tick},
    },
};

use super::{
    detached::DetachedCompletion,
    entry::{Entry, Live},
    entry_guard::EntryGuard,
    error::CommandError,
    registry::Users,
    retry::until_durable,
};
use crate::{
    clock::{moment, now, reached},
    outbox::{Closing, Outbox},
    store::{StoreError, rows_at},
};

/// Users who execute a command of one call concurrently: enough to share an fsync, too few to starve the others.
pub(super) const CONCURRENCY: usize = 256;

/// Attempts of a command that meets other transactions. Each meets fewer of them.
const ATTEMPTS: u32 = 8;

/// The socket of a connection that is being opened.
pub struct PendingSocket {
    /// The queue that the socket will send from.
    pub outbox: Outbox,
    /// Called when the connection has become live although its client has left.
    pub on_abandoned: Box<dyn FnOnce() + Send>,
}

impl Users {
    /// Executes a command of a user, and returns once its whole outcome has happened.
    ///
    /// # Errors
    /// When the state could not be loaded or the changes could not be committed. Then nothing happened.
    pub async fn run<R: Request>(&self, id: &UserId, request: R) -> Result<R::Reply, CommandError> {
        let reply = self.execute(id, request.into());
        Ok(R::read(reply.await?)?)
    }

    /// [`Users::run`] with an untyped command and reply.
    ///
    /// # Errors
    /// As [`Users::run`].
    pub async fn execute(&self, id: &UserId, command: Command) -> Result<Reply, CommandError> {
        self.dispatch(id, command, None).await
    }

    /// Executes commands of many users, and returns the replies in their order.
    ///
    /// # Errors
    /// The first error, after all commands were executed.
    pub async fn execute_many(&self, commands: Vec<(UserId, Command)>) -> Result<Vec<Reply>, CommandError> {
        let in_memory = commands.iter().map(|(user, command)| self.answer_from_memory(user, command));
        if let Some(replies) = in_memory.collect() {
            return Ok(replies);
        }
        Box::pin(self.execute_each(commands)).await.into_iter().collect()
    }

    /// The same, with a result of each command.
    pub(super) async fn execute_each(
        &self,
        commands: Vec<(UserId, Command)>,
    ) -> Vec<Result<Reply, CommandError>> {
        let run = |(user, command): (UserId, Command)| async move { self.execute(&user, command).await };
        stream::iter(commands.into_iter().map(run)).buffered(CONCURRENCY).collect().await
    }

    /// Executes a command that opens a connection.
    ///
    /// # Errors
    /// As [`Users::run`].
    pub async fn open<R>(
        &self,
        id: &UserId,
        opening: R,
        pending: PendingSocket,
    ) -> Result<Result<(), OpenError>, CommandError>
    where
        R: Request<Reply = Result<(), OpenError>>,
    {
        let reply = self.dispatch(id, opening.into(), Some(pending));
        Ok(R::read(reply.await?)?)
    }

    /// Carries out a message of a console. It is decoded before the user is locked, so that readers do not wait for that. The messages of
    /// one console come one after the other.
    ///
    /// # Errors
    /// As [`Users::run`].
    pub async fn carry_out_message(
        &self,
        id: &UserId,
        connection: ConnId,
        message: &Incoming,
    ) -> Result<(), CommandError> {
        let console = self.shared.table.get(id).and_then(|entry| {
            let live = entry.live.lock();
            live.user.consoles().iter().find(|console| console.id == connection).cloned()
        });
        // Of a console that has ended there is nothing to hear.
        let Some(console) = console else { return Ok(()) };
        let message = ConsoleMessage::decode(&console, message);
        self.run(id, Receive { connection, message }).await
    }

    /// Ends a connection whose socket has closed. It leaves the live set at once, and no reader waits for the store. Its end is
    /// written until it is durable.
    pub async fn end(&self, id: &UserId, connection: ConnId) {
        self.forget_socket(id, connection);
        let close = || async {
            if !self.has(id, connection) {
                // Another command has already ended it.
                return Ok(());
            }
            self.run(id, EndConnection { connection }).await
        };
        until_durable("the end of a connection", close).await;
    }

    fn has(&self, id: &UserId, connection: ConnId) -> bool {
        self.shared.table.get(id).is_some_and(|entry| entry.live.lock().user.has(connection))
    }

    async fn dispatch(
        &self,
        id: &UserId,
        command: Command,
        pending: Option<PendingSocket>,
    ) -> Result<Reply, CommandError> {
        if let Some(reply) = self.answer_from_memory(id, &command) {
            return Ok(reply);
        }
        if let Some(reply) = self.carry_out_alone(id, &command) {
            return Ok(reply);
        }
        // What waits is in a box: a future is moved several times before it is polled, and most commands do not wait.
        Box::pin(self.dispatch_waiting(id, command, pending)).await
    }

    async fn dispatch_waiting(
        &self,
        id: &UserId,
        command: Command,
        pending: Option<PendingSocket>,
    ) -> Result<Reply, CommandError> {
        match command {
            Command::Status
            | Command::Overview { .. }
            | Command::Snapshot { .. }
            | Command::VerifyToken { .. }
            | Command::CanOpen(_)
            | Command::CanOpenConsole(_)
            | Command::Account => self.query(id, &command).await,
            command => self.change(id, command, pending).await,
        }
    }

    /// The reply to a query, if memory alone has it.
    pub(super) fn answer_from_memory(&self, id: &UserId, command: &Command) -> Option<Reply> {
        match command {
            _ if self.shared.cluster.is_some() => None,
            Command::Status => self.status_from_memory(id, command),
            Command::VerifyToken { token } => self.verdict_from_memory(id, command, token),
            _ => None,
        }
    }

    /// The verdict on a token whose row is cached, while no order is in force: one of them may be to the user's tenant, which the
    /// store knows.
    fn verdict_from_memory(&self, id: &UserId, command: &Command, token: &TokenHash) -> Option<Reply> {
        let orders = self.shared.cutoffs.none_in_force()?;
        let entry = self.shared.table.get(id)?;
        entry.used.store(true, Ordering::Relaxed);
        let live = entry.live.lock();
        let loaded =
            Loaded { orders: Some(orders), presented: Some(live.token(token)?), ..Loaded::default() };
        let outcome = live.user_for(command).apply(command, &loaded, &self.shared.rules, moment()).ok()?;
        Some(outcome.reply)
    }

    /// A user without an entry has no sockets. If a connection began before the newest order, the store is needed, since it knows
    /// the user's tenant.
    fn status_from_memory(&self, id: &UserId, command: &Command) -> Option<Reply> {
        let Some(entry) = self.shared.table.get(id) else { return Some(Reply::Presence(Vec::new())) };
        let live = entry.live.lock();
        let user = live.user_for(command);
        if user.began_before(self.shared.cutoffs.newest_in_force()) {
            return None;
        }
        let loaded = Loaded { orders: Some(Orders::default()), ..Loaded::default() };
        let outcome = user.apply(command, &loaded, &self.shared.rules, moment()).ok()?;
        Some(outcome.reply)
    }

    /// Carries out a message that concerns its own socket alone, as most do: a ping needs neither the store nor the user's lock.
    fn carry_out_alone(&self, id: &UserId, command: &Command) -> Option<Reply> {
        let is_message = matches!(command, Command::Receive { .. } | Command::Decoded { .. });
        if !is_message || command.needs() != Needs::default() {
            return None;
        }
        // A server that others may have declared dead serves nothing: its sockets are kept up, and that is all.
        if self.shared.store.may_serve().is_err() && !command.keeps_alive() {
            return None;
        }
        let entry = self.shared.table.get(id)?;
        let at = Moment { now: self.now(), ..moment() };
        let mut live = entry.live.lock();
        if live.is_in_doubt() {
            return None;
        }
        let outcome =
            live.user_for(command).apply(command, &Loaded::default(), &self.shared.rules, at).ok()?;
        let is_alone = |action: &Action| matches!(action, Action::Send { .. } | Action::KeepConsole(_));
        let Outcome { reply, changes, actions, wake_at } = outcome;
        if !changes.is_empty() || !actions.iter().all(is_alone) || wake_at.is_some() {
            return None;
        }
        self.act_on(&mut live, actions, None, KickCause::of(command));
        Some(reply)
    }

    /// Executes a command that changes nothing, without the user's lock: its rows come from one committed state.
    async fn query(&self, id: &UserId, command: &Command) -> Result<Reply, CommandError> {
        if let Some(cluster) = &self.shared.cluster {
            return Box::pin(self.query_shared(cluster, id, command)).await;
        }
        let user = self.entry(id);
        let (loaded, at) = self.load(&user, command).await?;
        Ok(user.live.lock().user_for(command).apply(command, &loaded, &self.shared.rules, at)?.reply)
    }

    /// Executes a command under the user's lock. Once the lock is held, the command runs to its end even if its caller leaves:
    /// a change that is committed must also reach memory and sockets.
    async fn change(
        &self,
        id: &UserId,
        command: Command,
        pending: Option<PendingSocket>,
    ) -> Result<Reply, CommandError> {
        let is_order = matches!(command.alone(), Command::ForceOff(_));
        let (outbox, on_abandoned) = pending.map(|pending| (pending.outbox, pending.on_abandoned)).unzip();
        let (all, user) = (self.clone(), self.entry(id));
        let lock = user.lock().await;
        let work = async move {
            let done = all.execute_locked(&user, &command, outbox).await;
            drop(lock);
            done
        };
        let on_detached = |done: Result<(Reply, Vec<Closing>), CommandError>| match (done, on_abandoned) {
            (Ok((Reply::Opened(Ok(())), _)), Some(on_abandoned)) => on_abandoned(),
            (Ok(_), _) => {}
            (Err(error), _) => tracing::warn!(%error, "a command failed after its client had left"),
        };
        let (reply, closing) = DetachedCompletion::new(work, on_detached).await?;
        if is_order {
            // The answer to a forced logout means that the sockets are closed. The close timeout bounds the wait.
            for closed in closing {
                closed.wait().await;
            }
            self.closed_elsewhere(id).await?;
        }
        Ok(reply)
    }

    /// Waits until other processes have closed what orders have ended of a user there.
    async fn closed_elsewhere(&self, id: &UserId) -> Result<(), CommandError> {
        let Some(cluster) = &self.shared.cluster else { return Ok(()) };
        Ok(Box::pin(cluster.closed_elsewhere(id)).await?)
    }

    /// Loads, applies, commits and acts. The caller holds the user's lock.
    ///
    /// The order is the product's promise: nothing is visible before it is durable, and once the reply goes out, every frame
    /// and close is under way. A failed commit leaves memory as it was, since only actions change it.
    async fn execute_locked(
        &self,
        user: &EntryGuard,
        command: &Command,
        outbox: Option<Outbox>,
    ) -> Result<(Reply, Vec<Closing>), CommandError> {
        let Outcome { reply, actions, wake_at, .. } = self.make_durable(user, command).await?;
        let cause = KickCause::of(command);
        let closing = self.act(user, actions, outbox, cause);
        if let (Command::Close { connection }, Some(_)) = (command, &self.shared.cluster) {
            // Another process may have written down its end before.
            user.live.lock().settle(&Action::Retire(vec![*connection]));
        }
        self.wake_as_wished(user, wake_at);
        Ok((reply, closing))
    }

    /// The outcome of a command once its changes are durable. It is decided anew where another transaction was in its way.
    pub(super) async fn make_durable(
        &self,
        user: &EntryGuard,
        command: &Command,
    ) -> Result<Outcome, CommandError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (outcome, turn) = self.decide(user, command).await?;
            match self.commit(user, turn, &outcome.changes, &outcome.actions).await {
                Ok(()) => return Ok(outcome),
                Err(CommandError::Store(error)) if error.is_conflict() && attempts < ATTEMPTS => {}
                // The server may have ended the session meanwhile.
                Err(CommandError::Store(StoreError::Unreachable(_))) if attempts == 1 => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes the changes of one outcome durable, where no other process has the store.
    pub(super) async fn commit_local(
        &self,
        user: &EntryGuard,
        changes: &[Change],
    ) -> Result<(), CommandError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.kick_in_pieces(user, changes).await?;
        let mut all = statements(&user.id, changes);
        all.extend(changes.iter().filter_map(|change| self.trim(change)));
        let outcome = self.shared.store.commit(all).await;
        // What may have happened is read again.
        if !matches!(&outcome, Err(error) if error.had_no_effect()) && changes.iter().any(touches_tokens) {
            user.live.lock().forget_tokens();
        }
        outcome?;
        self.shared.unseen.committed(changes);
        Ok(())
    }

    /// Does most of long changes in commits of their own, between which other users' commits come.
    async fn kick_in_pieces(&self, user: &EntryGuard, changes: &[Change]) -> Result<(), CommandError> {
        let (store, id) = (&self.shared.store, &user.id);
        for change in changes.iter().filter(|change| change.is_long()) {
            let mut after = String::new();
            loop {
                let rows = store.load(vec![end_of_piece(id, &after)]).await?;
                let Some(to) = read_end_of_piece(rows_at(&rows, 0)?) else { break };
                let Some(piece) = change.piece(id, &after, &to) else { break };
                let done = store.commit(vec![piece]).await;
                user.live.lock().forget_tokens();
                done?;
                after = to;
            }
        }
        Ok(())
    }

    /// The deletion of the records that an opened one drives out: the store has the user's records and the directory in one table.
    pub(super) fn trim(&self, change: &Change) -> Option<Statement> {
        let Change::RecordOpened(record) = change else { return None };
        let keep = self.shared.settings.presence.max_records_per_user;
        Some(upsert::trim_one(record.tenant, record.user, keep))
    }

    /// Executes the actions in order, and returns the closes that have begun. `cause` is that of kicked connections.
    ///
    /// The live lock is held throughout, so that readers see all actions of a command or none.
    pub(super) fn act(
        &self,
        user: &EntryGuard,
        actions: Vec<Action>,
        outbox: Option<Outbox>,
        cause: KickCause,
    ) -> Vec<Closing> {
        self.act_on(&mut user.live.lock(), actions, outbox, cause)
    }

    pub(super) fn act_on(
        &self,
        live: &mut Live,
        actions: Vec<Action>,
        mut outbox: Option<Outbox>,
        cause: KickCause,
    ) -> Vec<Closing> {
        let metrics = &self.shared.metrics;
        let mut closing = Vec::new();
        for action in actions {
            live.settle(&action);
            match action {
                Action::Admit(connection) => {
                    metrics.connected(protocol(connection.wire));
                    live.sockets.extend(outbox.take().map(|new| (connection.id, new)));
                }
                Action::AdmitConsole(console) => {
                    metrics.connected(console_protocol(&console));
                    if let Some(new) = outbox.take() {
                        new.set_heartbeat(console.heartbeat());
                        live.sockets.insert(console.id, new);
                    }
                }
                Action::KeepConsole(console) => {
                    if let Some(socket) = live.socket(console.id) {
                        socket.set_heartbeat(console.heartbeat());
                    }
                }
                Action::Send { connection, payload } => {
                    if let Some(socket) = live.socket(connection) {
                        metrics.dropped(socket.send(payload));
                    }
                }
                Action::Close { connection, close } => {
                    if let Some(socket) = live.socket(connection) {
                        if matches!(close, Close::Kicked | Close::ForcedOffline) {
                            metrics.kicked(cause);
                        }
                        closing.push(socket.close(close));
                    }
                }
                // It is of the live set alone.
                Action::SetUnder(_) => {}
                // The records were committed with the rest: list and search read the same database.
                Action::Publish { .. }
                | Action::Retire(_)
                | Action::KeepPace(_)
                | Action::SetBackground { .. } => {}
            }
        }
        closing
    }

    /// Schedules what an outcome wishes. When the console for whose expiry the user waits has gone, a tick now finds out what
    /// else the user waits for: mostly nothing, and then the user leaves memory.
    pub(super) fn wake_as_wished(&self, user: &EntryGuard, wish: Option<Timestamp>) {
        let is_needless = user.live.lock().has_needless_alarm();
        if let Some(until) = if is_needless { Some(self.now()) } else { wish } {
            self.wake(user, until);
        }
    }

    /// Schedules the user's `Tick`, unless an earlier one is scheduled: each tick returns the moment of the next.
    pub(super) fn wake(&self, user: &EntryGuard, until: Timestamp) {
        let Some(cancelled) = user.live.lock().set_alarm(until) else { return };
        let (all, id) = (self.clone(), user.id.clone());
        let until =
            self.shared.cluster.as_ref().map_or(until, |cluster| cluster.store.on_this_machine(until));
        tokio::spawn(async move {
            tokio::select! {
                () = reached(until) => {}
                _ = cancelled => return,
            }
            let tick = || all.run(&id, Tick);
            if let Some(work) = until_durable("what the user waits for", tick).await {
                all.do_pending_work(&id, work).await;
            }
        });
    }

    /// Loads the rows that the command needs, the orders to its tenant, and its moment.
    pub(super) async fn load(
        &self,
        user: &EntryGuard,
        command: &Command,
    ) -> Result<(Loaded, Moment), CommandError> {
        if matches!(command, Command::Open(_) | Command::OpenConsole(_)) {
            self.recall_opening(user).await?;
        }
        loop {
            let cutoffs = &self.shared.cutoffs;
            let newest = cutoffs.newest();
            // While no order is in force, the user's tenant need not be read, nor what names the user.
            let (has_orders, has_scoped) = (!cutoffs.is_empty(), cutoffs.has_scoped());
            let mut needs = command.needs();
            needs.profile |= needs.orders && has_orders;
            let needs_orders = needs.orders;
            let (mut loaded, named) = self.read(user, command, needs, needs_orders && has_scoped).await?;
            if needs_orders {
                let (id, rules) = (&user.id, &self.shared.rules);
                let tenant = has_orders.then(|| command.tenant(id, &loaded, rules)).transpose()?;
                let former = has_orders.then(|| command.former_tenant(id, &loaded, rules)).transpose()?;
                // Orders and serial are of one moment: an order that comes into force later has a greater serial, and covers
                // the command's outcome.
                loaded.orders = Some(cutoffs.orders(tenant, former.flatten(), &named));
            }
            // An order may have come into force during the read, which did not look for it. Then the loop reads again.
            if loaded.orders.as_ref().is_none_or(|orders| orders.under == newest) {
                return Ok((loaded, moment()));
            }
        }
    }

    /// Reads rows, and caches that of the presented token. The scoped cutoffs that name the user come with their tenants.
    async fn read(
        &self,
        entry: &Entry,
        command: &Command,
        mut needs: Needs,
        reads_named: bool,
    ) -> Result<(Loaded, Vec<(TenantId, Cutoff)>), CommandError> {
        let mut loaded = Loaded::default();
        let age = entry.live.lock().token_age();
        // What the delivery of a scoped cutoff leaves is read together with the cutoff, or a query could miss both.
        if !reads_named
            && let Some(hash) = needs.presented
            && let Some(row) = entry.live.lock().token(&hash)
        {
            loaded.presented = Some(row);
            needs.presented = None;
        }
        let parts = needs.queries(&entry.live.lock().user_for(command), now());
        if parts.is_empty() && !reads_named {
            return Ok((loaded, Vec::new()));
        }
        let (parts, mut statements): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        statements.extend(reads_named.then(|| scoped::of_user(entry.live.lock().user.id())));
        // One thread loads the rows of all logins.
        let store = &self.shared.store;
        let answers =
            if needs.reads_many() { store.query(statements).await } else { store.load(statements).await };
        let mut answers = answers?;
        let of_named = if reads_named { Some(answers.pop().ok_or(StoreError::Unanswered)?) } else { None };
        let named = of_named.map_or_else(|| Ok(Vec::new()), |rows| scoped::read_of_user(&rows))?;
        for (part, rows) in parts.into_iter().zip(answers) {
            loaded.absorb(part, &rows)?;
        }
        if let Needs { presented: Some(hash), .. } = needs {
            let row: Option<TokenRow> = loaded.presented.clone().flatten();
            entry.live.lock().remember(age, hash, row);
        }
        Ok((loaded, named))
    }

    /// Removes a connection's socket. No answer shows the connection afterwards, whatever the store holds.
    fn forget_socket(&self, id: &UserId, connection: ConnId) {
        if self.shared.table.get(id).is_some() {
            let user = self.entry(id);
            let mut live = user.live.lock();
            live.sockets.remove(&connection);
            live.subscribing.end(connection);
        }
    }
}

pub(super) fn statements(id: &UserId, changes: &[Change]) -> Vec<Statement> {
    changes.iter().flat_map(|change| change.statements(id)).collect()
}

fn touches_tokens(change: &Change) -> bool {
    matches!(
        change,
        Change::TokenIssued(_)
            | Change::TokenRestored(_)
            | Change::TokensKicked(_)
            | Change::TokensTaken { .. }
            | Change::TokensOutdated { .. }
            | Change::TokensUnder(_)
    )
}
