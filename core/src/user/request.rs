//! Commands with the type of their reply.
//!
//! A [`Command`] and a [`Reply`] are the form that crosses the wire and that [`super::User::apply`] takes: one type each,
//! whatever is asked. A caller gives a [`Request`] instead, and gets the reply that belongs to it. Both forms meet in this
//! file only.

use super::{
    Account, AccountUpdate, Bearer, ClientMessage, Command, ConsoleMessage, ConsoleOpening, ForceOff, Issued,
    OpenError, Opening, Overview, PendingRequest, PendingWork, Presence, PresenceNotice, PresenceVersion,
    RegistrationVersion, Reply, Revoked, Subscribing, SubscriptionRequest, UserSnapshot, WatcherPage,
    WatcherReport,
};
use crate::{
    audit::Entry,
    id::{ConnId, TenantId, UserId},
    platform::Platform,
    time::Timestamp,
    token::{TokenError, TokenHash},
};

/// A command whose reply has a type of its own.
pub trait Request: Into<Command> {
    /// What the user answers.
    type Reply;

    /// Takes the answer out of its wire form.
    ///
    /// # Errors
    /// When the user could not carry the command out, or when the answer is to another command.
    fn read(reply: Reply) -> Result<Self::Reply, ReplyError>;
}

/// An order with its entry in the audit.
#[derive(Clone, Debug)]
pub struct Audited<R> {
    /// The order.
    pub order: R,
    /// The entry.
    pub entry: Entry,
}

impl<R: Request> From<Audited<R>> for Command {
    fn from(Audited { order, entry }: Audited<R>) -> Self {
        Self::Audited { order: Box::new(order.into()), entry: Box::new(entry) }
    }
}

impl<R: Request> Request for Audited<R> {
    type Reply = R::Reply;

    fn read(reply: Reply) -> Result<Self::Reply, ReplyError> {
        R::read(reply)
    }
}

/// A reply without an answer to the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The user could not carry the command out, and changed nothing.
    #[error("the command could not be carried out")]
    Broken,
    /// The answer is to another command: its writer is of another version, or broken.
    #[error("the reply is to another command")]
    Mismatch,
}

/// Makes a token for a platform. A deny window answers with its end.
#[derive(Clone, Copy, Debug)]
pub struct IssueToken {
    /// The platform of the new token.
    pub platform: Platform,
}

/// Asks for the status of a token whose signature and times hold.
#[derive(Clone, Copy, Debug)]
pub struct VerifyToken {
    /// The hash of the token.
    pub token: TokenHash,
}

/// Asks whether a cutoff covers an opaque token.
#[derive(Clone, Copy, Debug)]
pub struct VerifyBearer(pub Bearer);

/// Asks whether a gateway client could connect. Nothing happens.
#[derive(Clone, Debug)]
pub struct CanOpen(pub Opening);

/// Asks whether a console could connect. Nothing happens.
#[derive(Clone, Debug)]
pub struct CanOpenConsole(pub ConsoleOpening);

/// Lifts the cutoffs on opaque tokens; answered with whether there was one.
#[derive(Clone, Copy, Debug)]
pub struct Unlock {
    /// The only tenant whose cutoffs are lifted.
    pub within: Option<TenantId>,
}

/// Asks for the user's tenant and everything of it that is live.
#[derive(Clone, Copy, Debug)]
pub struct ShowOverview {
    /// The only tenant that is shown: a user of another one looks like an unknown user.
    pub within: Option<TenantId>,
    /// Whether to show [`super::UserDetails`] too.
    pub details: bool,
}

/// Revokes tokens of ours for good, and ends the connections that live on them.
#[derive(Clone, Debug)]
pub struct RevokeTokens {
    /// The only tenant whose users are looked at: the tokens of others are unknown.
    pub within: Option<TenantId>,
    /// At most [`super::TOKENS_AT_ONCE`].
    pub tokens: Vec<TokenHash>,
}

/// Gives the user an account, unless it has one; answered with whether it had.
#[derive(Clone, Debug)]
pub struct Register(pub Account);

/// Changes the user's account, if it has one; answered with whether it had.
#[derive(Clone, Debug)]
pub struct UpdateAccount(pub AccountUpdate);

/// Asks for the user's account.
#[derive(Clone, Copy, Debug)]
pub struct ReadAccount;

/// Asks for what moves with the user to another server.
#[derive(Clone, Copy, Debug)]
pub struct TakeSnapshot {
    /// The last token of the part before; `None` begins.
    pub after: Option<TokenHash>,
}

/// Asks for the live connections, in the order in which they opened.
#[derive(Clone, Copy, Debug)]
pub struct Status;

/// Ends one connection whose socket is gone. Repeating it changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Close {
    /// The connection or console.
    pub connection: ConnId,
}

/// Brings a message of a console.
#[derive(Clone, Debug)]
pub struct Receive {
    /// The console that it came on.
    pub connection: ConnId,
    /// The message.
    pub message: ConsoleMessage,
}

/// Brings a message of a gateway client, unless it asks to follow users.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The connection that it came on.
    pub connection: ConnId,
    /// The message.
    pub message: ClientMessage,
}

/// Brings a gateway client's request to follow users; answered with the users to ask.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// The connection that it came on.
    pub connection: ConnId,
    /// The request.
    pub request: SubscriptionRequest,
}

/// Does the work that is due; answered with the work that takes calls to other users.
#[derive(Clone, Copy, Debug)]
pub struct Tick;

/// Registers a watcher; answered with the user's presence.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The watching user.
    pub watcher: UserId,
    /// The version of the registration; a later one takes its place.
    pub registration: RegistrationVersion,
}

/// Removes a watcher, unless it registered again after `by`.
#[derive(Clone, Debug)]
pub struct Unwatch {
    /// The user that watched.
    pub watcher: UserId,
    /// The last version that is removed.
    pub by: RegistrationVersion,
}

/// Brings a pending request the presence of some of the users that it follows, ahead of its answer.
#[derive(Clone, Debug)]
pub struct Acknowledge {
    /// The connection of the request.
    pub connection: ConnId,
    /// At most [`super::PART`] users.
    pub presences: Vec<(UserId, RegistrationVersion, PresenceVersion)>,
}

/// Brings a pending request the presence of the users that it follows.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The request.
    pub pending: PendingRequest,
    /// One element for each user that was asked; `None` when one of them could not be asked, since *unknown* must not look
    /// like *offline*.
    pub presences: Option<Vec<(UserId, RegistrationVersion, PresenceVersion)>>,
}

/// Asks for the next page of watchers, if their presence is outdated.
#[derive(Clone, Copy, Debug)]
pub struct FanOut;

/// Pairs each request with the variant of [`Reply`] that answers it.
macro_rules! answers {
    ($($request:ty => $variant:ident($reply:ty);)*) => {$(
        impl Request for $request {
            type Reply = $reply;

            fn read(reply: Reply) -> Result<$reply, ReplyError> {
                match reply {
                    Reply::$variant(reply) => Ok(reply),
                    other => Err(ReplyError::of(&other)),
                }
            }
        }
    )*};
    ($($request:ty => $variant:ident;)*) => {$(
        impl Request for $request {
            type Reply = ();

            fn read(reply: Reply) -> Result<(), ReplyError> {
                match reply {
                    Reply::$variant => Ok(()),
                    other => Err(ReplyError::of(&other)),
                }
            }
        }
    )*};
}

/// The token, or until when the user is denied one.
impl Request for IssueToken {
    type Reply = Result<Issued, Timestamp>;

    fn read(reply: Reply) -> Result<Self::Reply, ReplyError> {
        match reply {
            Reply::Issued(issued) => Ok(Ok(issued)),
            Reply::Denied(until) => Ok(Err(until)),
            other => Err(ReplyError::of(&other)),
        }
    }
}

answers! {
    VerifyToken => TokenStatus(Result<(), TokenError>);
    VerifyBearer => TokenStatus(Result<(), TokenError>);
    Opening => Opened(Result<(), OpenError>);
    ConsoleOpening => Opened(Result<(), OpenError>);
    CanOpen => Opened(Result<(), OpenError>);
    CanOpenConsole => Opened(Result<(), OpenError>);
    Unlock => Unlocked(bool);
    ShowOverview => Overview(Overview);
    RevokeTokens => Revoked(Revoked);
    Register => WasRegistered(bool);
    UpdateAccount => WasRegistered(bool);
    ReadAccount => Account(Option<Account>);
    TakeSnapshot => Snapshot(UserSnapshot);
    Status => Presence(Vec<Presence>);
    Tick => PendingWork(PendingWork);
    Watch => Watching(PresenceVersion);
    PresenceNotice => Follows(bool);
    FanOut => FanOut(Option<WatcherPage>);
    Subscribe => Subscribing(Option<Subscribing>);
}

answers! {
    Close => Done;
    Receive => Done;
    Decoded => Done;
    ForceOff => Done;
    UserSnapshot => Done;
    Unwatch => Done;
    Acknowledge => Done;
    Answered => Done;
    WatcherReport => Done;
}

/// Writes each request as a command.
macro_rules! commands {
    ($($request:ty as $given:pat => $command:expr;)*) => {$(
        impl From<$request> for Command {
            fn from($given: $request) -> Self {
                $command
            }
        }
    )*};
}

commands! {
    IssueToken as IssueToken { platform } => Self::IssueToken { platform };
    VerifyToken as VerifyToken { token } => Self::VerifyToken { token };
    VerifyBearer as VerifyBearer(bearer) => Self::VerifyBearer(bearer);
    Opening as opening => Self::Open(Box::new(opening));
    ConsoleOpening as opening => Self::OpenConsole(Box::new(opening));
    CanOpen as CanOpen(opening) => Self::CanOpen(Box::new(opening));
    CanOpenConsole as CanOpenConsole(opening) => Self::CanOpenConsole(Box::new(opening));
    Unlock as Unlock { within } => Self::Unlock { within };
    ShowOverview as ShowOverview { within, details } => Self::Overview { within, details };
    RevokeTokens as RevokeTokens { within, tokens } => Self::ForceOff(ForceOff::Tokens { within, tokens });
    Register as Register(account) => Self::Register(account);
    UpdateAccount as UpdateAccount(update) => Self::UpdateAccount(update);
    ReadAccount as ReadAccount => Self::Account;
    TakeSnapshot as TakeSnapshot { after } => Self::Snapshot { after };
    UserSnapshot as snapshot => Self::Restore(Box::new(snapshot));
    Status as Status => Self::Status;
    Close as Close { connection } => Self::Close { connection };
    Receive as Receive { connection, message } => Self::Receive { connection, message };
    Decoded as Decoded { connection, message } => Self::Decoded { connection, message };
    Subscribe as Subscribe { connection, request } =>
        Self::Decoded { connection, message: ClientMessage::Subscribe(request) };
    ForceOff as order => Self::ForceOff(order);
    Tick as Tick => Self::Tick;
    Watch as Watch { watcher, registration } => Self::Watch { watcher, registration };
    Unwatch as Unwatch { watcher, by } => Self::Unwatch { watcher, by };
    Acknowledge as Acknowledge { connection, presences } => Self::Acknowledge { connection, presences };
    Answered as Answered { pending, presences } => Self::Answered { pending, presences };
    PresenceNotice as notice => Self::Notified(notice);
    FanOut as FanOut => Self::FanOut;
    WatcherReport as report => Self::WatchersNotified(report);
}

impl ReplyError {
    const fn of(reply: &Reply) -> Self {
        match reply {
            Reply::Broken => Self::Broken,
            _ => Self::Mismatch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_to_another_command_is_an_error_and_no_answer() {
        assert_eq!(Status::read(Reply::Presence(Vec::new())), Ok(Vec::new()));
        assert_eq!(Status::read(Reply::Done), Err(ReplyError::Mismatch));
        assert_eq!(Status::read(Reply::Broken), Err(ReplyError::Broken));
        assert_eq!(ForceOff::read(Reply::Done), Ok(()));
        assert_eq!(ForceOff::read(Reply::Presence(Vec::new())), Err(ReplyError::Mismatch));
    }
}
