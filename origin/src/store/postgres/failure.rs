//! What an error of the engine means for the request, and for the session.

use tokio_postgres::error::{DbError, SqlState};

use super::{
    super::error::{Shared, StoreError},
    dialect::Untranslatable,
};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The engine's refusal. Nothing happened.
    #[error("{}", told(.0))]
    Refused(#[source] tokio_postgres::Error),
    /// A statement that has no form in PostgreSQL. Nothing happened.
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
    /// There was no session, or it ended before anything was asked of it. Nothing happened.
    #[error("the engine cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has declared this one dead. Nothing happened, and nothing of this one will.
    #[error("another rollcall has declared this one dead: it serves the schema no longer")]
    Dead,
    /// The session ended, or the time ran out, while a commit was under way.
    #[error("the commit has no answer")]
    Unanswered(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the function `fence` raises.
const DEAD: &str = "RC001";

/// What happened did so on one server alone: the wait for its standby was cancelled.
#[derive(Debug, thiserror::Error)]
#[error("the commit did not wait for the standby")]
pub(super) struct NotReplicated;

/// The refusal as a log may show it: without its detail, which holds the values of a row, and without the words of one about a value.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refusal) if class(refusal) == "22" => {
            format!("a value does not fit ({})", refusal.code().code())
        }
        Some(refusal) => format!("{} ({})", refusal.message(), refusal.code().code()),
        None => error.to_string(),
    }
}

/// An error as people may read it ([`told`]), with its causes where it is none of the engine.
pub(super) fn readable(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(_) => anyhow::Error::msg(told(&error)),
        None => error.into(),
    }
}

/// Whether the engine has rolled back instead of the COMMIT that it refused: a constraint that is checked last, a conflict, or no room.
pub(super) fn is_undone(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|refusal| matches!(class(refusal), "23" | "40" | "53"))
}

impl Failure {
    /// An error of a statement before the commit, or of a query.
    pub(super) fn of_statement(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) if refusal.code().code() == DEAD => Self::Dead,
            Some(refusal) if ends_session(refusal) || ends_all_sessions(refusal) => {
                Self::Unreachable(error.into())
            }
            Some(_) => Self::Refused(error),
            // Values that the library could not write or read.
            None if !error.is_closed() && is_conversion(&error) => Self::Refused(error),
            None => Self::Unreachable(error.into()),
        }
    }

    /// An error of a BEGIN: the session is of no use, as on a server that has become a standby.
    pub(super) fn of_begin(error: tokio_postgres::Error) -> Self {
        Self::Unreachable(error.into())
    }

    /// An error of a COMMIT whose statements all succeeded.
    pub(super) fn of_commit(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // The engine has rolled back: a constraint that is checked last, or a conflict.
            Some(refusal) if matches!(class(refusal), "23" | "40") => Self::Refused(error),
            _ => Self::Unanswered(error.into()),
        }
    }

    /// An error of a statement that was sent together with its COMMIT. What the engine did not refuse, it may have done.
    pub(super) fn of_batch(error: tokio_postgres::Error) -> Self {
        if error.as_db_error().is_some() { Self::of_statement(error) } else { Self::Unanswered(error.into()) }
    }

    fn refusal(&self) -> Option<&DbError> {
        match self {
            Self::Refused(error) => error.as_db_error(),
            Self::Unreachable(cause) | Self::Unanswered(cause) => {
                cause.downcast_ref::<tokio_postgres::Error>()?.as_db_error()
            }
            Self::Untranslatable(_) | Self::Dead => None,
        }
    }

    /// Whether the request had no effect and may well succeed when it is repeated at once: another transaction was in its way.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Refused(error) = self else { return false };
        let codes = [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        error.code().is_some_and(|code| codes.contains(code))
    }

    /// Whether a row with this key is there already: the id of a new record was drawn twice.
    fn is_drawn_twice(&self) -> bool {
        self.refusal().is_some_and(|refusal| *refusal.code() == SqlState::UNIQUE_VIOLATION)
    }

    /// Whether nothing was asked of the engine.
    pub(super) const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether this session is of no use any more.
    pub(super) const fn ends_session(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unanswered(_) | Self::Dead)
    }

    /// Whether no session is of use any more: the server stops, or takes no changes any more.
    pub(super) fn ends_all_sessions(&self) -> bool {
        self.refusal().is_some_and(ends_all_sessions)
    }

    /// Whether the engine and not the request is at fault.
    pub(super) fn is_of_engine(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Unanswered(_) | Self::Dead => true,
            Self::Untranslatable(_) => false,
            Self::Refused(error) => error
                .as_db_error()
                .is_some_and(|refusal| matches!(class(refusal), "25" | "53" | "57" | "58" | "XX")),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(cause) => Self::Unreachable(Shared::new(cause)),
            Failure::Unanswered(cause) => Self::Unknown(Shared::new(cause)),
            Failure::Dead => Self::Closed,
            Failure::Untranslatable(_) => Self::refused(failure, true),
            Failure::Refused(_) if failure.is_conflict() || failure.is_drawn_twice() => {
                Self::conflict(failure)
            }
            Failure::Refused(_) => {
                let may_pass = failure.refusal().is_some_and(may_pass);
                Self::refused(failure, !may_pass)
            }
        }
    }
}

fn class(refusal: &DbError) -> &str {
    refusal.code().code().get(..2).unwrap_or_default()
}

/// Whether a refusal may pass: the server, another session or an operator is at fault.
fn may_pass(refusal: &DbError) -> bool {
    matches!(class(refusal), "08" | "25" | "40" | "53" | "55" | "57" | "58")
}

/// Whether the server has ended this session.
fn ends_session(refusal: &DbError) -> bool {
    *refusal.code() == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
}

/// Whether the server ends all sessions, or takes no changes any more.
fn ends_all_sessions(refusal: &DbError) -> bool {
    let codes = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    codes.contains(refusal.code())
}

/// Whether the cause is a value, and no socket.
fn is_conversion(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return false;
        }
        cause = inner.source();
    }
    true
}
