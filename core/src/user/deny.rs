//! Deny windows (`docs/rules/users.md#deny-windows`): what opens them, and whom they keep out.

use super::{
    Change, ForceOff, Loaded, NotLoaded, Outcome, Rules, User,
    tokens::{is_over, still_said},
    unseen::unseen,
};
use crate::{
    deny::{DenyWindow, merged},
    id::TenantId,
    time::{Moment, Timestamp},
};

impl User {
    /// The end of the window that keeps the user out of this tenant now: its own, or that of an order to a set of users whose delivery has
    /// not come to it.
    pub(super) fn denied(
        &self,
        tenant: TenantId,
        loaded: &Loaded,
        at: Moment,
    ) -> Result<Option<Timestamp>, NotLoaded> {
        Ok(self.deny_window(tenant, loaded, at)?.map(|window| window.until))
    }

    /// That window.
    pub(super) fn deny_window<'a>(
        &self,
        tenant: TenantId,
        loaded: &'a Loaded,
        at: Moment,
    ) -> Result<Option<&'a DenyWindow>, NotLoaded> {
        let profile = loaded.profile()?;
        let named = still_said(&loaded.orders()?.named, tenant, profile);
        let windows = profile.denied.iter().chain(named.filter_map(|cutoff| cutoff.deny.as_deref()));
        let is_open = |window: &&DenyWindow| window.tenant == tenant && window.is_open(at.machine);
        Ok(windows.filter(is_open).max_by_key(|window| window.until))
    }

    /// Adds the window of an order to what it changes. A user of another tenant ignores both, and a delivery brings no window that was
    /// lifted since the order.
    pub(super) fn open_window(
        &self,
        order: &ForceOff,
        window: &DenyWindow,
        outcome: &mut Outcome,
        loaded: &Loaded,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<(), NotLoaded> {
        let profile = loaded.profile()?;
        let is_unknown = profile.tenant.is_none() && rules.configured_tenant(&self.id).is_none();
        let of = [rules.tenant(&self.id, profile), rules.home(&self.id, profile)];
        let is_lifted = match order {
            ForceOff::Named(named) => is_over(&named.cutoff(), named.within, profile),
            _ => false,
        };
        if is_lifted || !(is_unknown || of.contains(&window.tenant)) {
            return Ok(());
        }
        if let Some(windows) = merged(&profile.denied, [window]) {
            outcome.changes.retain(|change| !matches!(change, Change::Unseen { .. }));
            outcome.changes.push(Change::Denied(windows));
            // Somebody who was never seen is kept for longer than the window lasts.
            outcome.changes.extend(unseen(loaded, now.max(window.until))?);
        }
        Ok(())
    }
}
