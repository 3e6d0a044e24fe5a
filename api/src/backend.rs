//! The ports: what the routes need from a runtime.

use std::future::{Future, ready};

use rollcall_core::{
    config::Settings,
    id::UserId,
    time::Timestamp,
    token::{Keys, TokenError, Verified},
    user::{Command, Reply},
};

/// A user could not be asked, or a commit failed. It is never read as *offline*; the caller gets an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Whether the process wants to be sent requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Yes.
    Serving,
    /// Not for long: it is about to stop.
    Draining,
    /// It answers, but a commit failed lately.
    Degraded,
}

/// What a runtime provides. Cheap to clone: every request gets its own.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The configuration.
    fn settings(&self) -> &Settings;

    /// The keys of tokens.
    fn keys(&self) -> &Keys;

    /// The clock.
    fn now(&self) -> Timestamp;

    /// Whether to send requests here.
    fn health(&self) -> Health;

    /// Gives a command to a user and waits for its reply: durable, carried out, answered.
    fn run(&self, user: &UserId, command: Command)
    -> impl Future<Output = Result<Reply, Unavailable>> + Send;

    /// Gives one command to many users, a bounded number at a time; the replies come in the order of `users`. A single
    /// user that could not be asked makes the whole call fail.
    fn run_many(
        &self,
        users: Vec<UserId>,
        command: Command,
    ) -> impl Future<Output = Result<Vec<Reply>, Unavailable>> + Send;

    /// What its user's book says of a token. A runtime may remember the answer about an administrator's token for as
    /// long as [`Backend::outlive_caches`] waits.
    fn standing(
        &self,
        token: &Verified,
    ) -> impl Future<Output = Result<Result<(), TokenError>, Unavailable>> + Send {
        async move {
            match self.run(&token.user, Command::VerifyToken { token: token.hash }).await? {
                Reply::Standing(standing) => Ok(standing),
                other => Err(Unavailable::unexpected(&other)),
            }
        }
    }

    /// Waits until no memory of [`Backend::standing`] can be older than this call. Nothing is remembered by default.
    fn outlive_caches(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

impl Unavailable {
    /// A reply that is not one to the command that was given.
    pub fn unexpected(reply: &Reply) -> Self {
        match reply {
            Reply::Broken => Self("the command could not be carried out".to_owned()),
            _ => Self("the reply is to another command".to_owned()),
        }
    }
}
