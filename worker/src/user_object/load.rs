//! The load of a command's state from the object's store.

use std::rc::Rc;

use rollcall_core::{
    directory::record::Record,
    id::{RecordId, TenantId, UserId},
    store::{Statement, Value},
    time::Timestamp,
    user::{Command, Loaded, Needs, Orders, Profile, Rules, User, object, outbox},
};

use super::{Object, run::RunError};
use crate::{clock, wire::CachedCutoff};

/// The cutoffs that a command came with, or that were asked for since.
#[derive(Default)]
pub(super) struct Cutoffs {
    /// That of the user's tenant.
    pub(super) own: Option<CachedCutoff>,
    /// That of the tenant that the user moves from.
    pub(super) former: Option<CachedCutoff>,
}

impl Object {
    /// Loads the state that the command needs. A command under another tenant's cutoff than the user's is refused, and so is one
    /// that lacks the cutoff of the tenant that the user moves from. A profile that was read in this event is not read again.
    pub(super) fn load(
        &self,
        user: &User,
        command: &Command,
        cutoffs: &Cutoffs,
        profile: Option<Profile>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Loaded, RunError> {
        let mut needs = command.needs();
        needs.profile = (needs.profile || needs.orders) && profile.is_none();
        let mut loaded = self.read(&needs, user, now)?;
        loaded.profile = loaded.profile.or(profile);
        if needs.orders {
            let of = |cached: &Option<CachedCutoff>, tenant| {
                cached.as_ref().filter(|cached| cached.tenant == tenant).cloned()
            };
            let tenant = command.tenant(user.id(), &loaded, rules)?;
            let own = of(&cutoffs.own, tenant).ok_or(RunError::OtherTenant(tenant))?;
            let former = match command.former_tenant(user.id(), &loaded, rules)? {
                Some(former) => Some(of(&cutoffs.former, former).ok_or(RunError::MovesFrom(former))?),
                None => None,
            };
            let (former, former_named) = former.map(|one| (one.cutoff, one.named)).unwrap_or_default();
            loaded.orders = Some(Orders {
                under: own.under(),
                cutoff: own.cutoff,
                named: own.named,
                former,
                former_named,
            });
        }
        Ok(loaded)
    }

    /// The tenant that the user moves from under this command, and the profile, if that was read for it.
    pub(super) fn former_tenant(
        &self,
        command: &Command,
    ) -> Result<(Option<TenantId>, Option<Profile>), RunError> {
        if !command.needs().orders {
            return Ok((None, None));
        }
        let user = self.user()?;
        let loaded = self.profile(&user, clock::now())?;
        let former = command.former_tenant(&user, &loaded, &self.configuration()?.rules)?;
        Ok((former, loaded.profile))
    }

    fn profile(&self, user: &UserId, now: Timestamp) -> Result<Loaded, RunError> {
        let needs = Needs { profile: true, ..Needs::default() };
        self.read(&needs, &User::new(user.clone(), Vec::new()), now)
    }

    /// The user's tenant.
    pub(super) fn home(&self, user: &UserId, rules: &Rules, now: Timestamp) -> Result<TenantId, RunError> {
        if let Some(tenant) = rules.configured_tenant(user) {
            return Ok(tenant);
        }
        Ok(rules.tenant(user, self.profile(user, now)?.profile()?))
    }

    pub(super) fn read(&self, needs: &Needs, user: &User, now: Timestamp) -> Result<Loaded, RunError> {
        let mut loaded = Loaded::default();
        for (part, extra, statement) in object::queries(needs, user, now) {
            // Without tables nothing was ever written, which is an answer too.
            let is_there = extra.map_or(Ok(true), |extra| self.sql().has(extra))?;
            let rows = if is_there { self.sql().read(&statement)? } else { None };
            loaded.absorb(part, &rows.unwrap_or_default())?;
        }
        Ok(loaded)
    }

    /// Those of these records that the object has, as the directory is to show them.
    pub(super) fn records(self: &Rc<Self>, ids: Vec<RecordId>) -> Result<Vec<Record>, RunError> {
        self.reconcile(&self.user()?, None)?;
        let rows = self.sql().read(&object::shown(ids))?.unwrap_or_default();
        Ok(object::read_shown(&rows, clock::now())?)
    }

    /// The user by the store, if it names one. Somebody who is not known has nothing there but entries of the audit that wait.
    pub(super) fn user_from_store(&self) -> Result<Option<UserId>, RunError> {
        let rows = self.sql().read(&Statement::new("SELECT id FROM user LIMIT 1", []))?.unwrap_or_default();
        match rows.first().map(Vec::as_slice) {
            Some([Value::Text(id)]) => {
                return UserId::new(id.as_str()).map(Some).map_err(|_| RunError::Nameless);
            }
            Some(_) => return Err(RunError::Nameless),
            None => {}
        }
        let rows = self.sql().read(&outbox::parts_alone())?.unwrap_or_default();
        Ok(outbox::read_parts(&rows).into_iter().find_map(|(_, part)| part.target))
    }
}
