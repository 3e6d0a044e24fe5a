//! The gateway's upgrade: judged here, registered and accepted by the user's object
//! (`docs/rules/openim.md#handshake`).

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{StatusCode, request::Parts};
use rollcall_api::{
    Backend as _,
    openim::{
        RouteError,
        gateway::{self, UpgradeRequest},
        joined_header,
    },
};
use rollcall_core::{
    gateway::{Close, HandshakeError},
    id::{TenantId, UserId},
    openim::{Code, OpenImError},
    user::Reply,
};
use worker::{WebSocket, WebSocketPair, send::SendFuture};

use crate::{
    backend::{self, Edge},
    clock, console, cutoffs,
    stub::{self, CallError, UPGRADE_HEADER},
    wire::{self, CachedCutoff, Unreadable, Upgrade},
};

/// Where the runtime says which address a request came from.
const PEER: &str = "CF-Connecting-IP";

/// Where clients connect.
pub(crate) fn routes() -> Router<Edge> {
    gateway::routes(get(connect)).merge(console::routes())
}

async fn connect(State(edge): State<Edge>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !gateway::wants_upgrade(&parts.headers) {
        return gateway::upgrade_required();
    }
    match judge(&edge, &parts).await {
        Ok(socket) => accepted(socket),
        Err(error) => refuse(&edge, error),
    }
}

/// Everything from the query to the live set.
async fn judge(edge: &Edge, parts: &Parts) -> Result<WebSocket, HandshakeError> {
    let broken = |in_band: bool, problem: String| {
        tracing::error!(problem, "a connection could not be opened");
        HandshakeError { error: Code::Internal.into(), in_band }
    };
    let connection = clock::connection_id().map_err(|error| broken(false, error.to_string()))?;
    let UpgradeRequest { opening, in_band } = gateway::parse_upgrade(edge, parts, &peer(parts), connection)?;
    let user = opening.token.user.clone();
    let header = |cached| {
        let greeting = in_band.then(OpenImError::none_as_json);
        wire::write_header(&Upgrade { opening: opening.clone(), greeting, cached: Some(cached) })
    };
    match SendFuture::new(open(edge, &user, None, UPGRADE_HEADER, header)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(Reply::Opened(Err(error)))) => Err(HandshakeError { error: error.into(), in_band }),
        Ok(Err(_)) => Err(broken(in_band, "the reply is to another command".to_owned())),
        Err(error) => Err(broken(in_band, error.to_string())),
    }
}

/// The address that a request came from.
pub(crate) fn peer(parts: &Parts) -> String {
    joined_header(&parts.headers, PEER).unwrap_or_default()
}

/// The socket of an opened connection, or why there is none. `told` is the tenant that the user's issuer says, `header`
/// writes the upgrade of that kind.
pub(crate) async fn open(
    edge: &Edge,
    user: &UserId,
    told: Option<TenantId>,
    kind: &str,
    header: impl Fn(CachedCutoff) -> Result<String, Unreadable>,
) -> Result<Result<WebSocket, Reply>, CallError> {
    let env = edge.env();
    let ask = async |cached| {
        let header = header(cached).map_err(|error| CallError(error.to_string()))?;
        let mut response = stub::upgrade(env, user.as_str(), kind, &header).await?;
        if response.status_code() == StatusCode::SWITCHING_PROTOCOLS.as_u16() {
            let socket = response.websocket();
            let socket = socket.ok_or_else(|| CallError("an accepted upgrade has no socket".to_owned()))?;
            return Ok(Ok(Ok(socket)));
        }
        let text = response.text().await.map_err(|error| CallError(error.to_string()))?;
        let answer = wire::read(&text).map_err(|error| CallError(error.to_string()))?;
        Ok(backend::reply(answer)?.map(Err))
    };
    cutoffs::under(env, user, told, ask).await
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
            Ok(socket) => return accepted(socket),
            Err(error) => tracing::error!(%error, "a error could not be told in band"),
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
