//! The gateway's upgrade: judged here, registered and accepted by the user's object
//! (`docs/rules/openim.md#handshake`).

use std::error::Error;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, request::Parts};
use rollcall_api::{
    Backend as _, Chain, ErrorCode,
    openim::{
        RouteError,
        gateway::{self, UpgradeRequest},
        joined_header,
    },
};
use rollcall_core::{
    gateway::{Close, HandshakeError},
    id::{ConnId, TenantId, UserId},
    openim::{Code, OpenImError},
    user::{OpenError, Opening, Request as _},
};
use worker::{WebSocket, WebSocketPair, send::SendFuture};

use crate::{
    backend::{self, Edge},
    clock, console,
    cutoffs::{self, UnderCutoff},
    stub::{self, CallError, UPGRADE_HEADER},
    wire::{self, CachedCutoff, Upgrade, WireError},
};

/// Where the runtime says which address a request came from.
pub(crate) const PEER: &str = "CF-Connecting-IP";

/// Where clients connect.
pub(crate) fn routes() -> Router<Edge> {
    gateway::routes(get(connect)).merge(console::routes())
}

async fn connect(State(edge): State<Edge>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !gateway::wants_upgrade(&parts.headers) {
        return gateway::not_an_upgrade(&edge, &parts, &peer(&parts)).await;
    }
    match judge(&edge, &parts).await {
        Ok(socket) => accepted(socket),
        Err(error) => refuse(&edge, error),
    }
}

/// Everything from the query to the live set.
async fn judge(edge: &Edge, parts: &Parts) -> Result<WebSocket, HandshakeError> {
    let internal = |in_band: bool, error: &(dyn Error + 'static)| {
        tracing::error!(error = %Chain(error), "a connection could not be opened");
        HandshakeError { error: Code::Internal.into(), in_band }
    };
    let connection = clock::connection_id().map_err(|error| internal(false, &error))?;
    let UpgradeRequest { opening, in_band } = gateway::parse_upgrade(edge, parts, &peer(parts), connection)?;
    let user = opening.token.user.clone();
    let header = |connection, cached| {
        let opening = Opening { connection, ..opening.clone() };
        let greeting = in_band.then(OpenImError::none_as_json);
        wire::write_header(&Upgrade { opening, greeting, cached: Some(cached) })
    };
    match SendFuture::new(open(edge, &user, None, UPGRADE_HEADER, header)).await {
        Ok(Upgraded::Socket(socket)) => Ok(socket),
        Ok(Upgraded::Refused(error)) => Err(HandshakeError { error: error.into(), in_band }),
        Err(error) => Err(internal(in_band, &error)),
    }
}

/// The address that a request came from.
pub(crate) fn peer(parts: &Parts) -> String {
    joined_header(&parts.headers, PEER).unwrap_or_default()
}

/// The answer of a user's object to an upgrade.
pub(crate) enum Upgraded {
    /// The connection is open; this is the client's end of its socket.
    Socket(WebSocket),
    /// The connection may not open.
    Refused(OpenError),
}

/// Has a connection opened by its user's object. `issuer_tenant` is what the user's issuer says, `header`
/// writes the upgrade of that kind. Each try has a connection of its own: the object may have opened that of the one before.
pub(crate) async fn open(
    edge: &Edge,
    user: &UserId,
    issuer_tenant: Option<TenantId>,
    kind: &str,
    header: impl Fn(ConnId, CachedCutoff) -> Result<String, WireError>,
) -> Result<Upgraded, CallError> {
    let env = edge.env();
    let ask = async |cached: CachedCutoff| {
        let header = || Ok(header(clock::connection_id()?, cached.clone())?);
        let mut response = stub::upgrade(env, user.as_str(), kind, header).await?;
        if response.status_code() == StatusCode::SWITCHING_PROTOCOLS.as_u16() {
            let socket = response.websocket().ok_or(CallError::NoSocket)?;
            return Ok(UnderCutoff::Done(Upgraded::Socket(socket)));
        }
        Ok(match backend::reply(wire::read(&response.text().await?)?)? {
            // Both kinds of opening get the same reply.
            UnderCutoff::Done(reply) => match Opening::read(reply)? {
                Ok(()) => return Err(CallError::NoSocket),
                Err(refusal) => UnderCutoff::Done(Upgraded::Refused(refusal)),
            },
            UnderCutoff::OtherTenant(home) => UnderCutoff::OtherTenant(home),
        })
    };
    cutoffs::under(env, user, issuer_tenant, ask).await
}

/// 101, with this socket.
pub(crate) fn accepted(socket: WebSocket) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.extensions_mut().insert(socket);
    response
}

/// In band: accept, say why, close. Else the envelope as an HTTP answer, which native clients read.
fn refuse(edge: &Edge, error: HandshakeError) -> Response {
    let HandshakeError { error, in_band } = error;
    if in_band {
        let text = error.to_json(edge.settings().openim.errdlt_style);
        match say_why(&text) {
            Ok(socket) => {
                let mut response = accepted(socket);
                response.extensions_mut().insert(ErrorCode(error.code.number().to_string().into()));
                return response;
            }
            Err(error) => tracing::error!(error = %Chain(&error), "a refusal could not be told in band"),
        }
    }
    RouteError::from(error).into_response()
}

fn say_why(text: &str) -> worker::Result<WebSocket> {
    let pair = WebSocketPair::new()?;
    pair.server.accept()?;
    pair.server.send_with_str(text)?;
    pair.server.close(Some(Close::Policy.code()), Some(Close::Policy.reason()))?;
    Ok(pair.client)
}
