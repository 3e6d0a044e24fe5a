//! What is measured, one file a figure.

mod connects;
mod idle;
mod off;
mod soak;
mod stand;
mod status;
mod storm;

use std::{future::Future, pin::Pin};

use anyhow::Result;

pub(crate) use stand::Stand;

use crate::report::Figure;

/// What comes of it, some day.
pub(crate) type Measuring<'a> = Pin<Box<dyn Future<Output = Result<Vec<Figure>>> + 'a>>;

/// Something to be measured.
pub(crate) struct Measured {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) what: &'static str,
    /// Measures it.
    pub(crate) measure: for<'a> fn(&'a Stand) -> Measuring<'a>,
}

/// All of it, in the order of the table.
pub(crate) const FIGURES: &[Measured] = &[
    Measured {
        name: "idle",
        what: "memory and processor time of an idle connection",
        measure: |stand| Box::pin(idle::measure(stand)),
    },
    Measured {
        name: "connects",
        what: "connects a second",
        measure: |stand| Box::pin(connects::measure(stand)),
    },
    Measured {
        name: "status",
        what: "status queries of one user, and of 1,000",
        measure: |stand| Box::pin(status::measure(stand)),
    },
    Measured { name: "off", what: "one user's force off", measure: |stand| Box::pin(off::one(stand)) },
    Measured { name: "tenant", what: "a tenant's force off", measure: |stand| Box::pin(off::tenant(stand)) },
    Measured {
        name: "storm",
        what: "all connections lost at once, and back",
        measure: |stand| Box::pin(storm::measure(stand)),
    },
    Measured { name: "soak", what: "churn for a long time", measure: |stand| Box::pin(soak::measure(stand)) },
];
