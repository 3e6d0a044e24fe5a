//! The measurements, one file a figure.

mod connects;
mod idle;
mod off;
mod setup;
mod soak;
mod status;
mod storm;

use std::{future::Future, pin::Pin};

use anyhow::Result;

pub(crate) use setup::Setup;

use crate::report::Figure;

/// A running measurement.
pub(crate) type Measuring<'a> = Pin<Box<dyn Future<Output = Result<Vec<Figure>>> + 'a>>;

/// A measurement by name.
pub(crate) struct Measured {
    /// Its name for `--only`.
    pub(crate) name: &'static str,
    /// Its subject in a few words.
    pub(crate) what: &'static str,
    /// Takes the figures.
    pub(crate) measure: for<'a> fn(&'a Setup) -> Measuring<'a>,
}

/// All measurements, in the order of the table.
pub(crate) const FIGURES: &[Measured] = &[
    Measured {
        name: "idle",
        what: "memory and processor time of an idle connection",
        measure: |setup| Box::pin(idle::measure(setup)),
    },
    Measured {
        name: "connects",
        what: "connects a second",
        measure: |setup| Box::pin(connects::measure(setup)),
    },
    Measured {
        name: "status",
        what: "status queries of one user, and of 1,000",
        measure: |setup| Box::pin(status::measure(setup)),
    },
    Measured { name: "off", what: "one user's force off", measure: |setup| Box::pin(off::one(setup)) },
    Measured { name: "tenant", what: "a tenant's force off", measure: |setup| Box::pin(off::tenant(setup)) },
    Measured {
        name: "storm",
        what: "all connections lost at once, and back",
        measure: |setup| Box::pin(storm::measure(setup)),
    },
    Measured { name: "soak", what: "churn for a long time", measure: |setup| Box::pin(soak::measure(setup)) },
];
