//! What the tests counted of each operation.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// Written by the edge-only tests.
pub(super) const FILE: &str = "tests/edge_counters.toml";

/// The counts of an operation.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    /// In the user's object.
    pub(super) user: Count,
    /// In the shard of its records.
    pub(super) shard: Count,
}

/// Requests, and rows read and written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Count {
    /// Calls and alarms.
    pub(super) requests: f64,
    /// Rows read.
    pub(super) read: f64,
    /// Rows written; a set alarm is one.
    pub(super) written: f64,
}

impl Operation {
    /// In both objects.
    pub(super) fn both(&self) -> Count {
        let Self { user, shard } = self;
        Count {
            requests: user.requests + shard.requests,
            read: user.read + shard.read,
            written: user.written + shard.written,
        }
    }
}

/// The operations that a bill is made of.
pub(super) struct Counters {
    /// The first token of a user, whose tables it makes.
    pub(super) first_write: Operation,
    /// A further token, which takes the place of one of the same platform.
    pub(super) token: Operation,
    /// A connection opens, and the directory is told.
    pub(super) connect: Operation,
    /// It ends by itself, and the directory is told after the grace period.
    pub(super) end: Operation,
    /// One platform with a connection and a valid token is taken offline.
    pub(super) forced_logout: Operation,
    /// An order that ends nothing, with the alarm of its entry in the audit.
    pub(super) order_alone: Operation,
    /// One user of a status call.
    pub(super) status: Operation,
    /// A live record is compared with its user's object.
    pub(super) check: Operation,
}

impl Counters {
    /// Reads [`FILE`].
    pub(super) fn read(file: &Path) -> Result<Self> {
        let mut all: BTreeMap<String, Operation> = toml::from_str(&super::read(file)?)?;
        let mut take =
            |name: &str| all.remove(name).with_context(|| format!("{} has no {name}", file.display()));
        Ok(Self {
            first_write: take("first_write")?,
            token: take("token")?,
            connect: take("connect")?,
            end: take("end")?,
            forced_logout: take("forced_logout")?,
            order_alone: take("order_alone")?,
            status: take("status")?,
            check: take("check")?,
        })
    }
}
