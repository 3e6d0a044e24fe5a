//! A user's move from one tenant to another (`docs/rules/users.md#tenant`): by the word of an issuer, or by the configuration.
//!
//! Each tenant counts its orders for itself. So what the former tenant's order took is written down with the move, and what the
//! user keeps goes under the new tenant's orders from the last one on.

use super::{
    Action, Change, Loaded, NotLoaded, Orders, Profile, Rules, User,
    end::{Leaving, kick},
    tokens::{settled_in, still_said},
};
use crate::{
    deny::merged,
    id::{ConnId, TenantId},
    token::store::TokenRow,
};

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
    /// Moves the user to the tenant that an issuer named, unless the configuration names one: the user then comes under that one's orders,
    /// and the next configuration finds what they say of it.
    pub(super) fn move_to(
        &self,
        tenant: TenantId,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Moved, NotLoaded> {
        let profile = loaded.profile()?;
        if let Some(configured) = rules.configured_tenant(&self.id) {
            let changes = match profile.home {
                None => vec![Change::Home(configured)],
                Some(_) => self.settle_former(loaded, rules)?,
            };
            return Ok(Moved { changes, ..Moved::default() });
        }
        let stays = rules.tenant(&self.id, profile) == tenant;
        let (orders, is_at_home) = (loaded.orders()?, rules.home(&self.id, profile) == tenant);
        if is_at_home {
            let changes = if stays { Vec::new() } else { vec![Change::Tenant(tenant)] };
            return Ok(Moved { changes, ..Moved::default() });
        }
        let home = rules.home(&self.id, profile);
        let mut moved = Moved::default();
        let mut ends = Vec::new();
        let mut taken: Vec<ConnId> = Vec::new();
        for former in self.formerly_in_force(orders, rules) {
            moved.changes.push(Change::TokensTaken { by: former.serial, at: former.at });
            let is_next = |id: ConnId, began| former.follows(began) && !taken.contains(&id);
            let connections: Vec<_> =
                self.connections.iter().filter(|one| is_next(one.id, one.began())).collect();
            let consoles: Vec<_> = self.consoles.iter().filter(|one| is_next(one.id, one.began())).collect();
            let leaving: Vec<Leaving> = connections
                .iter()
                .map(|connection| connection.leaving())
                .chain(consoles.iter().map(|console| console.leaving()))
                .collect();
            taken.extend(leaving.iter().map(|one| one.id));
            let (ended, retired) = self.end(&leaving, former.at);
            ends.extend(ended);
            moved.actions.extend(retired);
            moved.frames.extend(connections.into_iter().flat_map(kick));
            moved.frames.extend(consoles.into_iter().flat_map(|console| console.force_offline(None)));
        }
        moved.changes.extend(named_of(orders, home, profile));
        moved.changes.extend([Change::TokensUnder(orders.under), Change::Tenant(tenant)]);
        moved.is_news = !ends.is_empty();
        moved.changes.extend(ends);
        moved.actions.push(Action::SetUnder(orders.under));
        Ok(moved)
    }

    /// Whether an order took a token: one of the present tenant, or one of the tenant whose orders it was issued under.
    ///
    /// Where the configuration has moved the user and nothing was written since, the serials of the two tenants say nothing about
    /// each other: the date of the token decides for the present one.
    pub(super) fn is_taken(&self, row: &TokenRow, loaded: &Loaded, rules: &Rules) -> Result<bool, NotLoaded> {
        let orders = loaded.orders()?;
        if orders.is_empty() {
            return Ok(false);
        }
        let (profile, began) = (loaded.profile()?, row.began());
        let mut present = self.in_force(orders, rules);
        if rules.home(&self.id, profile) == rules.tenant(&self.id, profile) {
            return Ok(present.any(|cutoff| cutoff.follows(began)));
        }
        let is_outdated = present.any(|cutoff| row.issued_at <= cutoff.at);
        Ok(is_outdated || self.formerly_in_force(orders, rules).any(|cutoff| cutoff.follows(began)))
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
        let taken = self
            .formerly_in_force(orders, rules)
            .map(|cutoff| Change::TokensTaken { by: cutoff.serial, at: cutoff.at });
        let outdated = self.in_force(orders, rules).map(|cutoff| Change::TokensOutdated { by: cutoff.at });
        let named = named_of(orders, rules.home(&self.id, profile), profile);
        let moved = [Change::TokensUnder(orders.under), Change::Home(tenant)];
        Ok(taken.chain(outdated).chain(named).chain(moved).collect())
    }
}

/// What undelivered orders to sets of users of the former tenant `home` say of opaque tokens, and their deny windows. Their deliveries
/// will find the user in another tenant; when it is back, they are not to say it again.
fn named_of<'a>(
    orders: &'a Orders,
    home: TenantId,
    profile: &'a Profile,
) -> impl Iterator<Item = Change> + use<'a> {
    let named = || still_said(&orders.former_named, home, profile);
    let denied = merged(&profile.denied, named().filter_map(|cutoff| cutoff.deny.as_deref()));
    let revoked = named().map(|cutoff| Change::Revoked { at: cutoff.at });
    revoked.chain(denied.map(Change::Denied)).chain(settled_in(orders, home, profile))
}
