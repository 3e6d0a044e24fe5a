//! The console's upgrade: what is the same on every runtime (`docs/rules/message-center.md#socket`).

use std::time::Duration;

use axum::{Router, response::Response, routing::MethodRouter};
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
    request::Parts,
};
use rollcall_core::{
    directory::query,
    id::ConnId,
    message_center::{MessageCenterError, token_of},
    secret::Secret,
    stomp::{self, Framing, HeartbeatMode, Login, Session, Version},
    user::{Client, ConsoleOpening, OpenError, request::CanOpenConsole},
};

use super::{
    caller::{access_token, principal},
    envelope::{self, Empty, Envelope, Refusals, request_id},
    sockjs,
};
use crate::{
    Backend, BackendError, Chain, Stranger,
    openim::{gateway, joined_header},
};

pub use super::sockjs::NO_CACHE;

/// The reason why a console may not connect.
#[derive(Clone, Debug)]
pub struct ConnectError(MessageCenterError);

impl ConnectError {
    /// The error's machine word.
    pub const fn key(&self) -> &'static str {
        self.0.key()
    }

    /// Whether the token was not good.
    pub const fn is_failed_proof(&self) -> bool {
        matches!(self.0, MessageCenterError::InvalidToken)
    }

    /// The refusal of a client whose address has shown too many tokens that were not good.
    pub fn too_many_requests(wait: Duration) -> Self {
        Self(MessageCenterError::too_many_requests(wait))
    }
}

/// Where consoles connect.
pub const PATH: &str = "/ws/messageCenter";
/// The same for clients whose address of it ends with a slash.
const SLASHED: &str = "/ws/messageCenter/";
/// SockJS's path for clients without its framing.
const BARE: &str = "/ws/messageCenter/websocket";
/// Where SockJS connects: a number for load balancers, and the client's own name for the session. Both are ignored.
const SOCKJS: &str = "/ws/messageCenter/{server}/{session}/websocket";

/// The console's paths, answered by `connect`.
pub fn routes<B: Backend>(connect: MethodRouter<B>) -> Router<B> {
    [PATH, SLASHED, BARE, SOCKJS]
        .into_iter()
        .fold(sockjs::routes(), |routes, path| routes.route(path, connect.clone()))
}

/// The value of `Sec-WebSocket-Protocol` in the answer: the best of STOMP's subprotocols that the client offers.
pub fn subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = joined_header(headers, SEC_WEBSOCKET_PROTOCOL.as_str())?;
    stomp::choose(&offered, Version::subprotocol)
        .map(|version| HeaderValue::from_static(version.subprotocol()))
}

/// The new session.
fn session(parts: &Parts, heartbeats: HeartbeatMode) -> Session {
    let framing = match parts.uri.path() {
        PATH | SLASHED if subprotocol(&parts.headers).is_none() => Framing::Undecided,
        PATH | SLASHED | BARE => Framing::Bare,
        _ => Framing::SockJs,
    };
    Session::new(framing, heartbeats)
}

/// Parses and authenticates an upgrade request, as far as that needs no user. `peer` is the address it came from, `heartbeats`
/// the runtime's mode.
///
/// # Errors
/// The refusal, for [`refuse`].
pub async fn parse_upgrade<B: Backend>(
    backend: &B,
    parts: &Parts,
    peer: &str,
    connection: ConnId,
    heartbeats: HeartbeatMode,
) -> Result<ConsoleOpening, ConnectError> {
    let token = token(&parts.uri, &parts.headers)?;
    let visitor = Visitor::of(backend, parts, peer);
    visitor.opening(backend, connection, &token, session(parts, heartbeats)).await
}

/// The token of a request, in the header or the query; whether it is good is not looked at.
///
/// # Errors
/// The refusal, for [`refuse`].
pub fn token(uri: &Uri, headers: &HeaderMap) -> Result<Secret<String>, ConnectError> {
    let in_header = joined_header(headers, AUTHORIZATION.as_str());
    Ok(token_of(in_header.as_deref(), access_token(uri).as_deref())?)
}

/// What a request says of its client, before the client has proved who it is.
struct Visitor {
    client: Client,
    request_id: String,
    stranger: Option<Stranger>,
}

impl Visitor {
    fn of<B: Backend>(backend: &B, parts: &Parts, peer: &str) -> Self {
        let mut client = gateway::client(backend, &parts.headers, peer);
        if client.device_id.is_none() {
            let pairs = query::pairs(parts.uri.query().unwrap_or_default());
            client.device_id = pairs.into_iter().find(|(name, _)| name == "deviceId").map(|(_, value)| value);
        }
        let stranger = parts.extensions.get().copied();
        Self { client, request_id: request_id(backend, &parts.headers).0, stranger }
    }

    /// The opening of the token's holder.
    async fn opening<B: Backend>(
        &self,
        backend: &B,
        connection: ConnId,
        token: &Secret<String>,
        session: Session,
    ) -> Result<ConsoleOpening, ConnectError> {
        let (principal, _) = principal(backend, token, &self.request_id, self.stranger.as_ref())
            .await
            .map_err(|error| ConnectError(error.into()))?;
        // Its records would have no user.
        if principal.user.number().is_none() {
            return Err(ConnectError(MessageCenterError::Forbidden));
        }
        let (principal, client) = (principal.for_socket(), self.client.clone());
        Ok(ConsoleOpening { connection, principal, client, session: Some(Box::new(session)) })
    }
}

/// A client that brings its token in its first frame (`docs/rules/message-center.md#login`).
pub struct PendingLogin {
    visitor: Visitor,
    /// The reading of that frame.
    pub login: Login,
}

impl PendingLogin {
    /// That of an upgrade request which brings no token, where STOMP is spoken.
    pub fn of<B: Backend>(backend: &B, parts: &Parts, peer: &str, heartbeats: HeartbeatMode) -> Option<Self> {
        let in_header = joined_header(&parts.headers, AUTHORIZATION.as_str());
        let in_query = access_token(&parts.uri).filter(|token| !token.is_empty());
        let session = session(parts, heartbeats);
        if in_header.is_some() || in_query.is_some() || session.is_undecided() {
            return None;
        }
        Some(Self { visitor: Visitor::of(backend, parts, peer), login: Login::new(session) })
    }

    /// Authenticates the client by the header `Authorization` of its first frame, as far as that needs no user. Unknown tokens
    /// are refused for as long as `wait` says.
    ///
    /// # Errors
    /// The reason why it may not connect.
    pub async fn opening<B: Backend>(
        &mut self,
        backend: &B,
        connection: ConnId,
        authorization: Option<&Secret<String>>,
        wait: Option<Duration>,
    ) -> Result<ConsoleOpening, ConnectError> {
        if let Some(stranger) = &mut self.visitor.stranger {
            stranger.wait = wait;
        }
        let token = token_of(authorization.map(|text| text.expose().as_str()), None)?;
        self.visitor.opening(backend, connection, &token, self.login.session().clone()).await
    }
}

/// Whether a plain GET asks for the refusal of the upgrade with its token.
pub(crate) fn asks_why(uri: &Uri, headers: &HeaderMap) -> bool {
    let is_socket =
        matches!(uri.path(), PATH | SLASHED) || sockjs::owns(uri) && uri.path().ends_with("/websocket");
    is_socket && (headers.contains_key(AUTHORIZATION) || access_token(uri).is_some())
}

/// The answer to a plain GET. With a token it is the refusal that the upgrade would get: browsers show a page nothing of a
/// refused upgrade, so clients ask once more. Nothing happens to the user.
pub async fn not_an_upgrade<B: Backend>(backend: &B, parts: &Parts, peer: &str) -> Response {
    if !asks_why(&parts.uri, &parts.headers) {
        return gateway::upgrade_required();
    }
    match can_open(backend, parts, peer).await {
        Ok(()) => gateway::upgrade_required(),
        Err(error) => refuse(backend, parts, &error),
    }
}

async fn can_open<B: Backend>(backend: &B, parts: &Parts, peer: &str) -> Result<(), ConnectError> {
    let connection = ConnId::from_bytes(backend.random().to_be_bytes());
    let opening = parse_upgrade(backend, parts, peer, connection, HeartbeatMode::Disabled).await?;
    let user = opening.principal.user.clone();
    Ok(backend.run(&user, CanOpenConsole(opening)).await??)
}

/// The answer to a console that may not connect.
pub fn refuse<B: Backend>(backend: &B, parts: &Parts, error: &ConnectError) -> Response {
    envelope::refuse(backend, &parts.headers, &error.0)
}

impl From<MessageCenterError> for ConnectError {
    fn from(error: MessageCenterError) -> Self {
        Self(error)
    }
}

impl From<OpenError> for ConnectError {
    fn from(error: OpenError) -> Self {
        Self(match error {
            OpenError::Revoked => MessageCenterError::InvalidToken,
            _ => MessageCenterError::Forbidden,
        })
    }
}

impl From<BackendError> for ConnectError {
    fn from(error: BackendError) -> Self {
        if error.is_busy() {
            tracing::warn!(error = %Chain(&error), "a console came too early");
            return Self(MessageCenterError::Busy);
        }
        tracing::error!(error = %Chain(&error), "a console could not connect");
        Self(MessageCenterError::Internal)
    }
}

/// Connect a console
///
/// A WebSocket upgrade. The socket is closed with 4001: `token_expired` when its token expires, `forced_offline` after a
/// CLOSE message when its user is forced offline. It speaks plain JSON texts, or STOMP: with one of the subprotocols
/// `v10.stomp`, `v11.stomp`, `v12.stomp`, or where its first message is CONNECT or STOMP; SockJS clients connect below this path.
#[utoipa::path(
    get, path = PATH, tag = "message center",
    params(
        ("access_token" = Option<String>, Query, description = "A token, where the header `Authorization` cannot be set"),
        ("deviceId" = Option<String>, Query, description = "The device; also the header `XC-Auth-Device-Id` or `X-Auth-Device-Id`"),
    ),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 101, description = "Connected"),
        (status = 400, description = "Two tokens", body = Envelope<Empty>),
        (status = 403, description = "Too many connections, or the token is no user's", body = Envelope<Empty>),
        (status = 426, description = "The request is no WebSocket upgrade, but as one it would succeed"),
        (status = 500, description = "The user could not be reached", body = Envelope<Empty>),
    )
)]
#[allow(dead_code, reason = "its attribute is the documentation")]
pub(crate) fn connect() {}
