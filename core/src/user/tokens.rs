//! Tokens: issuing one (`docs/rules/openim.md#policy-at-issue`), and what a cutoff does to those that exist, the user's own
//! or that of its tenant (`docs/rules/message-center.md#cutoffs`).

use serde::{Deserialize, Serialize};

use super::{Change, Connection, Issued, Loaded, NotLoaded, Outcome, Presence, Profile, Reply, Rules, User};
use crate::{
    directory::view::Cutoff,
    id::TenantId,
    platform::Platform,
    policy,
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
    ) -> Result<Outcome, NotLoaded> {
        let status = if self.refuses(bearer, loaded, rules)? { Err(TokenError::Kicked) } else { Ok(()) };
        let changes = if status.is_ok() { self.move_to(bearer.tenant, loaded, rules)? } else { Vec::new() };
        Ok(Outcome { changes, ..Outcome::of(Reply::TokenStatus(status)) })
    }

    /// Whether the tenant's cutoff covers a live socket. No answer shows such a socket any more, and its delivery is pending.
    pub fn has_cut_off_sockets(&self, cutoff: Option<&Cutoff>, rules: &Rules) -> bool {
        self.opening_times().any(|opened| self.is_cut_off(opened, cutoff, rules))
    }

    /// Whether a live socket was opened by `moment`: a cutoff at that moment covers no other.
    pub fn began_by(&self, moment: Timestamp) -> bool {
        self.opening_times().any(|opened| opened <= moment)
    }

    fn opening_times(&self) -> impl Iterator<Item = Timestamp> {
        let connections = self.connections.iter().map(|connection| connection.opened_at);
        connections.chain(self.consoles.iter().map(|console| console.opened_at))
    }

    /// The status of a token of ours in the token store, and under the tenant's cutoff.
    pub(super) fn token_status<'a>(
        &self,
        loaded: &'a Loaded,
        rules: &Rules,
    ) -> Result<Result<&'a TokenRow, TokenError>, NotLoaded> {
        let cutoff = loaded.cutoff()?;
        let cut_off = |row: &TokenRow| self.is_cut_off(row.issued_at, cutoff, rules);
        let status = store::status(loaded.presented()?);
        Ok(status.and_then(|row| if cut_off(row) { Err(TokenError::Kicked) } else { Ok(row) }))
    }

    /// The live connections that the tenant's cutoff does not cover.
    pub(super) fn presence(&self, loaded: &Loaded, rules: &Rules) -> Result<Vec<Presence>, NotLoaded> {
        let cutoff = loaded.cutoff()?;
        let seen = |connection: &&Connection| !self.is_cut_off(connection.opened_at, cutoff, rules);
        Ok(self.connections.iter().filter(seen).map(Connection::presence).collect())
    }

    /// Whether a cutoff covers an opaque token: the user's own, the tenant's, or one stored while the tenant was unknown.
    pub(super) fn refuses(&self, bearer: &Bearer, loaded: &Loaded, rules: &Rules) -> Result<bool, NotLoaded> {
        if bearer.personal && !rules.revoke_pat {
            return Ok(false);
        }
        let profile = loaded.profile()?;
        let older = |cutoff: Timestamp| bearer.issued_at.is_none_or(|issued| issued <= cutoff);
        let of_tenant = loaded
            .cutoff()?
            .filter(|cutoff| !is_unlocked(cutoff, profile) && !self.is_exempt(&cutoff.exempt, rules));
        let unseen = profile.revoked_in.iter().filter(|(tenant, _)| *tenant == bearer.tenant);
        let orders = profile.revoked_at.into_iter().chain(of_tenant.map(|cutoff| cutoff.at));
        Ok(orders.chain(unseen.map(|(_, at)| *at)).any(older))
    }

    /// Lifts the cutoffs on opaque tokens. Kicked tokens of ours stay kicked: their user gets a new one.
    pub(super) fn unlock(&self, loaded: &Loaded, rules: &Rules, at: Moment) -> Result<Outcome, NotLoaded> {
        let ancient = Bearer { tenant: TenantId::default(), issued_at: None, personal: false };
        let locked = self.refuses(&ancient, loaded, rules)? || !loaded.profile()?.revoked_in.is_empty();
        let changes = if locked { vec![Change::Unlocked { at: at.now }] } else { Vec::new() };
        Ok(Outcome { changes, ..Outcome::of(Reply::Unlocked(locked)) })
    }

    /// Whether the tenant's cutoff covers what began at `since`.
    pub(super) fn is_cut_off(&self, since: Timestamp, cutoff: Option<&Cutoff>, rules: &Rules) -> bool {
        cutoff.is_some_and(|cutoff| since <= cutoff.at && !self.is_exempt(&cutoff.exempt, rules))
    }

    fn is_exempt(&self, exempt: &[i64], rules: &Rules) -> bool {
        rules.admins.contains(&self.id) || self.id.number().is_some_and(|own| exempt.contains(&own))
    }

    /// Stores the tenant that an issuer named, unless the configuration names one.
    pub(super) fn move_to(
        &self,
        tenant: TenantId,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Vec<Change>, NotLoaded> {
        let stays = rules.tenant(&self.id, loaded.profile()?) == tenant;
        if stays || rules.configured_tenant(&self.id).is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![Change::Tenant(tenant)])
    }
}

/// Whether opaque tokens that the cutoff revoked are valid again.
pub(super) fn is_unlocked(cutoff: &Cutoff, profile: &Profile) -> bool {
    cutoff.lifted || profile.unlocked_at.is_some_and(|at| at >= cutoff.at)
}

impl User {
    pub(super) fn issue(
        &self,
        platform: Platform,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let mut profile = loaded.profile()?.clone();
        let nth = profile.issue_clock.tick(platform, at.now);
        profile.last_order += 1;
        let claims = Claims::new(&self.id, platform, at.now, rules.token_ttl_days, nth);
        let Ok(token) = rules.keys.sign(&claims) else {
            return Ok(Outcome::of(Reply::Broken));
        };
        let row = TokenRow {
            hash: TokenHash::of(token.expose()),
            platform,
            order: profile.last_order,
            issued_at: at.now,
            expires: Timestamp::from_secs(claims.exp),
            state: TokenState::Valid,
        };
        // Tokens that the tenant's cutoff covers are dead already and do not count for the policy.
        let cutoff = loaded.cutoff()?;
        let valid: Vec<TokenRow> = loaded
            .valid()?
            .iter()
            .filter(|row| !self.is_cut_off(row.issued_at, cutoff, rules))
            .cloned()
            .collect();
        let losers = policy::at_issue(rules.policy, &valid, platform);
        let mut changes = vec![Change::Profile(profile), Change::TokenIssued(row)];
        if !losers.is_empty() {
            changes.push(Change::TokensKicked(TokenSet::These(losers)));
        }
        let lifetime_secs = lifetime_secs(rules.token_ttl_days);
        Ok(Outcome { changes, ..Outcome::of(Reply::Issued(Issued { token, lifetime_secs })) })
    }
}
