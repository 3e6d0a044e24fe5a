//! Orders whose delivery is under way, as administrators see them (`docs/rules/message-center.md#progress`).

use serde::{Deserialize, Serialize};

use crate::{serial::Serial, time::Timestamp};

/// An order that is in force and has not reached all of its users yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The number of the order among those of the tenant.
    pub serial: Serial,
    /// Its date.
    pub at: Timestamp,
    /// The number of its users; `None` for an order to the whole tenant.
    pub users: Option<u64>,
    /// How many users the delivery has come to.
    pub reached: u64,
}
