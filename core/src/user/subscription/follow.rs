//! The follower's side: the client's request to follow users, its answer with the presence of each, and the pushes when one
//! of them has moved.

use std::collections::BTreeMap;

use prost::Message as _;

use super::{
    PresenceNotice, PresenceVersion, RegistrationVersion, SUBSCRIPTIONS, Subscribing, Subscription,
    SubscriptionRequest, fan_out::changed,
};
use crate::{
    gateway::{
        self,
        frame::{Request, Response},
        payload::{PresenceTip, PresenceTips},
    },
    id::{ConnId, UserId},
    openim::Code,
    ordered::{self, distinct},
    platform::{Platform, PlatformSet},
    time::{Moment, Timestamp},
    user::{
        Action, Change, Connection, Loaded, NotLoaded, Outcome, PendingRequest, Reply, SubscriptionState,
        User,
    },
};

impl User {
    /// Cancels first, then follows. Beyond the bound the oldest subscriptions are dropped.
    pub(in crate::user) fn follow(
        &self,
        connection: &Connection,
        request: &SubscriptionRequest,
        loaded: &Loaded,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let SubscriptionRequest { subscribe, unsubscribe, .. } = request;
        let mut state = loaded.subscription_state()?.state.clone();
        let last = state.registered.advanced(at.now);
        let wanted =
            ordered::map(followable(subscribe).enumerate().map(|(place, id)| (id, last.after(place))));
        state.registered = wanted.values().copied().max().unwrap_or(state.registered);
        // An id in both lists stays followed: `released` leaves out what is wanted.
        let released = released(loaded.subscriptions()?, &wanted, unsubscribe);

        let mut outcome = if subscribe.is_empty() && request.more {
            Outcome::of(Reply::Subscribing(None))
        } else if subscribe.is_empty() {
            let answer = request.as_frame().answer(Some(Vec::new()));
            let payload = gateway::encode(connection.wire, &answer);
            let actions = vec![Action::Send { connection: connection.id, payload }];
            Outcome { actions, ..Outcome::of(Reply::Subscribing(None)) }
        } else {
            let pending = PendingRequest {
                connection: connection.id,
                operation_id: request.operation_id.clone(),
                msg_incr: request.msg_incr.clone(),
                asked: subscribe.clone(),
            };
            let watches = wanted.iter().map(|(user, registration)| (user.clone(), *registration)).collect();
            Outcome::of(Reply::Subscribing(Some(Subscribing { watches, pending })))
        };
        if !released.is_empty() {
            outcome.changes.push(Change::Unsubscribed { connection: connection.id, watched: released });
            state.release_at = Some(at.now);
            outcome.wake_at = Some(at.now);
        }
        if !wanted.is_empty() {
            let watched = wanted.into_iter().collect();
            outcome.changes.push(Change::Subscribed { connection: connection.id, watched });
        }
        outcome.changes.extend(changed(state, &loaded.subscription_state()?.state));
        Ok(outcome)
    }

    /// Takes in the presence of some of the users of a request, ahead of its answer, so that no commit is long. What comes
    /// between this and the answer is pushed, and shown by the answer too.
    pub(in crate::user) fn acknowledged(
        &self,
        connection: ConnId,
        presences: &[(UserId, RegistrationVersion, PresenceVersion)],
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let asked = presences.iter().map(|(user, ..)| user.clone());
        let mut outcome = taken_back(asked, loaded, now)?;
        if self.connection(connection).is_some() {
            let (_, news) = reconciled(presences, loaded.subscriptions()?);
            if !news.is_empty() {
                outcome.changes.push(Change::Acknowledged { connection, presences: news });
            }
        }
        Ok(outcome)
    }

    /// Answers the request once the followed users have been asked, if its connection is still live.
    pub(in crate::user) fn answered(
        &self,
        pending: &PendingRequest,
        presences: Option<&[(UserId, RegistrationVersion, PresenceVersion)]>,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let mut outcome = taken_back(followable(&pending.asked), loaded, now)?;
        let Some(connection) = self.connection(pending.connection) else { return Ok(outcome) };
        let request = Request {
            identifier: IDENTIFIER,
            msg_incr: pending.msg_incr.clone(),
            operation_id: pending.operation_id.clone(),
            ..Request::default()
        };
        let changes = &mut outcome.changes;
        let response = match presences {
            Some(presences) => {
                let (shown, news) = reconciled(presences, loaded.subscriptions()?);
                if !news.is_empty() {
                    changes.push(Change::Acknowledged { connection: connection.id, presences: news });
                }
                let platforms = |id: &String| shown.get(id.as_str()).copied().unwrap_or_default();
                let users = pending.asked.iter().map(|id| tip(id, platforms(id))).collect();
                request.answer(Some(PresenceTips { users }.encode_to_vec()))
            }
            None => {
                // No answer will show the notices that came meanwhile: from here on they are pushed.
                let asked = distinct(pending.asked.iter().map(String::as_str));
                let of_it = |row: &&Subscription| {
                    row.acknowledged.is_unanswered() && asked.binary_search(&row.watched.as_str()).is_ok()
                };
                let waiting = loaded.subscriptions()?.iter().filter(of_it);
                let presences: Vec<_> =
                    waiting.map(|row| (row.watched.clone(), PresenceVersion::default())).collect();
                if !presences.is_empty() {
                    changes.push(Change::Acknowledged { connection: connection.id, presences });
                }
                request.fail(Code::Internal)
            }
        };
        let payload = gateway::encode(connection.wire, &response);
        outcome.actions.push(Action::Send { connection: connection.id, payload });
        Ok(outcome)
    }
}

/// Takes registrations back that came too late: the subscription of each was cancelled, or its connection ended, and the followed
/// user was told so, before it was asked to register.
fn taken_back(
    asked: impl Iterator<Item = UserId>,
    loaded: &Loaded,
    now: Timestamp,
) -> Result<Outcome, NotLoaded> {
    let kept = distinct(loaded.subscriptions()?.iter().map(|row| row.watched.as_str()));
    let late = distinct(asked.filter(|user| kept.binary_search(&user.as_str()).is_err()));
    let mut outcome = Outcome::of(Reply::Done);
    if !late.is_empty() {
        let state = SubscriptionState { release_at: Some(now), ..loaded.subscription_state()?.state.clone() };
        outcome.changes = vec![Change::TakenBack(late), Change::SubscriptionState(state)];
        outcome.wake_at = Some(now);
    }
    Ok(outcome)
}

/// The users among these ids, as often as they are named. The store's lists end a text at U+0000, so that no such user can be
/// followed.
fn followable(ids: &[String]) -> impl Iterator<Item = UserId> {
    ids.iter().filter(|id| !id.contains('\0')).filter_map(|id| UserId::new(id.as_str()).ok())
}

/// `reqIdentifier` of requests, answers and pushes.
const IDENTIFIER: i32 = 2005;

impl SubscriptionRequest {
    /// What its answers copy.
    pub(super) fn as_frame(&self) -> Request {
        Request {
            identifier: IDENTIFIER,
            operation_id: self.operation_id.clone(),
            msg_incr: self.msg_incr.clone(),
            ..Request::default()
        }
    }
}

/// One user in an answer or a push.
fn tip(user: &str, platforms: PlatformSet) -> PresenceTip {
    let platforms = platforms.iter().map(Platform::number).map(i32::from).collect();
    PresenceTip { user_id: user.to_owned(), platforms }
}

/// The users whose subscriptions a request ends: those it cancels, and the oldest beyond the bound.
fn released(
    rows: &[Subscription],
    wanted: &BTreeMap<UserId, RegistrationVersion>,
    unsubscribe: &[String],
) -> Vec<UserId> {
    let taken_back = distinct(unsubscribe.iter().map(String::as_str));
    let others = rows.iter().filter(|row| !wanted.contains_key(&row.watched));
    let (mut released, mut staying): (Vec<_>, Vec<_>) =
        others.partition(|row| taken_back.binary_search(&row.watched.as_str()).is_ok());
    staying.sort_unstable_by_key(|row| row.registration);
    let too_many = (staying.len() + wanted.len()).saturating_sub(SUBSCRIPTIONS);
    released.extend(staying.into_iter().take(too_many));
    released.into_iter().map(|row| row.watched.clone()).collect()
}

/// What the client is shown of each user, and what of it the rows do not hold yet. A notice may have come before the
/// answer, and a later request of the same connection may be under way.
fn reconciled<'a>(
    presences: &'a [(UserId, RegistrationVersion, PresenceVersion)],
    rows: &[Subscription],
) -> (BTreeMap<&'a str, PlatformSet>, Vec<(UserId, PresenceVersion)>) {
    let rows = ordered::map(rows.iter().map(|row| (row.watched.as_str(), row)));
    let mut news = Vec::new();
    let shown = presences.iter().map(|(user, registration, presence)| {
        let row = rows.get(user.as_str()).copied();
        let newest = row
            .map(|row| row.acknowledged)
            .filter(|acknowledged| acknowledged.sequence > presence.sequence)
            .unwrap_or(*presence);
        if row.is_some_and(|row| row.registration == *registration && row.acknowledged != newest) {
            news.push((user.clone(), newest));
        }
        (user.as_str(), newest.platforms)
    });
    (ordered::map(shown), news)
}

impl User {
    /// Pushes a newer presence to every connection that follows the user. A connection whose request is unanswered reads it in
    /// the answer. The reply says whether any connection follows, so that the followed user can drop this watcher.
    pub(in crate::user) fn notified(
        &self,
        notice: &PresenceNotice,
        loaded: &Loaded,
    ) -> Result<Outcome, NotLoaded> {
        let followers = loaded
            .followers()?
            .iter()
            .filter_map(|(id, acknowledged)| Some((self.connection(*id)?, acknowledged)));
        let followers: Vec<_> = followers.collect();
        let mut outcome = Outcome::of(Reply::Follows(!followers.is_empty()));
        let PresenceNotice { watched, presence } = notice;
        for (connection, acknowledged) in followers {
            if acknowledged.sequence >= presence.sequence {
                continue;
            }
            let presences = vec![(watched.clone(), *presence)];
            outcome.changes.push(Change::Acknowledged { connection: connection.id, presences });
            if acknowledged.platforms == presence.platforms || acknowledged.is_unanswered() {
                continue;
            }
            let tips = PresenceTips { users: vec![tip(watched.as_str(), presence.platforms)] };
            let push =
                Response { identifier: IDENTIFIER, data: Some(tips.encode_to_vec()), ..Response::default() };
            let payload = gateway::encode(connection.wire, &push);
            outcome.actions.push(Action::Send { connection: connection.id, payload });
        }
        Ok(outcome)
    }
}
