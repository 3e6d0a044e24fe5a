//! The order of events by number (`docs/rules/message-center.md#serials`): no clock decides what an order to a tenant covers.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The number of an order to a tenant: each is greater than those of the tenant's earlier orders.
///
/// What begins carries the serial that its command had loaded. So it is covered by every later order, however the clock runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(i64);

impl Serial {
    /// No order yet. A stored order from before orders had serials has this number too, and goes by time.
    pub const NONE: Self = Self(0);
    /// Of what began before serials were stored, and of imported records.
    pub const UNKNOWN: Self = Self(-1);

    /// [`Self::UNKNOWN`], for serde: what was kept before serials were.
    pub(crate) const fn unknown() -> Self {
        Self::UNKNOWN
    }

    /// From the stored number.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Whether there was no order.
    pub const fn is_none(&self) -> bool {
        self.0 == Self::NONE.0
    }

    /// The number itself.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The serial of the order that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The beginning of a token, connection or record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Began {
    /// The serial that its command had loaded.
    pub under: Serial,
    /// Its date.
    pub at: Timestamp,
}
