//! A user's move from one tenant to another (`docs/rules/users.md#tenant`): by the word of an issuer, or by the configuration.
//!
//! Each tenant counts its orders for itself. So what the former tenant's order took is written down with the move, and what the
//! user keeps goes under the new tenant's orders from the last one on.

use super::{
    Action, Change, Loaded, NotLoaded, Rules, User,
    end::{Leaving, kick},
};
use crate::{id::TenantId, token::store::TokenRow};

/// What a move leads to.
#[derive(Default)]
pub(super) struct Moved {
    /// The move, and what the former tenant's order took.
    pub(super) changes: Vec<Change>,
    /// What happens to the live set.
    pub(super) actions: Vec<Action>,
    /// Whether records ended: the directory has to hear of it.
    pub(super) is_news: bool,
    /// Frames and closes, which follow the other actions of the command.
    pub(super) frames: Vec<Action>,
}

impl User {
    /// Moves the user to the tenant that an issuer named, unless the configuration names one.
    pub(super) fn move_to(
        &self,
        tenant: TenantId,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Moved, NotLoaded> {
        if rules.configured_tenant(&self.id).is_some() {
            return Ok(Moved::default());
        }
        let profile = loaded.profile()?;
        let stays = rules.tenant(&self.id, profile) == tenant;
        let (orders, is_at_home) = (loaded.orders()?, rules.home(&self.id, profile) == tenant);
        if is_at_home {
            let changes = if stays { Vec::new() } else { vec![Change::Tenant(tenant)] };
            return Ok(Moved { changes, ..Moved::default() });
        }
        let former = orders.former.as_ref().filter(|cutoff| !self.is_exempt(&cutoff.exempt, rules));
        let Some(former) = former else {
            let changes = vec![Change::TokensUnder(orders.under), Change::Tenant(tenant)];
            return Ok(Moved { changes, actions: vec![Action::SetUnder(orders.under)], ..Moved::default() });
        };
        let connections: Vec<_> = self.connections.iter().filter(|one| former.follows(one.began())).collect();
        let consoles: Vec<_> = self.consoles.iter().filter(|one| former.follows(one.began())).collect();
        let leaving: Vec<Leaving> = connections
            .iter()
            .map(|connection| connection.leaving())
            .chain(consoles.iter().map(|console| console.leaving()))
            .collect();
        let (ends, mut actions) = self.end(&leaving, former.at);
        let mut changes = vec![
            Change::TokensTaken { by: former.serial, at: former.at },
            Change::TokensUnder(orders.under),
            Change::Tenant(tenant),
        ];
        let is_news = !ends.is_empty();
        changes.extend(ends);
        actions.push(Action::SetUnder(orders.under));
        let mut frames: Vec<Action> = connections.into_iter().flat_map(kick).collect();
        frames.extend(consoles.into_iter().flat_map(|console| console.force_offline(None)));
        Ok(Moved { changes, actions, is_news, frames })
    }

    /// Whether an order took a token: one of the present tenant, or one of the tenant whose orders it was issued under.
    ///
    /// Where the configuration has moved the user and nothing was written since, the serials of the two tenants say nothing about
    /// each other: the date of the token decides for the present one.
    pub(super) fn is_taken(&self, row: &TokenRow, loaded: &Loaded, rules: &Rules) -> Result<bool, NotLoaded> {
        let orders = loaded.orders()?;
        if orders.cutoff.is_none() && orders.former.is_none() {
            return Ok(false);
        }
        let profile = loaded.profile()?;
        if rules.home(&self.id, profile) == rules.tenant(&self.id, profile) {
            return Ok(self.is_cut_off(row.began(), orders.cutoff.as_ref(), rules));
        }
        let outdated = orders
            .cutoff
            .as_ref()
            .is_some_and(|cutoff| row.issued_at <= cutoff.at && !self.is_exempt(&cutoff.exempt, rules));
        Ok(outdated || self.is_cut_off(row.began(), orders.former.as_ref(), rules))
    }

    /// For a user that the configuration has moved: the tokens that [`Self::is_taken`] names are kicked, and the others come under
    /// the orders of the present tenant.
    pub(super) fn settle_former(&self, loaded: &Loaded, rules: &Rules) -> Result<Vec<Change>, NotLoaded> {
        let profile = loaded.profile()?;
        let tenant = rules.tenant(&self.id, profile);
        if rules.home(&self.id, profile) == tenant {
            return Ok(Vec::new());
        }
        let orders = loaded.orders()?;
        let in_force = |exempt: &[i64]| !self.is_exempt(exempt, rules);
        let former = orders.former.as_ref().filter(|cutoff| in_force(&cutoff.exempt));
        let present = orders.cutoff.as_ref().filter(|cutoff| in_force(&cutoff.exempt));
        let taken = former.map(|cutoff| Change::TokensTaken { by: cutoff.serial, at: cutoff.at });
        let outdated = present.map(|cutoff| Change::TokensOutdated { by: cutoff.at });
        let moved = [Change::TokensUnder(orders.under), Change::Home(tenant)];
        Ok(taken.into_iter().chain(outdated).chain(moved).collect())
    }
}
