//! The end of connections: by themselves, in time, and by an order.
//!
//! A natural end may be held back from the directory for the grace period. A force-off
//! (`docs/rules/openim.md#force-logout`) never is: its tokens are dead before any socket gets its frame. Every order
//! publishes to the directory, even if it ended nothing: an earlier order may have failed there and answered an error, and
//! its repetition has to make up for that.

use std::borrow::Cow;

use super::{
    Action, Change, Connection, Console, ForceOff, HeldEnd, LiveSocket, Loaded, NamedOrder, NotLoaded,
    Outcome, Profile, Reply, Revoked, Rules, User,
    tokens::{is_over, is_unlocked},
    unseen::unseen,
};
use crate::{
    directory::view::Cutoff,
    gateway::{self, Close, frame::Response},
    id::{ConnId, RecordId, TenantId},
    message_center::to_receiver,
    platform::Platform,
    serial::Began,
    time::{Moment, Timestamp},
    token::{
        TokenHash,
        store::{TokenSet, TokenState},
    },
};

/// A connection or console that is about to end.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    pub(super) id: ConnId,
    pub(super) record: Option<RecordId>,
    pub(super) opened_at: Timestamp,
}

impl From<Leaving> for LiveSocket {
    fn from(leaving: Leaving) -> Self {
        Self { id: leaving.id, record: leaving.record, opened_at: leaving.opened_at }
    }
}

impl User {
    /// The changes and actions that end `leaving` at once: their records end now, and they leave the live set.
    pub(super) fn end(&self, leaving: &[Leaving], now: Timestamp) -> (Vec<Change>, Vec<Action>) {
        let changes = leaving
            .iter()
            .filter_map(|leaving| Some((leaving.record?, leaving.opened_at)))
            .map(|(record, opened_at)| Change::RecordEnded { record, at: now.max(opened_at) })
            .collect();
        let ids: Vec<ConnId> = leaving.iter().map(|connection| connection.id).collect();
        let actions = if ids.is_empty() { Vec::new() } else { vec![Action::Retire(ids)] };
        (changes, actions)
    }

    /// The end of a connection by itself. The end of a user's last connection is held back from the directory for the
    /// grace period (`docs/rules/users.md#grace`).
    pub(super) fn end_naturally(&self, leaving: Leaving, rules: &Rules, now: Timestamp) -> Outcome {
        let (mut changes, mut actions) = self.end(&[leaving], now);
        let last = self.ids().all(|other| other == leaving.id);
        let held = leaving.record.filter(|_| last && !rules.grace.is_zero()).map(|record| HeldEnd {
            record,
            ended_at: now.max(leaving.opened_at),
            until: now + rules.grace,
        });
        if let Some(held) = held {
            changes = vec![Change::EndHeld(held)];
        } else if !changes.is_empty() {
            actions.push(Action::Publish { awaited: false });
        }
        Outcome { changes, actions, wake_at: held.map(|held| held.until), ..Outcome::of(Reply::Done) }
    }
}

/// The kick frame and the close of a connection whose login was revoked.
pub(super) fn kick(connection: &Connection) -> [Action; 2] {
    [
        Action::Send {
            connection: connection.id,
            payload: gateway::encode(connection.wire, &Response::kick()),
        },
        Action::Close { connection: connection.id, close: Close::Kicked },
    ]
}

impl User {
    /// Ends one connection's own record and no other's. A second call does nothing.
    pub(super) fn close(&self, connection: ConnId, rules: &Rules, at: Moment) -> Outcome {
        let leaving = self.connection(connection).map(Connection::leaving);
        match leaving.or_else(|| self.console(connection).map(Console::leaving)) {
            Some(leaving) => self.end_naturally(leaving, rules, at.now),
            None => Outcome::of(Reply::Done),
        }
    }

    /// Ends consoles whose tokens have expired, releases ends whose grace period is over, and reports pending work.
    pub(super) fn tick(&self, loaded: &Loaded, rules: &Rules, at: Moment) -> Result<Outcome, NotLoaded> {
        let (mut changes, mut actions, expiry) = self.expire_consoles(at.now);
        // Held ends are released together: a user comes back as a whole, and the last of them decides whether it did.
        let held = loaded.held()?.iter().map(|held| held.until).max();
        let held = held.filter(|until| !until.is_due(at.now, rules.grace));
        if held.is_none() {
            changes.extend(release(loaded)?);
        }
        if !changes.is_empty() {
            actions.push(Action::Publish { awaited: false });
        }
        let (of_subscriptions, work, wish) = self.pending_subscription_work(loaded, at.now)?;
        changes.extend(of_subscriptions);
        let wake_at = held.into_iter().chain(expiry).chain(wish).min();
        Ok(Outcome { changes, actions, wake_at, ..Outcome::of(Reply::PendingWork(work)) })
    }
}

/// Releases the held ends with their true dates.
pub(super) fn release(loaded: &Loaded) -> Result<Vec<Change>, NotLoaded> {
    let ended = |(record, at): (_, Timestamp)| Change::RecordEnded { record, at };
    let mut changes: Vec<Change> =
        loaded.held()?.iter().map(|held| ended((held.record, held.ended_at))).collect();
    if !changes.is_empty() {
        changes.push(Change::HeldReleased);
    }
    Ok(changes)
}

/// Whether a user has had an order of this date to everything, or a later one: all that is there came after it. One of the future is
/// none: it came with an import, which ends no socket.
fn has_had(
    at: Option<Timestamp>,
    within: Option<TenantId>,
    is_at_home: bool,
    profile: &Profile,
    now: Timestamp,
) -> bool {
    let Some(at) = at else { return false };
    let while_unknown = profile.revoked_in.iter().filter(|(tenant, _)| Some(*tenant) == within);
    let taken = while_unknown.map(|(_, at)| *at).chain(profile.revoked_at.filter(|_| is_at_home));
    taken.filter(|taken| *taken <= at.max(now)).max().is_some_and(|taken| taken >= at)
}

/// The most tenants whose cutoffs are stored for a user of unknown tenant.
pub(super) const UNSEEN_ORDERS: usize = 8;

/// What an order ends.
struct Reach<'a> {
    connections: Vec<&'a Connection>,
    consoles: Vec<&'a Console>,
    notice: Option<Cow<'a, str>>,
    /// Changes beside the ends of records.
    changes: Vec<Change>,
    ended_at: Timestamp,
}

/// What an order to a set of users says of opaque tokens, unless that is over.
fn opaque_named(order: &NamedOrder, loaded: &Loaded, now: Timestamp) -> Result<Vec<Change>, NotLoaded> {
    let cutoff = order.cutoff();
    if is_over(&cutoff, order.within, loaded.profile()?) {
        return Ok(Vec::new());
    }
    Ok(std::iter::once(Change::Revoked { at: order.at }).chain(unseen(loaded, now)?).collect())
}

impl User {
    pub(super) fn force_off(
        &self,
        what: &ForceOff,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        if let ForceOff::Tokens { within, tokens } = what {
            return self.revoke(*within, tokens, loaded, rules, at.now);
        }
        if let ForceOff::Denying { order, window } = what {
            let mut outcome = self.force_off(order, loaded, rules, at)?;
            self.open_window(order, window, &mut outcome, loaded, rules, at.now)?;
            return Ok(outcome);
        }
        let reach = self.reach(what, loaded, rules, at.now)?;
        self.end_reached(reach, loaded, Reply::Done)
    }

    /// Revokes those of these tokens that are the user's. A row may be gone while connections still live on its token.
    fn revoke(
        &self,
        within: Option<TenantId>,
        tokens: &[TokenHash],
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Outcome, NotLoaded> {
        let (rows, orders) = (loaded.tokens()?, loaded.orders()?);
        let home = rules.tenant(&self.id, loaded.profile()?);
        let is_meant = within.is_none_or(|within| within == home);
        let (mut revoked, mut known) = (Revoked::default(), Vec::new());
        for token in tokens {
            let row = rows.iter().find(|row| row.hash == *token);
            let on_it = || self.connections.iter().filter(|one| one.token.hash == *token);
            if known.contains(token) || revoked.unknown.contains(token) {
                continue;
            }
            if !is_meant || (row.is_none() && on_it().next().is_none()) {
                revoked.unknown.push(*token);
                continue;
            }
            known.push(*token);
            if let Some(row) = row {
                revoked.good += u32::from(self.as_seen(row, loaded, rules)?.state == TokenState::Valid);
            }
            let seen = on_it().filter(|one| !self.is_ended(one.began(), orders, rules));
            revoked.connections += seen.map(|_| 1).sum::<u32>();
        }
        let reach = (!known.is_empty()).then(|| self.reach_tokens(TokenSet::These(known), now));
        self.end_reached(reach, loaded, Reply::Revoked(revoked))
    }

    /// The outcome of an order; `None` where it ends nothing here.
    fn end_reached(
        &self,
        reach: Option<Reach<'_>>,
        loaded: &Loaded,
        reply: Reply,
    ) -> Result<Outcome, NotLoaded> {
        let Some(reach) = reach else {
            let actions = self.awaited_publication().into_iter().collect();
            return Ok(Outcome { actions, ..Outcome::of(reply) });
        };
        let connections = reach.connections.iter().map(|connection| connection.leaving());
        let consoles = reach.consoles.iter().map(|console| console.leaving());
        let leaving: Vec<Leaving> = connections.chain(consoles).collect();
        let (ends, mut actions) = self.end(&leaving, reach.ended_at);
        let mut changes = reach.changes;
        // A force-off never waits for the grace period: earlier held ends are released with it.
        changes.extend(release(loaded)?);
        changes.extend(ends);
        // The directory is awaited before any frame: a client that has read its frame may ask for a list at once.
        actions.extend(self.awaited_publication());
        actions.extend(reach.connections.into_iter().flat_map(kick));
        actions.extend(
            reach.consoles.into_iter().flat_map(|console| console.force_offline(reach.notice.as_deref())),
        );
        Ok(Outcome { changes, actions, ..Outcome::of(reply) })
    }

    /// Only users with a number have records to publish.
    fn awaited_publication(&self) -> Option<Action> {
        self.id.number().map(|_| Action::Publish { awaited: true })
    }

    /// `None` when the order ends nothing here.
    fn reach<'a>(
        &'a self,
        what: &'a ForceOff,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Option<Reach<'a>>, NotLoaded> {
        let is_elsewhere = |within: &Option<TenantId>| -> Result<Option<TenantId>, NotLoaded> {
            let tenant = rules.tenant(&self.id, loaded.profile()?);
            Ok(within.filter(|within| *within != tenant))
        };
        match what {
            ForceOff::Platform(platform) => {
                Ok(Some(self.reach_tokens(TokenSet::Platform { platform: *platform, except: None }, now)))
            }
            ForceOff::Login { platform, token, connection } => {
                let named = self.named_login(*platform, *token, *connection, loaded)?;
                Ok(named.map(|token| self.reach_tokens(TokenSet::These(vec![token]), now)))
            }
            // They have an outcome of their own.
            ForceOff::Tokens { .. } | ForceOff::Denying { .. } => Ok(None),
            ForceOff::Everything { within, notice, at } => {
                let elsewhere = is_elsewhere(within)?;
                if has_had(*at, *within, elsewhere.is_none(), loaded.profile()?, now) {
                    return Ok(None);
                }
                // Never before the order: it may be of a machine whose clock is ahead.
                let taken = at.map_or(now, |at| at.max(now));
                if let Some(other) = elsewhere {
                    return self.reach_unseen(other, taken, loaded, rules, now);
                }
                let mut reach = self.reach_tokens(TokenSet::All, now);
                reach.changes.push(Change::Revoked { at: taken });
                reach.changes.extend(unseen(loaded, now)?);
                reach.consoles = self.consoles.iter().collect();
                reach.notice = notice.as_deref().map(Cow::Borrowed);
                Ok(Some(reach))
            }
            ForceOff::Connections { within, records, notice } => {
                Ok(if is_elsewhere(&Some(*within))?.is_some() {
                    None
                } else {
                    self.reach_records(records, notice, now)
                })
            }
            ForceOff::Named(order) => match is_elsewhere(&Some(order.within))? {
                Some(_) if rules.home(&self.id, loaded.profile()?) == order.within => {
                    self.reach_formerly_named(order, loaded, now).map(Some)
                }
                // What it said was written down when the user left, and may be lifted since. Its sockets are left where the configuration
                // moved it.
                Some(_) if is_over(&order.cutoff(), order.within, loaded.profile()?) => {
                    let is_configured = rules.configured_tenant(&self.id).is_some();
                    let reach = is_configured.then(|| self.reach_sockets_of(order));
                    Ok(reach.filter(|reach| !(reach.connections.is_empty() && reach.consoles.is_empty())))
                }
                Some(other) => self.reach_unseen(other, order.at, loaded, rules, now),
                None => self.reach_named(order, loaded, rules, now).map(Some),
            },
            ForceOff::CutOff { within, .. } if is_elsewhere(within)?.is_some() => Ok(None),
            ForceOff::CutOff { notice, settle, .. } => {
                self.reach_cut_off(notice, *settle, loaded, rules, now)
            }
        }
    }

    /// Kicks these tokens, and the connections that live on them. Consoles live on no token of ours.
    fn reach_tokens(&self, dead: TokenSet, now: Timestamp) -> Reach<'_> {
        let lives_on_it =
            |connection: &&Connection| dead.contains(&connection.token.hash, connection.token.platform);
        Reach {
            connections: self.connections.iter().filter(lives_on_it).collect(),
            consoles: Vec::new(),
            notice: None,
            changes: vec![Change::TokensKicked(dead)],
            ended_at: now,
        }
    }

    /// Kicks the tokens that the connections with these records live on. Consoles live on no token of ours, and are closed.
    fn reach_records<'a>(
        &'a self,
        records: &[RecordId],
        notice: &'a str,
        now: Timestamp,
    ) -> Option<Reach<'a>> {
        let is_named = |record: Option<RecordId>| record.is_some_and(|record| records.contains(&record));
        let named = self.connections.iter().filter(|one| is_named(one.record));
        let mut tokens: Vec<TokenHash> = named.map(|one| one.token.hash).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let consoles: Vec<&Console> = self.consoles.iter().filter(|one| is_named(one.record)).collect();
        if tokens.is_empty() && consoles.is_empty() {
            return None;
        }
        let mut reach = if tokens.is_empty() {
            Reach {
                connections: Vec::new(),
                consoles: Vec::new(),
                notice: None,
                changes: Vec::new(),
                ended_at: now,
            }
        } else {
            self.reach_tokens(TokenSet::These(tokens), now)
        };
        reach.consoles = consoles;
        reach.notice = Some(Cow::Borrowed(notice));
        Some(reach)
    }

    /// The token of the named login, which goes with its connections: with a valid token a client would reconnect at once.
    /// `None` when the names fit no token or connection of the platform, or not each other.
    fn named_login(
        &self,
        platform: Platform,
        token: Option<TokenHash>,
        connection: Option<ConnId>,
        loaded: &Loaded,
    ) -> Result<Option<TokenHash>, NotLoaded> {
        let fits = |one: &&Connection| {
            one.token.platform == platform
                && token.is_none_or(|token| one.token.hash == token)
                && connection.is_none_or(|connection| one.id == connection)
        };
        let live = || self.connections.iter().find(fits).map(|one| one.token.hash);
        match (token, connection) {
            (None, None) => Ok(None),
            (_, Some(_)) => Ok(live()),
            // The row of an expired token may be gone while connections still live on it.
            (Some(token), None) => {
                let row = loaded.presented()?.filter(|row| row.platform == platform);
                Ok(row.map(|_| token).or_else(live))
            }
        }
    }

    /// Stores the cutoff of a tenant for a user of unknown tenant: the user may turn out to be of this one, and connect
    /// with a token from before the order.
    fn reach_unseen(
        &self,
        tenant: TenantId,
        at: Timestamp,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Option<Reach<'_>>, NotLoaded> {
        let profile = loaded.profile()?;
        if profile.tenant.is_some() || rules.configured_tenant(&self.id).is_some() {
            return Ok(None);
        }
        let (same, others): (Vec<_>, Vec<_>) =
            profile.revoked_in.iter().copied().partition(|(other, _)| *other == tenant);
        // A later order may have been quicker.
        let latest = same.into_iter().map(|(_, at)| at).fold(at, Timestamp::max);
        let mut orders: Vec<_> = others.into_iter().rev().take(UNSEEN_ORDERS - 1).collect();
        orders.reverse();
        orders.push((tenant, latest));
        let mut changes = vec![Change::RevokedIn(orders)];
        changes.extend(unseen(loaded, now)?);
        Ok(Some(Reach {
            connections: Vec::new(),
            consoles: Vec::new(),
            notice: None,
            changes,
            ended_at: now,
        }))
    }

    /// Ends what an order to a set of users covers of this one, with the order's date: every reader shows that already.
    fn reach_named<'a>(
        &'a self,
        order: &'a NamedOrder,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Reach<'a>, NotLoaded> {
        let NamedOrder { within, serial, at, notice } = order;
        let cutoff = order.cutoff();
        let profile = loaded.profile()?;
        let is_at_home = rules.home(&self.id, profile) == *within;
        // Tokens of another tenant's numbers were issued before the configuration moved the user: a token that was issued since would
        // have brought it home.
        let taken = if is_at_home {
            Change::TokensTaken { by: *serial, at: *at }
        } else {
            Change::TokensKicked(TokenSet::All)
        };
        let mut changes = vec![taken];
        changes.extend(opaque_named(order, loaded, now)?);
        Ok(Reach {
            connections: self.connections.iter().filter(|one| cutoff.follows(one.began())).collect(),
            consoles: self.consoles.iter().filter(|one| cutoff.follows(one.began())).collect(),
            notice: Some(Cow::Owned(to_receiver(notice, self.id.number()))),
            changes,
            ended_at: *at,
        })
    }

    /// What such an order took of a user whom the configuration has moved since: its tokens are still under the order's tenant.
    fn reach_formerly_named<'a>(
        &'a self,
        order: &'a NamedOrder,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Reach<'a>, NotLoaded> {
        let mut changes = vec![Change::TokensTaken { by: order.serial, at: order.at }];
        changes.extend(opaque_named(order, loaded, now)?);
        Ok(Reach { changes, ..self.reach_sockets_of(order) })
    }

    /// The sockets of such a user that the order covers: they may outlive a change of the configuration, and then have a number of the
    /// order's tenant. One that opened since has a number of another tenant, which may be smaller, but a later date.
    fn reach_sockets_of<'a>(&'a self, order: &'a NamedOrder) -> Reach<'a> {
        let cutoff = order.cutoff();
        let is_covered = |began: Began| cutoff.follows(began) && began.at <= order.at;
        Reach {
            connections: self.connections.iter().filter(|one| is_covered(one.began())).collect(),
            consoles: self.consoles.iter().filter(|one| is_covered(one.began())).collect(),
            notice: Some(Cow::Owned(to_receiver(&order.notice, self.id.number()))),
            changes: Vec::new(),
            ended_at: order.at,
        }
    }

    /// Ends what the tenant's cutoff covers, with the cutoff's instant as the end date: every reader shows that already.
    fn reach_cut_off<'a>(
        &'a self,
        notice: &'a str,
        settle: bool,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Option<Reach<'a>>, NotLoaded> {
        let in_force = |cutoff: &&Cutoff| !self.is_exempt(&cutoff.exempt, rules);
        let Some(cutoff) = loaded.cutoff()?.filter(in_force) else { return Ok(None) };
        let profile = loaded.profile()?;
        let tenant = rules.tenant(&self.id, profile);
        let mut changes = if rules.home(&self.id, profile) == tenant {
            vec![Change::TokensTaken { by: cutoff.serial, at: cutoff.at }]
        } else {
            self.settle_former(loaded, rules)?
        };
        if settle && !is_unlocked(cutoff, tenant, profile) {
            changes.push(Change::Revoked { at: cutoff.at });
            changes.extend(unseen(loaded, now)?);
        }
        Ok(Some(Reach {
            connections: self.connections.iter().filter(|one| cutoff.follows(one.began())).collect(),
            consoles: self.consoles.iter().filter(|one| cutoff.follows(one.began())).collect(),
            notice: Some(Cow::Borrowed(notice)),
            changes,
            ended_at: cutoff.at,
        }))
    }
}
