//! Imported records, which no user ends: orders end them, in pieces.

use rollcall_core::{
    directory::{holding::Holding, upsert, view::Cutoff},
    id::TenantId,
    time::Timestamp,
};

use super::{error::CommandError, registry::Users, retry::until_durable};

/// Records that one commit ends. It is short, since other commits wait for it.
const ROWS: u32 = 2_000;

impl Users {
    /// Ends the imported records of these users.
    ///
    /// # Errors
    /// When a commit fails. Some may be ended by then.
    pub async fn end_imports(
        &self,
        tenant: TenantId,
        users: &[i64],
        at: Timestamp,
    ) -> Result<(), CommandError> {
        let statement = upsert::end_imports_of_users(tenant, users, at, ROWS);
        Ok(self.shared.store.change_all(&statement, ROWS).await.map(drop)?)
    }

    /// Ends the imported records that the tenant's cutoff covers. Until then it hides them from answers.
    pub(super) async fn end_cut_off_imports(&self, tenant: TenantId) {
        let end = || async {
            let Some(cutoff) = self.cutoff_of(tenant) else { return Ok(()) };
            let statement =
                upsert::end_imports_of_tenant(tenant, &cutoff.exempt, cutoff.at, ROWS, &Holding::SHARED);
            Ok(self.shared.store.change_all(&statement, ROWS).await.map(drop)?)
        };
        until_durable("the end of a tenant's imported records", end).await;
    }

    /// The same of users that the next cutoff exempts.
    ///
    /// # Errors
    /// As [`Users::end_imports`].
    pub(super) async fn end_cut_off_imports_of(
        &self,
        tenant: TenantId,
        users: &[i64],
        cutoff: &Cutoff,
    ) -> Result<(), CommandError> {
        self.end_imports_cut_off_at(tenant, users, cutoff.at).await
    }

    /// Ends the imported records of these users that an order of this date covers.
    ///
    /// # Errors
    /// As [`Users::end_imports`].
    pub(super) async fn end_imports_cut_off_at(
        &self,
        tenant: TenantId,
        users: &[i64],
        at: Timestamp,
    ) -> Result<(), CommandError> {
        let statement = upsert::end_cut_off_imports_of_users(tenant, users, at, ROWS);
        Ok(self.shared.store.change_all(&statement, ROWS).await.map(drop)?)
    }

    /// Goes on with what orders of an earlier process had not ended yet.
    pub async fn resume_orders(&self) {
        // Where others may serve, those have a process each, and are taken up when it has died.
        if self.shared.cluster.is_none() {
            self.resume_scoped();
        }
        self.resume_force_offs();
        for tenant in self.shared.cutoffs.tenants() {
            let (users, rows) = (self.clone(), self.shared.cutoffs.order_locks(tenant).rows);
            let rows = rows.read_owned().await;
            tokio::spawn(async move {
                users.end_cut_off_imports(tenant).await;
                drop(rows);
            });
        }
    }
}
