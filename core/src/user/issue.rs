//! Issuing a token (`docs/rules/openim.md#policy-at-issue`).

use super::{Change, Issued, Loaded, NotLoaded, Outcome, Reply, Rules, User};
use crate::{
    platform::Platform,
    policy,
    time::{Moment, Timestamp},
    token::{
        Claims, TokenHash, lifetime_secs,
        store::{TokenRow, TokenSet, TokenState},
    },
};

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
