//! The request: whom a connection follows from now on, and where those are.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use super::{SUBSCRIPTIONS, Seen, Stamp, Subscription};
use crate::{
    gateway::{
        self,
        frame::Request,
        payload::{PresenceTip, PresenceTips, Subscribe},
    },
    id::UserId,
    openim::Code,
    platform::{Platform, PlatformSet},
    time::Moment,
    user::{Action, Change, Connection, Loaded, Outcome, Reply, Ticket, Ties, User},
};

impl User {
    /// Takes back first, then follows; what is too much is let go, the oldest first.
    pub(in crate::user) fn follow(
        &self,
        connection: &Connection,
        request: &Request,
        loaded: &Loaded,
        at: Moment,
    ) -> Outcome {
        let answer = |response| {
            let payload = gateway::encode(connection.wire, &response);
            let actions = vec![Action::Send { connection: connection.id, payload }];
            Outcome { actions, ..Outcome::of(Reply::Done) }
        };
        let Ok(Subscribe { mut subscribe, unsubscribe }) = Subscribe::decode(request.data.as_slice()) else {
            return answer(request.fail(Code::Args));
        };
        let asked = subscribe.split_off(subscribe.len().saturating_sub(SUBSCRIPTIONS));
        let ids =
            asked.iter().enumerate().filter_map(|(place, id)| Some((UserId::new(id.as_str()).ok()?, place)));
        let wanted: BTreeMap<UserId, Stamp> = ids.map(|(id, place)| (id, Stamp::new(at, place))).collect();
        let released = released(&loaded.subscriptions, &wanted, &unsubscribe);

        let mut outcome = if asked.is_empty() {
            answer(request.answer(Some(Vec::new())))
        } else {
            let ticket = Ticket {
                connection: connection.id,
                operation_id: request.operation_id.clone(),
                msg_incr: request.msg_incr.clone(),
                asked,
            };
            let watches = wanted.iter().map(|(user, stamp)| (user.clone(), *stamp)).collect();
            Outcome { actions: vec![Action::Watch { watches, ticket }], ..Outcome::of(Reply::Done) }
        };
        if !released.is_empty() {
            outcome.changes.push(Change::Unsubscribed { connection: connection.id, watched: released });
            let ties = Ties { release_at: Some(at.now), ..loaded.ties.clone() };
            outcome.changes.push(Change::Ties(ties));
            outcome.wake_at = Some(at.now);
        }
        // The store's lists end a text at U+0000: such a user is asked, and not followed.
        let kept: Vec<_> = wanted.into_iter().filter(|(user, _)| !user.as_str().contains('\0')).collect();
        if !kept.is_empty() {
            outcome.changes.push(Change::Subscribed { connection: connection.id, watched: kept });
        }
        outcome
    }

    /// The others have said where they are, or could not be asked; the one who asked is told, if it still lives.
    pub(in crate::user) fn answered(
        &self,
        ticket: &Ticket,
        told: Option<&[(UserId, Stamp, Seen)]>,
        loaded: &Loaded,
    ) -> Outcome {
        let Some(connection) = self.connection(ticket.connection) else {
            return Outcome::of(Reply::Done);
        };
        let request = Request {
            identifier: IDENTIFIER,
            msg_incr: ticket.msg_incr.clone(),
            operation_id: ticket.operation_id.clone(),
            ..Request::default()
        };
        let mut changes = Vec::new();
        let response = match told {
            Some(told) => {
                let (shown, news) = reconciled(told, &loaded.subscriptions);
                if !news.is_empty() {
                    changes.push(Change::Heard { connection: connection.id, told: news });
                }
                let platforms = |id: &String| shown.get(id.as_str()).copied().unwrap_or_default();
                let users = ticket.asked.iter().map(|id| tip(id, platforms(id))).collect();
                request.answer(Some(PresenceTips { users }.encode_to_vec()))
            }
            None => {
                // No answer will show what was heard meanwhile: from here on it is pushed.
                let asked: BTreeSet<&str> = ticket.asked.iter().map(String::as_str).collect();
                let of_it =
                    |row: &&Subscription| row.heard.is_unanswered() && asked.contains(row.watched.as_str());
                let waiting = loaded.subscriptions.iter().filter(of_it);
                let told: Vec<_> = waiting.map(|row| (row.watched.clone(), Seen::default())).collect();
                if !told.is_empty() {
                    changes.push(Change::Heard { connection: connection.id, told });
                }
                request.fail(Code::Internal)
            }
        };
        let payload = gateway::encode(connection.wire, &response);
        let actions = vec![Action::Send { connection: connection.id, payload }];
        Outcome { changes, actions, ..Outcome::of(Reply::Done) }
    }
}

/// `reqIdentifier` of requests, answers and pushes.
pub(super) const IDENTIFIER: i32 = 2005;

/// One user in an answer or a push.
pub(super) fn tip(user: &str, platforms: PlatformSet) -> PresenceTip {
    let platforms = platforms.iter().map(Platform::number).map(i32::from).collect();
    PresenceTip { user_id: user.to_owned(), platforms }
}

/// The rows that a request ends: what it takes back, and the oldest of what is too much with it.
fn released(rows: &[Subscription], wanted: &BTreeMap<UserId, Stamp>, unsubscribe: &[String]) -> Vec<UserId> {
    let taken_back: BTreeSet<&str> = unsubscribe.iter().map(String::as_str).collect();
    let others = rows.iter().filter(|row| !wanted.contains_key(&row.watched));
    let (mut released, mut staying): (Vec<_>, Vec<_>) =
        others.partition(|row| taken_back.contains(row.watched.as_str()));
    staying.sort_unstable_by_key(|row| row.stamp);
    let too_many = (staying.len() + wanted.len()).saturating_sub(SUBSCRIPTIONS);
    released.extend(staying.into_iter().take(too_many));
    released.into_iter().map(|row| row.watched.clone()).collect()
}

/// What the client is shown of each, and which of it the rows do not say yet. A notice may have come before the answer,
/// and a later request of the same connection may be under way.
fn reconciled<'a>(
    told: &'a [(UserId, Stamp, Seen)],
    rows: &[Subscription],
) -> (BTreeMap<&'a str, PlatformSet>, Vec<(UserId, Seen)>) {
    let rows: BTreeMap<&str, &Subscription> = rows.iter().map(|row| (row.watched.as_str(), row)).collect();
    let mut news = Vec::new();
    let shown = told.iter().map(|(user, stamp, seen)| {
        let row = rows.get(user.as_str()).copied();
        let newest = row.map(|row| row.heard).filter(|heard| heard.sequence > seen.sequence).unwrap_or(*seen);
        if row.is_some_and(|row| row.stamp == *stamp && row.heard != newest) {
            news.push((user.clone(), newest));
        }
        (user.as_str(), newest.platforms)
    });
    (shown.collect(), news)
}
