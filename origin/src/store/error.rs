//! The errors of the store.

use std::{error::Error, fmt, sync::Arc};

/// Why the store did not execute a request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine refused the request: a full disk, a violated constraint, a damaged file. Nothing of it was done.
    #[error(transparent)]
    Refused(Arc<Refusal>),
    /// The store has stopped. Nothing of the request was done.
    #[error("the store is closed")]
    Closed,
    /// No session was free in time. Nothing of the request was done.
    #[error("too many commands wait for the store")]
    Busy,
    /// The engine has not heard this process for too long, so that others may take it for dead. Nothing of the request was done.
    #[error("the store has not heard this server for too long")]
    Suspended,
    /// The engine cannot be reached. Nothing of the request was done.
    #[error("the store cannot be reached")]
    Unreachable(#[source] Shared),
    /// A statement had no answer among those of its request.
    #[error("the store answered fewer questions than it was asked")]
    Unanswered,
    /// The engine did not say whether it did what was asked: all of it happened, or nothing.
    #[error("the store did not say whether the change was made")]
    Unknown(#[source] Shared),
}

/// A refusal of the engine. Every request of a group may get the same one.
#[derive(Debug)]
pub struct Refusal {
    cause: Box<dyn Error + Send + Sync>,
    is_permanent: bool,
    is_conflict: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

/// The time for an answer ran out.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0} s")]
pub(super) struct Late(pub(super) u64);

/// A cause that several callers get.
#[derive(Clone, Debug)]
pub struct Shared(Arc<dyn Error + Send + Sync>);

impl Shared {
    pub(super) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl StoreError {
    pub(super) fn refused(cause: impl Into<Box<dyn Error + Send + Sync>>, is_permanent: bool) -> Self {
        Self::Refused(Arc::new(Refusal { cause: cause.into(), is_permanent, is_conflict: false }))
    }

    /// A refusal because of another transaction.
    pub(super) fn conflict(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Refused(Arc::new(Refusal { cause: cause.into(), is_permanent: false, is_conflict: true }))
    }

    /// What was done was done too late for its caller.
    pub(crate) fn too_late() -> Self {
        Self::Unknown(Shared::new("this server may not serve any more"))
    }

    /// Whether another transaction was in the way, or has drawn the same id: what was read is to be read again, and may then be
    /// written.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.is_conflict)
    }

    /// Whether nothing of the request was done.
    pub const fn had_no_effect(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// Whether a repetition fails as well, since the request or the stored data is at fault.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_permanent,
            Self::Unanswered => true,
            Self::Closed | Self::Busy | Self::Suspended | Self::Unreachable(_) | Self::Unknown(_) => false,
        }
    }
}
