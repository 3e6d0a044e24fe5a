//! The indexes of the `record` table, which `crate::store::migrations` makes.

/// An index of the table. Statements name the one they use: neither runtime keeps statistics, and a plan that changes with
/// the engine's version is an untested plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
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
}

impl Index {
    /// Its name in SQL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "record_by_tenant",
            Self::User => "record_by_user",
            Self::Name => "record_by_name",
            Self::Online => "record_by_online",
            Self::Ended => "record_ended",
            Self::Open => "record_open",
            Self::Imported => "record_imported",
        }
    }
}
