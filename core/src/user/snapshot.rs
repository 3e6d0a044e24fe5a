//! A user's snapshot: what moves with it to another server (`docs/rules/users.md#snapshots`).
//!
//! Serials are of one server. So a snapshot holds each token's state as readers see it, under every order, and the server that
//! takes it in begins a token under its own newest order.

use serde::{Deserialize, Serialize};

use super::{
    Account, Action, Change, Connection, Loaded, NotLoaded, Outcome, Reply, Rules, User,
    end::{UNSEEN_ORDERS, kick},
    tenancy::Moved,
    tokens::{is_unlocked, still_said, with_serial},
    unseen::{seen, unseen},
};
use crate::{
    deny::{DenyWindow, merged},
    directory::view::Cutoff,
    id::TenantId,
    time::{Moment, Timestamp},
    token::{
        TokenHash,
        store::{TokenRow, TokenSet, TokenState},
    },
};

/// The most tokens of one snapshot.
pub const TOKENS_AT_ONCE: usize = 100;

/// A user, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSnapshot {
    /// Everything but the tokens; `None` where nothing is known of the user, or in a later part.
    pub facts: Option<UserFacts>,
    /// Tokens that have not expired, by hash. Their serials mean nothing elsewhere.
    pub tokens: Vec<TokenRow>,
    /// The hash behind which the next part begins.
    pub next: Option<TokenHash>,
}

/// Everything of a snapshot but the tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFacts {
    /// The tenant that an issuer named last.
    pub tenant: Option<TenantId>,
    /// The account.
    pub account: Option<Account>,
    /// The user's own cutoff: opaque tokens issued at or before it are revoked.
    pub revoked_at: Option<Timestamp>,
    /// Cutoffs by tenant, set while the user's own tenant was unknown.
    pub revoked_in: Vec<(TenantId, Timestamp)>,
    /// The date of the tenant's cutoff from which the user was unlocked.
    pub unlocked_at: Option<Timestamp>,
    /// Whether only orders name the user.
    pub is_unseen: bool,
    /// Deny windows, one a tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<DenyWindow>,
}

impl UserSnapshot {
    /// The tenant that an issuer named last.
    pub fn tenant(&self) -> Option<TenantId> {
        self.facts.as_ref()?.tenant
    }
}

impl User {
    /// The snapshot, its facts only in the first part.
    pub(super) fn snapshot(
        &self,
        after: Option<TokenHash>,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Outcome, NotLoaded> {
        let mut tokens = Vec::new();
        for row in loaded.tokens()? {
            tokens.push(self.as_seen(row, loaded, rules)?);
        }
        let next = tokens.last().map(|row| row.hash).filter(|_| tokens.len() >= TOKENS_AT_ONCE);
        // A part is a stretch by hash. Within it the order is that of issue, which two servers have in common.
        tokens.sort_by_key(|row| row.order);
        let profile = loaded.profile()?;
        let account = loaded.account()?;
        let tenant = rules.tenant(&self.id, profile);
        // Orders to sets of users do not move: what they say of the user does.
        let (orders, home) = (loaded.orders()?, rules.home(&self.id, profile));
        let named = still_said(&orders.named, tenant, profile);
        let former = still_said(&orders.former_named, home, profile);
        let named: Vec<&Cutoff> = named.chain(former).collect();
        let windows = named.iter().filter_map(|cutoff| cutoff.deny.as_deref());
        let denied = merged(&profile.denied, windows).unwrap_or_else(|| profile.denied.clone());
        let named = named.iter().map(|cutoff| cutoff.at).max();
        let is_known = profile.is_known || account.is_some() || named.is_some();
        let unlocked =
            loaded.cutoff()?.filter(|cutoff| !cutoff.lifted && is_unlocked(cutoff, tenant, profile));
        let facts = UserFacts {
            tenant: profile.tenant,
            account: account.cloned(),
            revoked_at: profile.revoked_at.max(named),
            revoked_in: profile.revoked_in.clone(),
            unlocked_at: unlocked.map(|cutoff| cutoff.at),
            is_unseen: (profile.is_unseen || !profile.is_known) && account.is_none(),
            denied,
        };
        let facts = Some(facts).filter(|_| is_known && after.is_none());
        Ok(Outcome::of(Reply::Snapshot(UserSnapshot { facts, tokens, next })))
    }

    /// Takes a snapshot of another server in. What is kicked on either side is kicked. Repeating it changes nothing.
    pub(super) fn restore(
        &self,
        snapshot: &UserSnapshot,
        loaded: &Loaded,
        rules: &Rules,
        at: Moment,
    ) -> Result<Outcome, NotLoaded> {
        let facts = snapshot.facts.clone().unwrap_or_default();
        let configured = rules.configured_tenant(&self.id);
        let Moved { mut changes, mut actions, mut is_news, mut frames } = match facts.tenant {
            Some(tenant) if configured.is_none() => self.move_to(tenant, loaded, rules)?,
            _ => Moved { changes: self.settle_former(loaded, rules)?, ..Moved::default() },
        };
        let tokens: Vec<_> = snapshot.tokens.iter().filter(|row| row.expires > at.machine).collect();
        changes.extend(self.restore_facts(&facts, &tokens, loaded, rules, at.now)?);
        let kicked: Vec<TokenHash> =
            tokens.iter().filter(|row| row.state == TokenState::Kicked).map(|row| row.hash).collect();
        let under = loaded.orders()?.under;
        changes
            .extend(tokens.into_iter().map(|row| Change::TokenRestored(TokenRow { under, ..row.clone() })));
        if !kicked.is_empty() {
            let dead: Vec<&Connection> =
                self.connections.iter().filter(|one| kicked.contains(&one.token.hash)).collect();
            let leaving: Vec<_> = dead.iter().map(|one| one.leaving()).collect();
            let (ends, retirements) = self.end(&leaving, at.now);
            is_news |= !ends.is_empty();
            changes.push(Change::TokensKicked(TokenSet::These(kicked)));
            changes.extend(ends);
            actions.extend(retirements);
            frames.extend(dead.into_iter().flat_map(kick));
        }
        actions.extend(is_news.then_some(Action::Publish { awaited: false }));
        actions.extend(frames);
        Ok(Outcome { changes, actions, ..Outcome::of(Reply::Done) })
    }

    /// The user's own row and account.
    fn restore_facts(
        &self,
        facts: &UserFacts,
        tokens: &[&TokenRow],
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Vec<Change>, NotLoaded> {
        let profile = loaded.profile()?;
        let configured = rules.configured_tenant(&self.id);
        let mut restored = profile.clone();
        restored.tenant = if configured.is_none() { facts.tenant.or(profile.tenant) } else { profile.tenant };
        if restored.tenant != profile.tenant || !tokens.is_empty() {
            restored.home = Some(rules.tenant(&self.id, &restored));
        }
        restored.last_order = tokens.iter().map(|row| row.order).fold(profile.last_order, i64::max);
        // A token of ours must not be the text of one of these.
        tokens.iter().for_each(|row| restored.issue_clock.leave_out(row.issued_at, row.order));
        let expiries = tokens.iter().map(|row| row.expires).chain(restored.first_expiry);
        restored.first_expiry = expiries.min();
        let mut changes = Vec::new();
        if restored != *profile {
            changes.push(Change::Profile(restored));
        }
        let own = loaded.account()?;
        changes.extend(facts.account.clone().filter(|account| own != Some(account)).map(Change::Account));
        changes.extend(self.restore_cutoffs(facts, loaded, rules)?);
        if !tokens.is_empty() || !facts.is_unseen {
            // Other changes make the row of a new user.
            let has_row = profile.is_known || changes.is_empty();
            changes.extend(seen(loaded)?.filter(|_| has_row));
        } else if !changes.is_empty() {
            let ends = facts.denied.iter().map(|window| window.until);
            changes.extend(unseen(loaded, ends.fold(now, Timestamp::max))?);
        }
        Ok(changes)
    }

    /// The user's own cutoffs for opaque tokens: the later of both sides.
    fn restore_cutoffs(
        &self,
        facts: &UserFacts,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Vec<Change>, NotLoaded> {
        let profile = loaded.profile()?;
        let mut changes = Vec::new();
        let configured = rules.configured_tenant(&self.id);
        let tenant = configured.or(facts.tenant).or(profile.tenant).unwrap_or_default();
        let unlocked = loaded.cutoff()?.filter(|cutoff| {
            facts.unlocked_at.is_some_and(|at| at >= cutoff.at) && !is_unlocked(cutoff, tenant, profile)
        });
        let mut revoked_in = profile.revoked_in.clone();
        for (tenant, at) in &facts.revoked_in {
            match revoked_in.iter_mut().find(|(other, _)| other == tenant) {
                Some((_, own)) => *own = (*own).max(*at),
                None => revoked_in.push((*tenant, *at)),
            }
        }
        let revoked_in = revoked_in.split_off(revoked_in.len().saturating_sub(UNSEEN_ORDERS));
        // The unlock is of the tenant's order that it names, and no later one.
        let (orders, home) = (loaded.orders()?, rules.home(&self.id, profile));
        let later = still_said(&orders.named, tenant, profile)
            .filter(|cutoff| facts.unlocked_at.is_none_or(|at| at < cutoff.at));
        let former = still_said(&orders.former_named, home, profile);
        let kept: Vec<&Cutoff> = former.chain(later.filter(|_| unlocked.is_some())).collect();
        // A move has written those of the former tenant down, and these take their place.
        let windows = kept.iter().filter_map(|cutoff| cutoff.deny.as_deref());
        changes.extend(merged(&profile.denied, windows.chain(&facts.denied)).map(Change::Denied));
        let kept = kept.iter().map(|cutoff| cutoff.at).max().filter(|_| unlocked.is_some());
        let revoked_at = profile.revoked_at.max(facts.revoked_at).max(kept);
        if unlocked.is_some() {
            // It takes the user's own cutoffs away, also what the move has just written down, and they follow.
            changes.push(Change::Unlocked(with_serial(&profile.unlocked_in, tenant, orders.under)));
        }
        if let Some(at) = revoked_at.filter(|_| unlocked.is_some() || revoked_at != profile.revoked_at) {
            changes.push(Change::Revoked { at });
        }
        if (unlocked.is_some() && !revoked_in.is_empty()) || revoked_in != profile.revoked_in {
            changes.push(Change::RevokedIn(revoked_in));
        }
        Ok(changes)
    }
}
