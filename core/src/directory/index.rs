//! The indexes of the `record` table, which `crate::store::migrations` makes.

/// An index of the table. Statements name the one they use: neither runtime keeps statistics, and a plan that changes with
/// the engine's version is an untested plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// None: the rows themselves, in the order of their ids.
    Rows,
    Tenant,
    User,
    Name,
    Online,
    /// Rows with an end.
    Ended,
    /// Rows without one.
    Open,
    /// Imported rows without one, by user.
    Imported,
    /// The same by tenant.
    ImportedOfTenant,
}

impl Index {
    /// The words after the table's name that make a statement use it.
    pub(super) const fn hint(self) -> &'static str {
        match self {
            Self::Rows => "NOT INDEXED",
            Self::Tenant => "INDEXED BY record_by_tenant",
            Self::User => "INDEXED BY record_by_user",
            Self::Name => "INDEXED BY record_by_name",
            Self::Online => "INDEXED BY record_by_online",
            Self::Ended => "INDEXED BY record_ended",
            Self::Open => "INDEXED BY record_open",
            Self::Imported => "INDEXED BY record_imported",
            Self::ImportedOfTenant => "INDEXED BY record_imported_of_tenant",
        }
    }
}
