//! The errors of commands.

use rollcall_core::{
    shard::{cutoff::CutoffError, scoped::ScopedError},
    user::{LoadError, NotLoaded, ReplyError},
};

use crate::{cluster::LiveRowError, store::StoreError};

/// Why a command was not carried out. Nothing of it happened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommandError {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored row of the user does not read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A rule reads more than its command loads.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// A stored cutoff does not read.
    #[error(transparent)]
    Cutoff(#[from] CutoffError),
    /// A stored order to a set of users does not read.
    #[error(transparent)]
    Scoped(#[from] ScopedError),
    /// A row of a live connection does not read.
    #[error(transparent)]
    Live(#[from] LiveRowError),
    /// The user gave no answer to this request.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// Rows of an earlier order to the tenant are not written yet.
    #[error("what an earlier order to the tenant ended is not written down yet")]
    Unwritten,
    /// The tenant has as many orders to sets of users under delivery as it may have.
    #[error("too many orders of the tenant are under delivery")]
    TooManyOrders,
}

impl CommandError {
    /// Whether the stored data or the request is at fault, so that a repetition fails as well.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Store(error) => error.is_permanent(),
            Self::Load(_)
            | Self::NotLoaded(_)
            | Self::Cutoff(_)
            | Self::Scoped(_)
            | Self::Live(_)
            | Self::Reply(_) => true,
            Self::Unwritten | Self::TooManyOrders => false,
        }
    }
}
