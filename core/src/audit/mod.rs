//! The audit of orders (`docs/rules/administration.md#audit`): who gave which order, when, and what it took.
//!
//! A route makes the [`Entry`] of an order and hands it over with the order. Where the order becomes durable, the entry becomes so in the same
//! commit, as [`Part`]s: one, or one of each user that the order was given to by name. What is shown of an entry is put together
//! from its parts when it is asked for, so that no two commits write the same row.

mod details;
mod page;
mod store;
mod surplus;

pub use self::{
    details::{Details, Giver, Records, SHOWN, Selection},
    page::{Asked, Indexed, LIMIT, PAGE_BYTES, Page, SCANNED, Shown, merge},
    store::{delete, expired, keep},
    surplus::{Surplus, TooMany, read_tenant, tenant_behind},
};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    id::{TenantId, UserId, hex},
    time::Timestamp,
};

/// The id of an order in the audit: 32 lower-case hexadecimal digits, the first 12 of them its milliseconds, so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId([u8; 16]);

impl EntryId {
    const RANDOM_BITS: u32 = 80;

    /// The id of an order of this moment; the low bits come from `random`.
    pub fn draw(now: Timestamp, random: u128) -> Self {
        let first = u128::from_be_bytes(Self::first_of(now).0);
        Self((first | (random & ((1 << Self::RANDOM_BITS) - 1))).to_be_bytes())
    }

    /// No id of this moment or a later one is before it.
    pub fn first_of(at: Timestamp) -> Self {
        let millis = u128::try_from(at.millis()).unwrap_or(0).min((1 << 48) - 1);
        Self((millis << Self::RANDOM_BITS).to_be_bytes())
    }

    /// The id that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(u128::from_be_bytes(self.0).saturating_add(1).to_be_bytes())
    }

    /// The moment of the order.
    pub fn at(self) -> Timestamp {
        let millis = u128::from_be_bytes(self.0) >> Self::RANDOM_BITS;
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// A number below -1 that stands for the entry where ids are numbers.
    pub(crate) fn below_floor(self) -> i64 {
        -i64::try_from(u128::from_be_bytes(self.0) >> 65).unwrap_or(i64::MAX).max(2)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

hex::as_text!(EntryId);

/// What an order does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// The message center's force-off of users.
    Off,
    /// The same of a whole tenant.
    TenantOff,
    /// OpenIM's forced logout.
    ForceLogout,
    /// Tokens revoked one by one.
    TokensRevoke,
    /// The unlock of a user.
    UserUnlock,
    /// The unlock of a tenant.
    TenantUnlock,
    /// The import of another system's records.
    RecordsImport,
    /// The import of a population.
    PopulationImport,
    /// A change of the number of shards.
    Reshard,
    /// An order to a selection.
    ForceOff,
    /// A dry run of one.
    ForceOffDryRun,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::Off,
        Self::TenantOff,
        Self::ForceLogout,
        Self::TokensRevoke,
        Self::UserUnlock,
        Self::TenantUnlock,
        Self::RecordsImport,
        Self::PopulationImport,
        Self::Reshard,
        Self::ForceOff,
        Self::ForceOffDryRun,
    ];

    /// The name in the store and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::TenantOff => "tenantOff",
            Self::ForceLogout => "forceLogout",
            Self::TokensRevoke => "tokensRevoke",
            Self::UserUnlock => "userUnlock",
            Self::TenantUnlock => "tenantUnlock",
            Self::RecordsImport => "recordsImport",
            Self::PopulationImport => "populationImport",
            Self::Reshard => "reshard",
            Self::ForceOff => "forceOff",
            Self::ForceOffDryRun => "forceOffDryRun",
        }
    }

    /// The operation of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

/// How far an order was when its entry was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// It is carried out.
    Done,
    /// It is in force, and delivered to its users afterwards.
    InForce,
    /// It has begun. An import that broke off stays so.
    Begun,
}

impl Progress {
    /// The name in the store and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::InForce => "inForce",
            Self::Begun => "begun",
        }
    }
}

/// The entry of an order, as its route makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// The tenant that the order was given in; `None` is that of the user it was given to.
    pub tenant: Option<TenantId>,
    /// Who gave the order.
    pub by: UserId,
    /// What it does.
    pub operation: Operation,
    /// The rest: [`Details`] as JSON, which is shown as it is.
    pub details: String,
}

/// What an entry says of one user, or of the order as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The entry.
    pub entry: Entry,
    /// The tenant whose administrators see it.
    pub tenant: TenantId,
    /// The user; `None` where the order names none or many at once.
    pub target: Option<UserId>,
    /// How many users the order was given to by name; `None` where that is not what it names.
    pub users: Option<u64>,
    /// How many connections ended with it; `None` where they end afterwards, or that is not what it ends.
    pub connections: Option<u64>,
    /// How far the order was.
    pub progress: Progress,
}

impl Part {
    /// The part about one user whose connections, so many, ended in the same commit.
    pub fn of_user(entry: Entry, tenant: TenantId, user: UserId, connections: usize) -> Self {
        Self {
            entry,
            tenant,
            target: Some(user),
            users: Some(1),
            connections: u64::try_from(connections).ok(),
            progress: Progress::Done,
        }
    }

    /// The one part of an order that is no user's.
    pub fn whole(entry: Entry, tenant: TenantId, users: Option<usize>, progress: Progress) -> Self {
        let users = users.and_then(|users| u64::try_from(users).ok());
        Self { entry, tenant, target: None, users, connections: None, progress }
    }
}

#[cfg(test)]
mod tests;
