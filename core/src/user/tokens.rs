//! Tokens: issuing one (`docs/rules/openim.md#policy-at-issue`), and what a cutoff does to those that exist, the user's own
//! or that of its tenant (`docs/rules/message-center.md#cutoffs`).

use serde::{Deserialize, Serialize};

use super::{
    Action, Change, Connection, Console, Issued, LiveSocket, Loaded, NotLoaded, Orders, Outcome, Overview,
    Presence, Profile, Reply, Rules, User, UserDetails,
    tenancy::Moved,
    unseen::{seen, unseen},
};
use crate::{
    deny::merged,
    directory::view::Cutoff,
    id::TenantId,
    platform::Platform,
    policy,
    serial::{Began, Serial},
    time::{Moment, Timestamp},
    token::{
        Claims, TokenError, TokenHash, lifetime_secs,
        store::{self, TokenRow, TokenSet, TokenState},
    },
};

/// The properties of an opaque token that decide whether a cutoff covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// The tenant that its issuer names.
    pub tenant: TenantId,
    /// The instant of issue. A token without one counts as older than any cutoff.
    pub issued_at: Option<Timestamp>,
    /// Whether it is a personal access token.
    pub personal: bool,
}

impl User {
    /// Answers [`super::Command::VerifyBearer`].
    pub(super) fn verify_bearer(
        &self,
        bearer: &Bearer,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let seen = seen(loaded)?;
        if let Err(error) = self.bearer_status(bearer, loaded, rules, at)? {
            let changes = seen.into_iter().collect();
            return Ok(Outcome { changes, ..Outcome::of(Reply::TokenStatus(Err(error))) });
        }
        let Moved { mut changes, mut actions, is_news, frames } =
            self.move_to(bearer.tenant, loaded, rules)?;
        changes.extend(seen);
        actions.extend(is_news.then_some(Action::Publish { awaited: false }));
        actions.extend(frames);
        Ok(Outcome { changes, actions, ..Outcome::of(Reply::TokenStatus(Ok(()))) })
    }

    /// Whether the tenant's cutoff covers a live socket. No answer shows such a socket any more, and its delivery is pending.
    pub fn has_cut_off_sockets(&self, cutoff: Option<&Cutoff>, rules: &Rules) -> bool {
        self.beginnings().any(|began| self.is_cut_off(began, cutoff, rules))
    }

    /// Whether a live socket began under a smaller serial: an order of this one covers no other.
    pub fn began_before(&self, serial: Serial) -> bool {
        self.beginnings().any(|began| began.under < serial)
    }

    fn beginnings(&self) -> impl Iterator<Item = Began> {
        let connections = self.connections.iter().map(Connection::began);
        connections.chain(self.consoles.iter().map(Console::began))
    }

    /// The status of a token of ours in the token store, and under the tenant's cutoff.
    pub(super) fn token_status<'a>(
        &self,
        loaded: &'a Loaded,
        rules: &Rules,
    ) -> Result<Result<&'a TokenRow, TokenError>, NotLoaded> {
        match store::status(loaded.presented()?) {
            Ok(row) if self.is_taken(row, loaded, rules)? => Ok(Err(TokenError::Kicked)),
            status => Ok(status),
        }
    }

    /// The live connections that the tenant's cutoff does not cover.
    pub(super) fn presence(&self, loaded: &Loaded, rules: &Rules) -> Result<Vec<Presence>, NotLoaded> {
        let orders = loaded.orders()?;
        let seen = |connection: &&Connection| !self.is_ended(connection.began(), orders, rules);
        Ok(self.connections.iter().filter(seen).map(Connection::presence).collect())
    }

    /// The status of an opaque token. A deny window tells more than that an order revoked it.
    pub(super) fn bearer_status(
        &self,
        bearer: &Bearer,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Result<(), TokenError>, NotLoaded> {
        let tenant = rules.configured_tenant(&self.id).unwrap_or(bearer.tenant);
        if let Some(until) = self.denied(tenant, loaded, at)? {
            return Ok(Err(TokenError::Denied(until)));
        }
        Ok(if self.refuses(bearer, loaded, rules)? { Err(TokenError::Kicked) } else { Ok(()) })
    }

    /// Whether a cutoff covers an opaque token: the user's own, the tenant's, or one stored while the tenant was unknown.
    pub(super) fn refuses(&self, bearer: &Bearer, loaded: &Loaded, rules: &Rules) -> Result<bool, NotLoaded> {
        if bearer.personal && !rules.revoke_pat {
            return Ok(false);
        }
        let profile = loaded.profile()?;
        let older = |cutoff: Timestamp| bearer.issued_at.is_none_or(|issued| issued <= cutoff);
        let tenant = rules.configured_tenant(&self.id).unwrap_or(bearer.tenant);
        let (orders, home) = (loaded.orders()?, rules.home(&self.id, profile));
        let of_tenant = self.of_tenant(orders, rules).filter(|cutoff| !is_unlocked(cutoff, tenant, profile));
        let named = still_said(&orders.named, tenant, profile);
        // A user who leaves a tenant takes along what an order there said of it alone.
        let former = still_said(&orders.former_named, home, profile);
        let while_unknown = profile.revoked_in.iter().filter(|(tenant, _)| *tenant == bearer.tenant);
        let orders = profile
            .revoked_at
            .into_iter()
            .chain(of_tenant.chain(named).chain(former).map(|cutoff| cutoff.at));
        Ok(orders.chain(while_unknown.map(|(_, at)| *at)).any(older))
    }

    /// Lifts the cutoffs on opaque tokens and the deny windows that orders of the tenant `within` left, or those of every tenant. Kicked
    /// tokens of ours stay kicked: their user gets a new one.
    pub(super) fn unlock(
        &self,
        within: Option<TenantId>,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let profile = loaded.profile()?;
        let home = rules.tenant(&self.id, profile);
        let is_meant = |tenant: TenantId| within.is_none_or(|within| within == tenant);
        let (lifted, kept): (Vec<_>, Vec<_>) =
            profile.revoked_in.iter().copied().partition(|(tenant, _)| is_meant(*tenant));
        let (windows, others): (Vec<_>, Vec<_>) =
            profile.denied.iter().cloned().partition(|window| is_meant(window.tenant));
        let is_denied = windows.iter().any(|window| window.is_open(at.machine));
        let ancient = Bearer { tenant: home, issued_at: None, personal: false };
        if lifted.is_empty() && !is_denied && !(is_meant(home) && self.refuses(&ancient, loaded, rules)?) {
            return Ok(Outcome::of(Reply::Unlocked(false)));
        }
        let mut changes = Vec::new();
        // Those of undelivered orders of a former tenant go with it, as far as that one is meant.
        let former = still_said(&loaded.orders()?.former_named, rules.home(&self.id, profile), profile);
        let former = former.filter_map(|cutoff| cutoff.deny.as_deref()).filter(|one| !is_meant(one.tenant));
        let left = merged(&others, former).unwrap_or(others);
        if left != profile.denied {
            changes.push(Change::Denied(left));
        }
        if is_meant(home) {
            changes.push(Change::Unlocked(with_serial(&profile.unlocked_in, home, loaded.orders()?.under)));
            // What an order in a former tenant said of the user alone is its own, and lifted with it.
            changes.extend(settled_in(loaded.orders()?, rules.home(&self.id, profile), profile));
        }
        // `Unlocked` takes away what orders of other tenants left, too.
        if !(is_meant(home) && kept.is_empty()) {
            changes.push(Change::RevokedIn(kept));
        }
        changes.extend(unseen(loaded, at.now)?);
        Ok(Outcome { changes, ..Outcome::of(Reply::Unlocked(true)) })
    }

    /// A token with the state that readers see: one that an order took is kicked, whether or not that is written down yet.
    pub(super) fn as_seen(
        &self,
        row: &TokenRow,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<TokenRow, NotLoaded> {
        let state = if self.is_taken(row, loaded, rules)? { TokenState::Kicked } else { row.state };
        Ok(TokenRow { state, ..row.clone() })
    }

    /// The user's tenant, and the connections and consoles that its cutoff does not cover.
    pub(super) fn overview(
        &self,
        within: Option<TenantId>,
        details: bool,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Overview, NotLoaded> {
        let home = rules.tenant(&self.id, loaded.profile()?);
        if let Some(other) = within.filter(|within| *within != home) {
            let details = details.then(Box::default);
            return Ok(Overview { tenant: other, connections: Vec::new(), consoles: Vec::new(), details });
        }
        let orders = loaded.orders()?;
        let is_seen = |console: &&Console| !self.is_ended(console.began(), orders, rules);
        let consoles = self.consoles.iter().filter(is_seen).map(|console| console.id).collect();
        let details = if details { Some(Box::new(self.details(home, loaded, rules, at)?)) } else { None };
        Ok(Overview { tenant: home, connections: self.presence(loaded, rules)?, consoles, details })
    }

    fn details(
        &self,
        home: TenantId,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<UserDetails, NotLoaded> {
        let orders = loaded.orders()?;
        let connections = self.connections.iter().map(|one| (one.leaving(), one.began()));
        let consoles = self.consoles.iter().map(|one| (one.leaving(), one.began()));
        let seen = connections.chain(consoles).filter(|(_, began)| !self.is_ended(*began, orders, rules));
        let mut live: Vec<LiveSocket> = seen.map(|(one, _)| one.into()).collect();
        live.sort_by_key(|socket| socket.opened_at);
        let rows = loaded.tokens()?.iter();
        let tokens = rows.map(|row| self.as_seen(row, loaded, rules)).collect::<Result<_, _>>()?;
        let deny = self.deny_window(home, loaded, at)?.cloned();
        Ok(UserDetails { live, tokens, token_count: loaded.token_count, deny })
    }

    /// Whether the tenant's cutoff covers what began so.
    fn is_cut_off(&self, began: Began, cutoff: Option<&Cutoff>, rules: &Rules) -> bool {
        cutoff.is_some_and(|cutoff| cutoff.follows(began) && !self.is_exempt(&cutoff.exempt, rules))
    }

    /// The cutoffs of the command's tenant that are about this user.
    pub(super) fn in_force<'a>(&self, orders: &'a Orders, rules: &Rules) -> impl Iterator<Item = &'a Cutoff> {
        self.of_tenant(orders, rules).chain(&orders.named)
    }

    /// The one of them that is about everybody.
    fn of_tenant<'a>(&self, orders: &'a Orders, rules: &Rules) -> impl Iterator<Item = &'a Cutoff> {
        orders.cutoff.as_ref().filter(|cutoff| !self.is_exempt(&cutoff.exempt, rules)).into_iter()
    }

    /// The same of the tenant that the user moves from.
    pub(super) fn formerly_in_force<'a>(
        &self,
        orders: &'a Orders,
        rules: &Rules,
    ) -> impl Iterator<Item = &'a Cutoff> {
        let of_tenant = orders.former.as_ref().filter(|cutoff| !self.is_exempt(&cutoff.exempt, rules));
        of_tenant.into_iter().chain(&orders.former_named)
    }

    /// Whether an order of the command's tenant covers what began so.
    pub(super) fn is_ended(&self, began: Began, orders: &Orders, rules: &Rules) -> bool {
        self.in_force(orders, rules).any(|cutoff| cutoff.follows(began))
    }

    pub(super) fn is_exempt(&self, exempt: &[i64], rules: &Rules) -> bool {
        rules.admins.contains(&self.id) || self.id.number().is_some_and(|own| exempt.contains(&own))
    }
}

/// The most tenants of which a user keeps a serial. Without one, an order counts.
const SERIALS: usize = 8;

/// The serials with that of one more tenant.
pub(super) fn with_serial(
    serials: &[(TenantId, Serial)],
    tenant: TenantId,
    serial: Serial,
) -> Vec<(TenantId, Serial)> {
    let others = serials.iter().filter(|(other, _)| *other != tenant).rev();
    let mut serials: Vec<_> = others.take(SERIALS - 1).copied().collect();
    serials.reverse();
    serials.push((tenant, serial));
    serials
}

/// Says that the orders to sets of users of the former tenant `home` have had their effect, if one of them has not.
pub(super) fn settled_in(orders: &Orders, home: TenantId, profile: &Profile) -> Option<Change> {
    let last = still_said(&orders.former_named, home, profile).map(|cutoff| cutoff.serial).max()?;
    Some(Change::Settled(with_serial(&profile.settled_in, home, last)))
}

/// Those of a tenant's orders to sets of users, all about this one, that still say something of its opaque tokens.
pub(super) fn still_said<'a>(
    named: &'a [Cutoff],
    tenant: TenantId,
    profile: &'a Profile,
) -> impl Iterator<Item = &'a Cutoff> {
    named.iter().filter(move |cutoff| !is_over(cutoff, tenant, profile))
}

/// Whether an order to a set of users says nothing of the user's opaque tokens any more: it was lifted, or what it said was written down
/// with the user's move, and has become the user's own.
pub(super) fn is_over(cutoff: &Cutoff, tenant: TenantId, profile: &Profile) -> bool {
    let is_settled = |(of, serial): &(TenantId, Serial)| *of == tenant && *serial >= cutoff.serial;
    is_unlocked(cutoff, tenant, profile) || profile.settled_in.iter().any(is_settled)
}

/// Whether opaque tokens that the cutoff revoked are valid again.
pub(super) fn is_unlocked(cutoff: &Cutoff, tenant: TenantId, profile: &Profile) -> bool {
    let by_serial = |(of, serial): &(TenantId, Serial)| *of == tenant && *serial >= cutoff.serial;
    let by_date = cutoff.serial == Serial::NONE && profile.unlocked_at.is_some_and(|at| at >= cutoff.at);
    cutoff.lifted || by_date || profile.unlocked_in.iter().any(by_serial)
}

impl User {
    pub(super) fn issue(
        &self,
        platform: Platform,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        if let Some(until) = self.denied(rules.tenant(&self.id, loaded.profile()?), loaded, at)? {
            return Ok(Outcome::of(Reply::Denied(until)));
        }
        let settled = self.settle_former(loaded, rules)?;
        let mut profile = loaded.profile()?.clone();
        profile.home = Some(rules.tenant(&self.id, &profile));
        let nth = profile.issue_clock.tick(platform, at.machine);
        profile.last_order += 1;
        let claims = Claims::new(&self.id, platform, at.machine, rules.token_ttl_days, nth);
        let Ok(token) = rules.keys.sign(&claims) else {
            return Ok(Outcome::of(Reply::Broken));
        };
        let row = TokenRow {
            hash: TokenHash::of(token.expose()),
            platform,
            order: profile.last_order,
            issued_at: at.now,
            under: loaded.orders()?.under,
            expires: Timestamp::from_secs(claims.exp),
            state: TokenState::Valid,
        };
        profile.first_expiry = profile.first_expiry.into_iter().chain([row.expires]).min();
        // Tokens that an order took are dead already and do not count for the policy.
        let mut valid = Vec::new();
        for row in loaded.valid()? {
            if !self.is_taken(row, loaded, rules)? {
                valid.push(row.clone());
            }
        }
        let losers = policy::at_issue(rules.policy, &valid, platform);
        let mut changes = settled;
        let was_known = profile.is_known;
        changes.extend([Change::Profile(profile), Change::TokenIssued(row)]);
        // The profile makes the row of a new user.
        changes.extend(seen(loaded)?.filter(|_| was_known));
        if !losers.is_empty() {
            changes.push(Change::TokensKicked(TokenSet::These(losers)));
        }
        let lifetime_secs = lifetime_secs(rules.token_ttl_days);
        Ok(Outcome { changes, ..Outcome::of(Reply::Issued(Issued { token, lifetime_secs })) })
    }
}
