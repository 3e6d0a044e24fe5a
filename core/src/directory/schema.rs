//! The `record` table: the same on the origin, in a directory shard and in a user's object.
//!
//! The origin keeps all tenants in one database, a shard holds one tenant, a user's object its own records.
//! Every index leads with the tenant, because every question is asked within one; a rowid table carries `id`
//! at the end of each index, so that each of them also ends in the tie-breaker of its order.

// Times are milliseconds; `member_of` is JSON; `source` is 0 for live and 1 for import; `published` is the generation that the
// directory acknowledged, in a user's object at the edge, and NULL elsewhere.
macro_rules! record {
    () => {
        "\
CREATE TABLE IF NOT EXISTS record (\
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, user INTEGER NOT NULL, full_name TEXT NOT NULL, avatar TEXT,\
  user_agent TEXT NOT NULL, device_id TEXT NOT NULL, remote_address TEXT NOT NULL, online_at INTEGER NOT NULL,\
  offline_at INTEGER, lease_until INTEGER, source INTEGER NOT NULL, generation INTEGER NOT NULL, published INTEGER,\
  member_of TEXT\
) STRICT;"
    };
}

macro_rules! by_user {
    () => {
        "CREATE INDEX IF NOT EXISTS record_by_user ON record (tenant, user, device_id);"
    };
}

/// Steps of the schema of a directory in order, each of several statements. An adapter that is at version `n`
/// runs the steps from index `n` on, in one transaction. A step never changes once it is released; the next one
/// follows it.
pub const VERSIONS: &[&str] = &[SCHEMA];

/// The first step: the table and the indexes of a directory, which answers lists.
///
/// A substring has to look at every text of the tenant: the narrower what it reads, the sooner it is done. So the
/// address stands beside the name (a search looks into both) and the device beside the user; indexes of their own
/// would make a question for an exact address or device a matter of microseconds, and would halve the rate at
/// which records are written. `record_open` has all that liveness asks of a row without an end, in the order of the
/// default list. Only imported rows are leased.
pub const SCHEMA: &str = concat!(
    record!(),
    by_user!(),
    "\
CREATE INDEX IF NOT EXISTS record_by_tenant ON record (tenant);\
CREATE INDEX IF NOT EXISTS record_by_name ON record (tenant, full_name, remote_address);\
CREATE INDEX IF NOT EXISTS record_by_online ON record (tenant, online_at);\
CREATE INDEX IF NOT EXISTS record_ended ON record (tenant, offline_at) WHERE offline_at IS NOT NULL;\
CREATE INDEX IF NOT EXISTS record_open ON record (tenant, id, online_at, user, lease_until, offline_at) \
  WHERE offline_at IS NULL;\
CREATE INDEX IF NOT EXISTS record_leased ON record (lease_until) \
  WHERE offline_at IS NULL AND lease_until IS NOT NULL;"
);

/// The table as a user's object on the edge has it: each index entry is a billed row there, and details are all
/// that is asked.
pub const USER_SCHEMA: &str = concat!(record!(), by_user!());

/// An index of the table, for statements that say which one they mean: neither runtime keeps statistics, and a
/// plan that changes with the engine's version is a plan nobody tested.
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
        }
    }
}
