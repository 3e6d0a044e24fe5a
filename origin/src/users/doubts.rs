//! Commits without an answer: all of it happened, or nothing. Their session holds the user's lock in the engine until that is decided,
//! so that the next command finds out.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_api::Chain;
use rollcall_core::{
    gateway::Close,
    id::{ConnId, UserId},
    user::{Action, Change, User, request::Tick},
};
use tokio::time::sleep;

use super::{entry::Live, entry_guard::EntryGuard, error::CommandError, registry::Users, run::statements};
use crate::{
    cluster::{Parcel, of_user},
    store::{Durability, Patience, StoreError, rows_at},
};

/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Users who are looked after at a time.
const AT_A_TIME: usize = 2;

/// What memory keeps of a user until the store has it, or is known to have it not.
#[derive(Default)]
pub(super) struct Doubted {
    /// The frames and closes that such commits had for sockets here.
    actions: Vec<Action>,
    /// Connections that they opened, if they happened. No client was let in.
    opened: Vec<ConnId>,
    /// Connections that an order to a tenant has ended here, whose rows are removed together with those of other users.
    leaving: Vec<ConnId>,
}

/// Users with such a commit, until it is known what became of it.
#[derive(Default)]
pub(super) struct Doubts {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Each once.
    waiting: VecDeque<UserId>,
    /// Users who are looked after, and whether once more.
    in_hand: HashMap<UserId, bool>,
    workers: usize,
}

/// A user who is looked after.
struct InHand<'a> {
    doubts: &'a Doubts,
    id: UserId,
    /// Whether it has to be looked after once more.
    again: bool,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        let mut state = self.doubts.state.lock();
        if state.in_hand.remove(&self.id).unwrap_or_default() || self.again {
            state.waiting.push_back(self.id.clone());
        }
        if std::thread::panicking() {
            state.workers -= 1;
        }
    }
}

impl Doubts {
    /// Adds a user. Whether it needs one more worker.
    fn add(&self, id: &UserId) -> bool {
        let mut state = self.state.lock();
        if let Some(again) = state.in_hand.get_mut(id) {
            *again = true;
            return false;
        }
        if !state.waiting.contains(id) {
            state.waiting.push_back(id.clone());
        }
        let is_short = state.workers < AT_A_TIME;
        state.workers += usize::from(is_short);
        is_short
    }

    /// Whether no user is in doubt.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.workers == 0
    }

    /// The next user. With the last one the worker ends.
    fn next(&self) -> Option<InHand<'_>> {
        let mut state = self.state.lock();
        let Some(id) = state.waiting.pop_front() else {
            state.workers -= 1;
            return None;
        };
        state.in_hand.insert(id.clone(), false);
        Some(InHand { doubts: self, id, again: false })
    }
}

impl Users {
    /// Keeps what a commit without an answer was to bring about, and looks after its user behind it. `frames` says which frames.
    pub(super) fn doubt(&self, user: &EntryGuard, actions: &[Action], frames: Frames) {
        user.live.lock().doubt(actions, frames);
        if self.shared.doubts.add(&user.id) {
            let all = self.clone();
            tokio::spawn(async move {
                while let Some(mut user) = all.shared.doubts.next() {
                    if let Err(error) = all.reconcile(&user.id).await {
                        tracing::error!(error = %Chain(&error), "what became of a commit is looked for again");
                        user.again = !matches!(error, CommandError::Store(StoreError::Closed));
                        user.again &= !error.is_permanent();
                        drop(user);
                        sleep(PAUSE).await;
                    }
                }
            });
        }
    }

    /// Brings a user's sockets and rows together, and wakes what the commit may have left due.
    async fn reconcile(&self, id: &UserId) -> Result<(), CommandError> {
        // Each command closes the sockets whose rows are gone.
        let work = self.run(id, Tick).await?;
        let opened = self.shared.table.get(id).map(|entry| entry.live.lock().unanswered());
        for connection in opened.unwrap_or_default() {
            self.end_unanswered(id, connection).await?;
        }
        self.do_pending_work(id, work).await;
        Ok(())
    }

    /// Ends an opening that had no answer, at its beginning: no client was let in.
    async fn end_unanswered(&self, id: &UserId, connection: ConnId) -> Result<(), CommandError> {
        let Some(cluster) = &self.shared.cluster else { return Ok(()) };
        let user = self.entry(id);
        let _lock = user.lock().await;
        let (transaction, answers) = cluster.store.begin(id.as_str(), &[of_user(id)], Patience::Long).await?;
        let rows = cluster.read_live(id, rows_at(&answers, 0)?)?;
        let stored = rows.user(cluster.node, &User::new(id.clone(), Vec::new()), |_| false);
        let retire = Action::Retire(vec![connection]);
        let began = stored.began(connection);
        let end = began.and_then(|(record, at)| Some(Change::RecordEnded { record: record?, at }));
        let mut all = statements(id, end.as_slice());
        all.extend(began.and_then(|_| cluster.statement(&stored, &retire)));
        transaction.commit(&all, Durability::Now).await?;
        user.live.lock().end_unanswered(&retire, connection);
        Ok(())
    }
}

impl Live {
    /// A commit without an answer was to bring about these actions. What it opened counts as lost, since no client was let in; what
    /// it had for sockets that it ended is kept until it is known whether they have rows.
    fn doubt(&mut self, actions: &[Action], frames: Frames) {
        for action in actions {
            let opened = match action {
                Action::Admit(connection) => connection.id,
                Action::AdmitConsole(console) => console.id,
                _ => continue,
            };
            self.settle(action);
            self.doubted.get_or_insert_default().opened.push(opened);
        }
        let kept = |action: &Action| match action {
            Action::Close { connection, .. } => Some(*connection),
            Action::Send { connection, .. } if frames == Frames::All => Some(*connection),
            _ => None,
        };
        let concerned: Vec<ConnId> =
            actions.iter().filter_map(kept).filter(|id| self.sockets.contains_key(id)).collect();
        if concerned.is_empty() {
            return;
        }
        let is_of_one = |action: &Action| receiver(action).is_some_and(|id| concerned.contains(&id));
        let doubted = self.doubted.get_or_insert_default();
        // A later command has the earlier ones' too.
        doubted.actions.retain(|action| !is_of_one(action));
        doubted.actions.extend(actions.iter().filter(|action| is_of_one(action)).cloned());
    }

    /// What commits without an answer have left to do, these being the rows of this process: frames for sockets that stay, and the ends
    /// of sockets whose rows are gone. A socket gets the frames and the close of the commit that ended it. Where no such commit did, its
    /// client may come back and is judged anew.
    /// `parcels` are what other processes have for sockets here.
    pub(super) fn make_up(&self, rows: &[ConnId], parcels: &[Parcel]) -> Vec<Action> {
        let gone = self.gone(rows);
        let doubted = self.doubted.as_ref().map(|doubted| doubted.actions.as_slice()).unwrap_or_default();
        let is_frame = |action: &&Action| {
            matches!(action, Action::Send { connection, .. } if !gone.contains(connection))
                && !doubted
                    .iter()
                    .any(|close| matches!(close, Action::Close { .. }) && receiver(close) == receiver(action))
        };
        let mut actions: Vec<Action> = doubted.iter().filter(is_frame).cloned().collect();
        if gone.is_empty() {
            return actions;
        }
        actions.push(Action::Retire(gone.clone()));
        for connection in gone {
            actions.extend(doubted.iter().filter(|action| receiver(action) == Some(connection)).cloned());
            let of_others = parcels
                .iter()
                .filter(|parcel| parcel.closes)
                .filter(|parcel| parcel.address.as_ref().is_some_and(|(_, one)| *one == connection));
            actions.extend(of_others.flat_map(|parcel| parcel.actions(&self.user)));
            // The first close counts.
            actions.push(Action::Close { connection, close: Close::Draining });
        }
        actions
    }

    /// Sockets whose rows are gone, these being the rows of this process.
    fn gone(&self, rows: &[ConnId]) -> Vec<ConnId> {
        let is_open = |id: &ConnId| self.sockets.contains_key(id);
        self.user.ids().filter(is_open).filter(|id| !rows.contains(id)).collect()
    }

    /// Whether a commit without an answer may have ended a socket.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubted.as_ref().is_some_and(|doubted| !doubted.actions.is_empty())
    }

    /// A command has found out what happened, and its own actions follow.
    pub(super) fn settle_doubts(&mut self) {
        self.keep(|doubted| doubted.actions.clear());
    }

    /// The rows of these connections, which memory has no more, are removed later.
    pub(super) fn leave(&mut self, connections: &[ConnId]) {
        if !connections.is_empty() {
            self.doubted.get_or_insert_default().leaving.extend(connections);
        }
    }

    /// Those rows are removed.
    pub(super) fn have_left(&mut self, connections: &[ConnId]) {
        self.keep(|doubted| doubted.leaving.retain(|id| !connections.contains(id)));
    }

    /// Connections that commits without an answer opened, if they happened.
    fn unanswered(&self) -> Vec<ConnId> {
        self.doubted.as_ref().map(|doubted| doubted.opened.clone()).unwrap_or_default()
    }

    /// Such a connection is ended.
    fn end_unanswered(&mut self, retire: &Action, connection: ConnId) {
        self.settle(retire);
        self.keep(|doubted| doubted.opened.retain(|id| *id != connection));
    }

    fn keep(&mut self, change: impl FnOnce(&mut Doubted)) {
        if let Some(doubted) = &mut self.doubted {
            change(doubted);
        }
        let is_over = |doubted: &Doubted| {
            doubted.actions.is_empty() && doubted.opened.is_empty() && doubted.leaving.is_empty()
        };
        self.doubted.take_if(|doubted| is_over(doubted));
    }

    /// Connections whose sockets are gone and whose ends are not durable yet.
    pub(super) fn lost(&self) -> Vec<ConnId> {
        self.user.ids().filter(|id| !self.sockets.contains_key(id)).collect()
    }

    /// The same with those that an order to a tenant has ended: no answer shows their rows.
    pub(super) fn hidden(&self) -> Vec<ConnId> {
        let leaving = self.doubted.iter().flat_map(|doubted| &doubted.leaving);
        self.lost().into_iter().chain(leaving.copied()).collect()
    }
}

/// The frames that are kept of a commit without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    /// Those of sockets that it ended.
    OfEnded,
    /// All: what they say is true whether it happened or not, and no later command repeats it.
    All,
}

/// The socket that an action is for.
const fn receiver(action: &Action) -> Option<ConnId> {
    match action {
        Action::Send { connection, .. } | Action::Close { connection, .. } => Some(*connection),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_looked_after_by_one_and_who_was_in_vain_waits_behind_the_others() {
        let (doubts, user) = (Doubts::default(), |n: i64| UserId::from(n));
        assert!(doubts.add(&user(2)) && doubts.add(&user(1)));
        assert!(!doubts.add(&user(3)) && !doubts.add(&user(2)), "two workers are there");
        let mut first = doubts.next().unwrap();
        assert_eq!(first.id, user(2));
        assert!(!doubts.add(&user(2)), "it is in doubt once more");
        let second = doubts.next().unwrap();
        assert_eq!(second.id, user(1));
        drop(second);
        first.again = true;
        drop(first);
        let ids = || std::iter::from_fn(|| Some(doubts.next()?.id.clone())).collect::<Vec<_>>();
        assert_eq!(ids(), [user(3), user(2)]);
        assert!(doubts.next().is_none() && doubts.is_empty());
        assert!(doubts.add(&user(3)));
        let worker = std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let user = doubts.next();
                assert!(user.is_none(), "this worker panics");
            });
            worker.join()
        });
        assert!(worker.is_err() && doubts.add(&user(4)), "its place is free");
    }
}
