//! What an order leaves behind: a user's own mark, and the mark of its tenant (`docs/rules/message-center.md#marks`).

use serde::{Deserialize, Serialize};

use super::{Change, Connection, Loaded, Outcome, Presence, Profile, Reply, Rules, User};
use crate::{
    directory::view::Mark,
    id::TenantId,
    time::{Moment, Timestamp},
    token::{
        TokenError,
        book::{self, TokenRow},
    },
};

/// What counts of an opaque token when it is held against orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// The tenant that its issuer tells.
    pub tenant: TenantId,
    /// When it was issued; without that it is older than any order.
    pub issued_at: Option<Timestamp>,
    /// Whether it is a personal access token.
    pub personal: bool,
}

impl User {
    /// Answers [`super::Command::VerifyBearer`].
    pub(super) fn verify_bearer(&self, bearer: &Bearer, loaded: &Loaded, rules: &Rules) -> Outcome {
        let standing = if self.refuses(bearer, loaded, rules) { Err(TokenError::Kicked) } else { Ok(()) };
        let changes = if standing.is_ok() { self.move_to(bearer.tenant, loaded, rules) } else { Vec::new() };
        Outcome { changes, ..Outcome::of(Reply::Standing(standing)) }
    }

    /// Whether the tenant's mark covers something that is live: it is in no answer, but its socket was not reached yet.
    pub fn is_overdue(&self, loaded: &Loaded, rules: &Rules) -> bool {
        self.beginnings().any(|opened| self.is_marked(opened, loaded, rules))
    }

    /// Whether anything that is live began by then: a mark of that moment covers nothing else.
    pub fn began_by(&self, moment: Timestamp) -> bool {
        self.beginnings().any(|opened| opened <= moment)
    }

    fn beginnings(&self) -> impl Iterator<Item = Timestamp> {
        let connections = self.connections.iter().map(|connection| connection.opened_at);
        connections.chain(self.consoles.iter().map(|console| console.opened_at))
    }

    /// What the book says of a token of ours, and the tenant's mark beside it.
    pub(super) fn standing<'a>(&self, loaded: &'a Loaded, rules: &Rules) -> Result<&'a TokenRow, TokenError> {
        let row = book::standing(loaded.presented.as_ref())?;
        if self.is_marked(row.issued_at, loaded, rules) { Err(TokenError::Kicked) } else { Ok(row) }
    }

    /// Who is there and not covered by the tenant's mark.
    pub(super) fn presence(&self, loaded: &Loaded, rules: &Rules) -> Vec<Presence> {
        let seen = |connection: &&Connection| !self.is_marked(connection.opened_at, loaded, rules);
        self.connections.iter().filter(seen).map(Connection::presence).collect()
    }

    /// Whether an order took an opaque token back.
    pub(super) fn refuses(&self, bearer: &Bearer, loaded: &Loaded, rules: &Rules) -> bool {
        if bearer.personal && !rules.revoke_pat {
            return false;
        }
        let older = |mark: Timestamp| bearer.issued_at.is_none_or(|issued| issued <= mark);
        let of_tenant = loaded
            .mark
            .as_ref()
            .filter(|mark| !is_unlocked(mark, &loaded.profile) && !self.is_spared(&mark.exempt, rules));
        let unseen = loaded.profile.revoked_in.iter().filter(|(tenant, _)| *tenant == bearer.tenant);
        let orders = loaded.profile.revoked_at.into_iter().chain(of_tenant.map(|mark| mark.at));
        orders.chain(unseen.map(|(_, at)| *at)).any(older)
    }

    /// Lifts what was taken from opaque tokens. Tokens of ours stay dead: their user gets a new one.
    pub(super) fn unlock(&self, loaded: &Loaded, rules: &Rules, at: Moment) -> Outcome {
        let ancient = Bearer { tenant: TenantId::default(), issued_at: None, personal: false };
        let locked = self.refuses(&ancient, loaded, rules) || !loaded.profile.revoked_in.is_empty();
        let changes = if locked { vec![Change::Unlocked { at: at.now }] } else { Vec::new() };
        Outcome { changes, ..Outcome::of(Reply::Unlocked(locked)) }
    }

    /// Whether what began at `since` is dead by the tenant's mark.
    pub(super) fn is_marked(&self, since: Timestamp, loaded: &Loaded, rules: &Rules) -> bool {
        loaded.mark.as_ref().is_some_and(|mark| since <= mark.at && !self.is_spared(&mark.exempt, rules))
    }

    fn is_spared(&self, exempt: &[i64], rules: &Rules) -> bool {
        rules.admins.contains(&self.id) || self.id.number().is_some_and(|own| exempt.contains(&own))
    }

    /// Keeps the tenant that an issuer told, where the configuration does not say it.
    pub(super) fn move_to(&self, tenant: TenantId, loaded: &Loaded, rules: &Rules) -> Vec<Change> {
        if rules.tenant(&self.id, &loaded.profile) == tenant || rules.configured_tenant(&self.id).is_some() {
            return Vec::new();
        }
        vec![Change::Tenant(tenant)]
    }
}

/// Whether opaque tokens are good again that the mark took back.
pub(super) fn is_unlocked(mark: &Mark, profile: &Profile) -> bool {
    mark.lifted || profile.unlocked_at.is_some_and(|at| at >= mark.at)
}
