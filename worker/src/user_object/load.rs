//! The load of a command's state from the object's store.

use std::rc::Rc;

use rollcall_core::{
    directory::{query, record::Record},
    id::{RecordId, TenantId, UserId},
    store::{Statement, Value},
    time::Timestamp,
    user::{Command, Loaded, Needs, Rules, User},
};

use super::{Object, run::RunError};
use crate::wire::CachedCutoff;

impl Object {
    /// Loads the state that the command needs. A command under another tenant's cutoff than the user's is refused.
    pub(super) fn load(
        &self,
        user: &User,
        command: &Command,
        cached: Option<&CachedCutoff>,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Loaded, RunError> {
        let mut needs = command.needs();
        needs.profile |= needs.cutoff && rules.configured_tenant(user.id()).is_none();
        let mut loaded = self.read(&needs, user, now)?;
        if needs.cutoff {
            let home = command.tenant(user.id(), &loaded, rules)?;
            let Some(cached) = cached.filter(|cached| cached.tenant == home) else {
                return Err(RunError::OtherTenant(home));
            };
            loaded.cutoff = Some(cached.cutoff.clone());
        }
        Ok(loaded)
    }

    /// The user's tenant.
    pub(super) fn home(&self, user: &UserId, rules: &Rules, now: Timestamp) -> Result<TenantId, RunError> {
        if let Some(tenant) = rules.configured_tenant(user) {
            return Ok(tenant);
        }
        let needs = Needs { profile: true, ..Needs::default() };
        let loaded = self.read(&needs, &User::new(user.clone(), Vec::new()), now)?;
        Ok(rules.tenant(user, loaded.profile()?))
    }

    pub(super) fn read(&self, needs: &Needs, user: &User, now: Timestamp) -> Result<Loaded, RunError> {
        let mut loaded = Loaded::default();
        for (part, statement) in needs.queries(user, now) {
            // Without tables nothing was ever written, which is an answer too.
            let rows = self.sql().read(&statement)?.unwrap_or_default();
            loaded.absorb(part, &rows)?;
        }
        Ok(loaded)
    }

    /// Those of these records that the object has.
    pub(super) fn records(self: &Rc<Self>, ids: Vec<RecordId>) -> Result<Vec<Record>, RunError> {
        self.reconcile(&self.user()?, None)?;
        self.read_records(&query::by_ids(ids))
    }

    pub(super) fn read_records(&self, statement: &Statement) -> Result<Vec<Record>, RunError> {
        let rows = self.sql().read(statement)?.unwrap_or_default();
        Ok(query::read_records(&rows)?)
    }

    pub(super) fn user_from_store(&self) -> Result<UserId, RunError> {
        let rows = self.sql().read(&Statement::new("SELECT id FROM user LIMIT 1", []))?.unwrap_or_default();
        match rows.first().map(Vec::as_slice) {
            Some([Value::Text(id)]) => UserId::new(id.as_str()).map_err(|_| RunError::Nameless),
            _ => Err(RunError::Nameless),
        }
    }
}
