//! The tables of every store, as one list of steps for both runtimes.
//!
//! A store has a version: the number of the last step that it went through, in the one row of its table `schema`. An adapter
//! looks for it with [`find`] and [`version`], runs the texts of [`missing`] and [`set_version`], all in one transaction, and
//! only then anything else. A released step is never edited; the next one follows it, with the next number.

mod steps;

#[cfg(test)]
mod tests;

use super::{Statement, Value};

/// A kind of store. Each has the tables of its own work only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// The one database of the origin, with every user and every tenant.
    Origin,
    /// A user's object at the edge.
    User,
    /// A shard of a tenant's directory at the edge.
    Shard,
    /// The object of a tenant's orders at the edge.
    Cutoff,
}

/// A change of tables that belongs to one version.
struct Step {
    version: u32,
    stores: &'static [StoreKind],
    sql: &'static str,
}

use StoreKind::{Cutoff, Origin, Shard, User};

const STEPS: &[Step] = &[
    Step { version: 1, stores: &[Origin, User], sql: steps::USERS },
    Step { version: 1, stores: &[User], sql: steps::RECORDS_OF_A_USER },
    Step { version: 1, stores: &[Origin, Shard], sql: steps::RECORDS },
    Step { version: 1, stores: &[Origin, Shard], sql: steps::TENANT_ORDERS },
    Step { version: 1, stores: &[Origin], sql: steps::LEASE },
    Step { version: 1, stores: &[Shard], sql: steps::LAYOUT },
    Step { version: 1, stores: &[Shard], sql: steps::PROGRESS },
    Step { version: 1, stores: &[Shard], sql: steps::DELIVERY },
    Step { version: 1, stores: &[Shard], sql: steps::NAME },
    Step { version: 2, stores: &[Origin, User], sql: steps::SUBSCRIPTIONS },
    Step { version: 3, stores: &[Origin, User, Shard], sql: steps::SCHEMA },
    Step { version: 3, stores: &[Origin], sql: steps::LAST_USER_VERSION },
    Step { version: 4, stores: &[Origin, User], sql: steps::SERIALS_OF_USERS },
    Step { version: 4, stores: &[Origin, User, Shard], sql: steps::SERIALS_OF_RECORDS },
    Step { version: 4, stores: &[Origin, Shard], sql: steps::SERIALS_OF_ORDERS },
    Step { version: 4, stores: &[Origin, Shard], sql: steps::OPEN_RECORDS_WITH_SERIALS },
    Step { version: 4, stores: &[Shard], sql: steps::SERIAL_OF_DELIVERY },
    Step { version: 5, stores: &[Origin, User], sql: steps::REGISTERED },
    Step { version: 5, stores: &[Origin, Shard], sql: steps::ENDED_RECORDS_OF_USERS },
    Step { version: 5, stores: &[Origin], sql: steps::TOKENS_BY_EXPIRY },
    Step { version: 5, stores: &[Origin, User], sql: steps::UNSEEN_USERS },
    Step { version: 5, stores: &[Origin], sql: steps::UNSEEN_USERS_BY_DATE },
    Step { version: 6, stores: &[Origin, User], sql: steps::ACCOUNTS },
    Step { version: 7, stores: &[Origin, Shard], sql: steps::IMPORTED_RECORDS_BY_USER },
    Step { version: 8, stores: &[Origin, User], sql: steps::FIRST_EXPIRY },
    Step { version: 8, stores: &[User], sql: steps::FIRST_EXPIRY_OF_STORED },
    Step { version: 8, stores: &[User], sql: steps::TOKENS_BY_STATE },
    Step { version: 8, stores: &[User], sql: steps::HELD_RECORDS },
    Step { version: 8, stores: &[User], sql: steps::EXTRAS },
    Step { version: 9, stores: &[Origin, Shard], sql: steps::BUCKETS_OF_RECORDS },
    Step { version: 9, stores: &[Shard], sql: steps::COUNTERS },
    Step { version: 9, stores: &[Shard], sql: steps::INDEXES_OF_ONE_TENANT },
    Step { version: 9, stores: &[Shard], sql: steps::VERSIONED_LAYOUT },
    Step { version: 10, stores: &[Origin], sql: steps::SCOPED_CUTOFFS },
    Step { version: 10, stores: &[Cutoff], sql: steps::ORDERS_OF_A_TENANT },
    Step { version: 10, stores: &[Shard], sql: steps::REACHED_BY_DELIVERY },
    Step { version: 11, stores: &[Shard], sql: steps::WALK_OVER_CROWDED_USERS },
    Step { version: 12, stores: &[Origin], sql: steps::IMPORTED_RECORDS_OF_TENANTS },
    Step { version: 13, stores: &[Origin], sql: steps::AUDIT },
    Step { version: 13, stores: &[Shard, Cutoff], sql: steps::AUDIT_OF_ONE_TENANT },
    Step { version: 13, stores: &[Cutoff], sql: steps::SWEEP_OF_AUDIT },
    Step { version: 13, stores: &[Shard], sql: steps::WIDEST_LAYOUT },
    Step { version: 13, stores: &[User], sql: steps::UNTOLD_AUDIT },
    Step { version: 14, stores: &[Origin, User], sql: steps::SETTLED_ORDERS },
    Step { version: 15, stores: &[Origin, Cutoff], sql: steps::ORDERS_TO_SELECTIONS },
    Step { version: 16, stores: &[Origin, User], sql: steps::DENY_WINDOWS },
    Step { version: 16, stores: &[Origin, Cutoff], sql: steps::DENYING_ORDERS },
    Step { version: 16, stores: &[Origin], sql: steps::DENYING_CUTOFFS },
    Step { version: 16, stores: &[Cutoff], sql: steps::DENYING_DELIVERIES },
];

/// The version of a store that went through all steps.
pub const VERSION: u32 = 16;

/// A store's version cannot be worked with. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// A newer program wrote the store.
    #[error("the store is of version {0}, this program knows up to {VERSION}; run the newer program")]
    Newer(u32),
    /// The table of the version has no good row.
    #[error("the store does not say its version")]
    Unreadable,
}

/// The tables that a store was found with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// None: nothing was ever written.
    Nothing,
    /// Those of a program that wrote no version into `schema`.
    Unversioned,
    /// `schema` among them.
    Versioned,
}

/// The question for [`Found`].
pub fn find() -> Statement {
    Statement::new(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('record', 'schema') ORDER BY name DESC",
        [],
    )
}

/// Reads the rows of [`find`].
pub fn found(rows: &[Vec<Value>]) -> Found {
    match rows.first().map(Vec::as_slice) {
        None => Found::Nothing,
        Some([Value::Text(name)]) if name == "schema" => Found::Versioned,
        Some(_) => Found::Unversioned,
    }
}

/// The question for the version of a store that was found [`Found::Versioned`].
pub fn version() -> Statement {
    Statement::new("SELECT version FROM schema", [])
}

/// The question that an object of a recent version answers at once: its version, and of a user's object its [`Extras`]. Where it
/// fails, [`find`] says what is there.
pub fn glance(store: StoreKind) -> Statement {
    match store {
        User => Statement::new("SELECT version, extras FROM schema", []),
        Origin | Shard | Cutoff => version(),
    }
}

/// Reads the rows of [`glance`]; `None` when they do not say the version.
pub fn read_glance(rows: &[Vec<Value>]) -> Option<(u32, Extras)> {
    let [row] = rows else { return None };
    let (Value::Int(version), rest) = row.split_first()? else { return None };
    let extras = match rest.first() {
        Some(Value::Int(bits)) => Extras(u8::try_from(*bits).ok()?),
        _ => Extras::default(),
    };
    Some((u32::try_from(*version).ok()?, extras))
}

/// Tables of a user's object that are made by the first write that needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// That of the account.
    Account,
    /// Those of subscriptions.
    Subscriptions,
}

/// The [`Extra`] tables that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras(u8);

impl Extras {
    /// All of them: an object of a version that made them at once.
    pub const ALL: Self = Self(3);

    /// Whether these are there.
    pub const fn has(self, extra: Extra) -> bool {
        self.0 & extra.bit() != 0
    }

    /// With these too.
    #[must_use]
    pub const fn and(self, extra: Extra) -> Self {
        Self(self.0 | extra.bit())
    }

    /// Writes down that these are there.
    pub fn set(self) -> Statement {
        Statement::new("UPDATE schema SET extras = ?1", [Value::Int(self.0.into())])
    }
}

impl Extra {
    const fn bit(self) -> u8 {
        match self {
            Self::Account => 1,
            Self::Subscriptions => 2,
        }
    }

    /// The texts that make the tables, a statement each. [`Extras::set`] follows them in the same transaction.
    pub fn tables(self) -> std::str::Lines<'static> {
        match self {
            Self::Account => include_str!("account.sql").lines(),
            Self::Subscriptions => include_str!("subscriptions.sql").lines(),
        }
    }
}

/// Reads the rows of [`version`].
///
/// # Errors
/// [`VersionError::Unreadable`].
pub fn read_version(rows: &[Vec<Value>]) -> Result<u32, VersionError> {
    match rows {
        [row] => match row.as_slice() {
            [Value::Int(version)] => u32::try_from(*version).map_err(|_| VersionError::Unreadable),
            _ => Err(VersionError::Unreadable),
        },
        _ => Err(VersionError::Unreadable),
    }
}

/// The texts that a store of version `from` lacks, in order; each is one or more statements without parameters. A store
/// without tables is of version 0. [`set_version`] follows them in the same transaction.
///
/// # Errors
/// [`VersionError::Newer`].
pub fn missing(store: StoreKind, from: u32) -> Result<impl Iterator<Item = &'static str>, VersionError> {
    if from > VERSION {
        return Err(VersionError::Newer(from));
    }
    let is_missing = move |step: &&Step| step.version > from && step.stores.contains(&store);
    Ok(STEPS.iter().filter(is_missing).map(|step| step.sql))
}

/// The tables of a new object at the edge, a statement a text, which is what all steps come to. There are as many objects as users, and the
/// first write of each would pay for every step. [`Extra`] tables are not among them. [`begin`]
/// follows in the same transaction. The texts of other stores are those of the steps.
pub fn new_store(store: StoreKind) -> Vec<&'static str> {
    match store {
        Origin | Cutoff => {
            STEPS.iter().filter(|step| step.stores.contains(&store)).map(|step| step.sql).collect()
        }
        User => include_str!("user.sql").lines().collect(),
        Shard => include_str!("shard.sql").lines().collect(),
    }
}

/// Writes [`VERSION`] down.
pub fn set_version() -> Statement {
    Statement::new(
        "INSERT INTO schema (id, version) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET version = excluded.version",
        [Value::Int(VERSION.into())],
    )
}

/// Writes down that a new object has the tables of [`new_store`] and these.
pub fn begin(store: StoreKind, extras: Extras) -> Statement {
    match store {
        User => Statement::new(
            "INSERT INTO schema (id, version, extras) VALUES (1, ?1, ?2)",
            [Value::Int(VERSION.into()), Value::Int(extras.0.into())],
        ),
        Origin | Shard | Cutoff => set_version(),
    }
}

/// Every table of a new store, as one text.
pub fn tables(store: StoreKind) -> String {
    STEPS.iter().filter(|step| step.stores.contains(&store)).map(|step| step.sql).collect()
}
