//! Commands: everything that can happen to a user.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    Account, AccountUpdate, Bearer, ClientMessage, ConsoleMessage, ConsoleOpening, Loaded, Needs, NotLoaded,
    OpenError, PresenceNotice, PresenceVersion, RegistrationVersion, Rules, TokenQuery, UserSnapshot,
    WatcherReport,
};
use crate::{
    audit::Entry,
    deny::DenyWindow,
    directory::view::Cutoff,
    gateway::Wire,
    id::{ConnId, RecordId, TenantId, UserId},
    message_center::to_receiver,
    platform::Platform,
    serial::Serial,
    time::Timestamp,
    token::{TokenHash, Verified},
};

/// A command to a user. Commands from a Worker cross the wire to the user's object; the others arise inside the object and
/// have no form on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Issue a token. Answered with [`super::Reply::Issued`].
    IssueToken {
        /// The platform of the token.
        platform: Platform,
    },
    /// Asks for the status of a token whose signature and times hold. Answered with [`super::Reply::TokenStatus`].
    VerifyToken {
        /// The presented token.
        token: TokenHash,
    },
    /// A gateway client wants to connect. Answered with [`super::Reply::Opened`].
    #[serde(skip)]
    Open(Box<Opening>),
    /// A console wants to connect. Answered with [`super::Reply::Opened`].
    #[serde(skip)]
    OpenConsole(Box<ConsoleOpening>),
    /// Asks whether a gateway client could connect. Nothing happens. Answered with [`super::Reply::Opened`].
    CanOpen(Box<Opening>),
    /// Asks whether a console could connect. Nothing happens. Answered with [`super::Reply::Opened`].
    CanOpenConsole(Box<ConsoleOpening>),
    /// Asks whether an order revoked this opaque token. Answered with [`super::Reply::TokenStatus`].
    VerifyBearer(Bearer),
    /// Lift the cutoffs on the user's opaque tokens. Answered with [`super::Reply::Unlocked`].
    Unlock {
        /// The only tenant whose cutoffs are lifted.
        within: Option<TenantId>,
    },
    /// A socket has closed. Idempotent.
    #[serde(skip)]
    Close {
        /// The closed connection or console.
        connection: ConnId,
    },
    /// An application went to the background, or came back.
    #[serde(skip)]
    SetBackground {
        /// The application's connection.
        connection: ConnId,
        /// The new flag.
        background: bool,
    },
    /// A console sent a message.
    #[serde(skip)]
    Receive {
        /// The sender's console.
        connection: ConnId,
        /// The message, see [`ConsoleMessage::decode`].
        message: ConsoleMessage,
    },
    /// A gateway client sent a message. Answered with [`super::Reply::Subscribing`] where it asks to follow users.
    #[serde(skip)]
    Decoded {
        /// The sender's connection.
        connection: ConnId,
        /// The message, see [`ClientMessage::decode`].
        message: ClientMessage,
    },
    /// Give the user an account, unless it has one. Answered with [`super::Reply::WasRegistered`].
    Register(Account),
    /// Change the user's account, if it has one. Answered with [`super::Reply::WasRegistered`].
    UpdateAccount(AccountUpdate),
    /// Asks for the user's account. Answered with [`super::Reply::Account`].
    Account,
    /// Asks for the live connections. Answered with [`super::Reply::Presence`], for status and token detail alike.
    Status,
    /// Asks for the user's tenant and everything of it that is live. Answered with [`super::Reply::Overview`].
    Overview {
        /// The only tenant that is shown: a user of another one looks like an unknown user.
        within: Option<TenantId>,
        /// Whether to show [`super::UserDetails`] too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        details: bool,
    },
    /// Asks for what moves with the user to another server. Answered with [`super::Reply::Snapshot`].
    Snapshot {
        /// The last token of the part before; `None` begins.
        after: Option<TokenHash>,
    },
    /// Take in what moved with the user from another server.
    Restore(Box<UserSnapshot>),
    /// Revoke logins, now.
    ForceOff(ForceOff),
    /// An order with its entry in the audit, which becomes durable with it. Answered as the order is.
    Audited {
        /// The order.
        order: Box<Command>,
        /// The entry.
        entry: Box<Entry>,
    },
    /// The moment that an earlier outcome asked for has come.
    #[serde(skip)]
    Tick,
    /// Another user wants a notice whenever the platforms change. Answered with [`super::Reply::Watching`].
    Watch {
        /// The following user.
        watcher: UserId,
        /// Its registration; a later one replaces it.
        registration: RegistrationVersion,
    },
    /// Another user wants no more notices.
    Unwatch {
        /// The following user.
        watcher: UserId,
        /// Registrations after this one stay.
        by: RegistrationVersion,
    },
    /// Some of the users that a request wants to follow have answered; [`Command::Answered`] comes later.
    #[serde(skip)]
    Acknowledge {
        /// The connection of the request.
        connection: ConnId,
        /// Their presence.
        presences: Vec<(UserId, RegistrationVersion, PresenceVersion)>,
    },
    /// The users that a request wants to follow have answered.
    #[serde(skip)]
    Answered {
        /// The request that waits for them.
        pending: PendingRequest,
        /// Their presence; `None` when one of them could not be asked, since *unknown* must not look like *offline*.
        presences: Option<Vec<(UserId, RegistrationVersion, PresenceVersion)>>,
    },
    /// The presence of a followed user has changed. Answered with [`super::Reply::Follows`].
    Notified(PresenceNotice),
    /// Asks for the next page of watchers to notify. Answered with [`super::Reply::FanOut`]. One at a time: the next one
    /// follows on [`Command::WatchersNotified`].
    #[serde(skip)]
    FanOut,
    /// The watchers of a page were notified.
    #[serde(skip)]
    WatchersNotified(WatcherReport),
}

/// A gateway client's wish to connect. The signature and the times of its token hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The id drawn for the connection.
    pub connection: ConnId,
    /// The token; its owner is the user of the command.
    pub token: Verified,
    /// The identity that the client claims, to be checked against the token.
    pub claimed: Claimed,
    /// Whether the application starts in the background.
    pub background: bool,
    /// The encoding of its messages.
    pub wire: Wire,
    /// What its record shows of it.
    pub client: Client,
}

/// The identity that a client claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// `sendID`.
    pub user: String,
    /// `platformID`.
    pub platform: Platform,
}

/// What is known of the client's machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Header `User-Agent`.
    pub user_agent: Option<String>,
    /// Header `XC-Auth-Device-Id` or parameter `deviceId`.
    pub device_id: Option<String>,
    /// The peer's address, or the one that a trusted proxy forwarded.
    pub remote_address: Option<String>,
}

/// The logins that an order ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForceOff {
    /// Every login on a platform.
    Platform(Platform),
    /// One token of a platform and the connections that live on it, if the token or one of its connections is named.
    /// Where both are named, the connection must live on the token.
    Login {
        /// The platform of the token.
        platform: Platform,
        /// The token.
        token: Option<TokenHash>,
        /// A connection that lives on it.
        connection: Option<ConnId>,
    },
    /// These tokens and the connections that live on them. Answered with [`super::Reply::Revoked`].
    Tokens {
        /// The tenant of the order: the tokens of a user of another one are unknown.
        within: Option<TenantId>,
        /// The tokens.
        tokens: Vec<TokenHash>,
    },
    /// Everything of the user: every token and socket, and every opaque token that was issued by now.
    Everything {
        /// The tenant of the order: a user of another one stays.
        within: Option<TenantId>,
        /// The message that consoles get before they are closed.
        notice: Option<String>,
        /// The date of an order that may be carried out more than once. It reaches nothing of a user who has had it: what came after it
        /// was ordered by nobody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
    /// The connections with these records, the tokens that they live on and what else lives on those.
    Connections {
        /// The tenant of the order: a user of another one stays.
        within: TenantId,
        /// The records.
        records: Vec<RecordId>,
        /// The message that consoles get before they are closed.
        notice: String,
    },
    /// Writes down what an order to a set of users took of this one: its delivery has come to this user.
    Named(NamedOrder),
    /// This order to a selection, which opens a deny window of the user too.
    Denying {
        /// The order.
        order: Box<Self>,
        /// The window.
        window: Box<DenyWindow>,
    },
    /// Ends the sockets that the tenant's cutoff covers: a delivery has come to this user.
    CutOff {
        /// The tenant of the order: a user of another one stays, and never gets its notice.
        within: Option<TenantId>,
        /// The message that consoles get before they are closed.
        notice: String,
        /// Whether to store for good what the cutoff revoked, because a later one will exempt the user.
        settle: bool,
    },
}

/// An order to a set of users, as it concerns one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedOrder {
    /// The tenant of the order: a user of another one stays, and never gets its notice.
    pub within: TenantId,
    /// The number of the order among those of the tenant.
    pub serial: Serial,
    /// Its date.
    pub at: Timestamp,
    /// The message that consoles get before they are closed.
    pub notice: String,
}

impl ForceOff {
    /// The same order, with its deny window where it has one.
    #[must_use]
    pub fn denying(self, window: Option<DenyWindow>) -> Self {
        match window {
            Some(window) => Self::Denying { order: Box::new(self), window: Box::new(window) },
            None => self,
        }
    }

    fn notice(&self, user: &UserId) -> Option<Cow<'_, str>> {
        match self {
            Self::Everything { notice, .. } => notice.as_deref().map(Cow::Borrowed),
            Self::Named(order) => Some(Cow::Owned(to_receiver(&order.notice, user.number()))),
            Self::Connections { notice, .. } | Self::CutOff { notice, .. } => Some(Cow::Borrowed(notice)),
            Self::Denying { order, .. } => order.notice(user),
            Self::Platform(_) | Self::Login { .. } | Self::Tokens { .. } => None,
        }
    }
}

impl NamedOrder {
    pub(super) const fn cutoff(&self) -> Cutoff {
        Cutoff { serial: self.serial, at: self.at, exempt: Vec::new(), lifted: false, deny: None }
    }
}

/// A client's request that waits for the presence of other users. Comes back with their answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// The connection that waits. When it has ended, the answers are dropped.
    pub connection: ConnId,
    /// `operationID` of the request.
    pub operation_id: String,
    /// `msgIncr` of the request.
    pub msg_incr: String,
    /// The ids as the client gave them, repeated ones included.
    pub asked: Vec<String>,
}

impl Claimed {
    /// Checks the claim against the token.
    ///
    /// # Errors
    /// The first of user and platform that differs.
    pub fn check(&self, token: &Verified) -> Result<(), OpenError> {
        if self.user != token.user.as_str() {
            return Err(OpenError::User { token: token.user.to_string(), claimed: self.user.clone() });
        }
        if self.platform != token.platform {
            return Err(OpenError::Platform { token: token.platform, claimed: self.platform });
        }
        Ok(())
    }
}

impl Command {
    /// The command without an entry in the audit.
    pub fn alone(&self) -> &Self {
        match self {
            Self::Audited { order, .. } => order,
            other => other,
        }
    }

    /// Whether it is a message of a client that asks for nothing but a sign of life, or for nothing at all.
    pub fn keeps_alive(&self) -> bool {
        match self {
            Self::Decoded { message, .. } => {
                matches!(message, ClientMessage::Nothing | ClientMessage::Ping(_))
            }
            Self::Receive { message, .. } => message.keeps_alive(),
            _ => false,
        }
    }

    /// What the consoles of this user get before the command closes them.
    pub fn notice(&self, user: &UserId) -> Option<Cow<'_, str>> {
        match self.alone() {
            Self::ForceOff(order) => order.notice(user),
            _ => None,
        }
    }

    /// The tenant whose cutoff applies to the command: the configured one, else the one that the issuer of the presented
    /// token names, else the one that an issuer named last.
    ///
    /// # Errors
    /// When neither the configuration nor the command names the tenant, and the profile is not loaded.
    pub fn tenant(&self, user: &UserId, loaded: &Loaded, rules: &Rules) -> Result<TenantId, NotLoaded> {
        if let Some(tenant) = rules.configured_tenant(user) {
            return Ok(tenant);
        }
        match self.alone() {
            Self::VerifyBearer(bearer) => Ok(bearer.tenant),
            Self::OpenConsole(opening) | Self::CanOpenConsole(opening) => Ok(opening.principal.tenant),
            Self::Restore(snapshot) => Ok(snapshot.tenant().or(loaded.profile()?.tenant).unwrap_or_default()),
            _ => Ok(loaded.profile()?.tenant.unwrap_or_default()),
        }
    }

    /// The tenant whose orders the user's tokens are under, where that is not [`Self::tenant`] and the command is about
    /// tokens: the user moves from it.
    ///
    /// # Errors
    /// As [`Self::tenant`].
    pub fn former_tenant(
        &self,
        user: &UserId,
        loaded: &Loaded,
        rules: &Rules,
    ) -> Result<Option<TenantId>, NotLoaded> {
        if matches!(
            self.alone(),
            Self::Status | Self::Overview { details: false, .. } | Self::Watch { .. } | Self::FanOut
        ) {
            return Ok(None);
        }
        let home = rules.home(user, loaded.profile()?);
        Ok(Some(home).filter(|home| self.tenant(user, loaded, rules) != Ok(*home)))
    }

    /// What has to be loaded from the store before the command can be applied.
    pub fn needs(&self) -> Needs {
        match self {
            Self::IssueToken { .. } => {
                Needs { profile: true, valid_tokens: true, orders: true, ..Needs::default() }
            }
            Self::VerifyToken { token } => {
                Needs { presented: Some(*token), orders: true, ..Needs::default() }
            }
            Self::Open(opening) | Self::CanOpen(opening) => Needs {
                profile: true,
                presented: Some(opening.token.hash),
                account: true,
                held: true,
                orders: true,
                subscription_state: true,
                ..Needs::default()
            },
            Self::OpenConsole(_) | Self::CanOpenConsole(_) => Needs {
                profile: true,
                account: true,
                held: true,
                orders: true,
                subscription_state: true,
                ..Needs::default()
            },
            Self::Register(_) | Self::UpdateAccount(_) | Self::Account => {
                Needs { account: true, ..Needs::default() }
            }
            Self::VerifyBearer(_) => {
                Needs { profile: true, orders: true, subscription_state: true, ..Needs::default() }
            }
            Self::Unlock { .. } => Needs { profile: true, orders: true, ..Needs::default() },
            Self::Overview { details, .. } => Needs {
                profile: true,
                orders: true,
                tokens: details.then_some(TokenQuery::Newest),
                ..Needs::default()
            },
            Self::Snapshot { after } => Needs {
                profile: true,
                account: true,
                tokens: Some(TokenQuery::After(*after)),
                orders: true,
                ..Needs::default()
            },
            Self::Restore(_) => Needs {
                profile: true,
                account: true,
                orders: true,
                subscription_state: true,
                ..Needs::default()
            },
            Self::Status => Needs { orders: true, ..Needs::default() },
            Self::ForceOff(ForceOff::Login { token, .. }) => {
                Needs { presented: *token, held: true, subscription_state: true, ..Needs::default() }
            }
            Self::ForceOff(ForceOff::Tokens { tokens, .. }) => Needs {
                profile: true,
                tokens: Some(TokenQuery::These(tokens.clone())),
                held: true,
                orders: true,
                subscription_state: true,
                ..Needs::default()
            },
            Self::ForceOff(
                ForceOff::Everything { .. }
                | ForceOff::Connections { .. }
                | ForceOff::Named(_)
                | ForceOff::Denying { .. },
            ) => Needs { profile: true, held: true, subscription_state: true, ..Needs::default() },
            Self::ForceOff(ForceOff::CutOff { .. }) => Needs {
                profile: true,
                held: true,
                orders: true,
                subscription_state: true,
                ..Needs::default()
            },
            Self::ForceOff(_) => Needs { held: true, subscription_state: true, ..Needs::default() },
            Self::Tick => Needs { held: true, subscription_state: true, dangling: true, ..Needs::default() },
            Self::Close { .. } => Needs { subscription_state: true, ..Needs::default() },
            Self::Decoded { connection, message } => message.needs(*connection),
            Self::Watch { watcher, .. } => Needs {
                orders: true,
                subscription_state: true,
                watcher: Some(watcher.clone()),
                ..Needs::default()
            },
            Self::Acknowledge { connection, .. }
            | Self::Answered { pending: PendingRequest { connection, .. }, .. } => {
                Needs { subscription_state: true, subscriptions: Some(*connection), ..Needs::default() }
            }
            Self::Notified(notice) => {
                Needs { followers_of: Some(notice.watched.clone()), ..Needs::default() }
            }
            Self::FanOut => {
                Needs { orders: true, subscription_state: true, watchers: true, ..Needs::default() }
            }
            Self::WatchersNotified(_) => Needs { subscription_state: true, ..Needs::default() },
            Self::Receive { .. } | Self::SetBackground { .. } | Self::Unwatch { .. } => Needs::default(),
            // The entry is of the user's tenant where the order names none.
            Self::Audited { order, entry } => {
                let needs = order.needs();
                Needs { profile: needs.profile || entry.tenant.is_none(), ..needs }
            }
        }
    }
}
