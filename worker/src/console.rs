//! The message center's upgrade: judged here, registered and accepted by the user's object
//! (`docs/rules/message-center.md#socket`).

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use http::{header::SEC_WEBSOCKET_PROTOCOL, request::Parts};
use rollcall_api::{
    BackendError,
    message_center::socket::{self as console, ConnectError},
    openim::gateway,
};
use rollcall_core::{stomp::HeartbeatMode, user::ConsoleOpening};
use worker::{WebSocket, send::SendFuture};

use crate::{
    backend::{Edge, unavailable},
    clock,
    stub::CONSOLE_HEADER,
    upgrade::{Upgraded, accepted, open, peer},
    wire::{self, ConsoleUpgrade},
};

/// Where consoles connect.
pub(crate) fn routes() -> Router<Edge> {
    console::routes(get(connect))
}

async fn connect(State(edge): State<Edge>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    if !gateway::wants_upgrade(&parts.headers) {
        return console::not_an_upgrade(&edge, &parts, &peer(&parts)).await;
    }
    match register(&edge, &parts).await {
        Ok(socket) => {
            let mut response = accepted(socket);
            if let Some(chosen) = console::subprotocol(&parts.headers) {
                response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen);
            }
            response
        }
        Err(error) => console::refuse(&edge, &parts, &error),
    }
}

/// Everything from the token to the live set.
async fn register(edge: &Edge, parts: &Parts) -> Result<WebSocket, ConnectError> {
    let connection = clock::connection_id().map_err(BackendError::new)?;
    let opening =
        console::parse_upgrade(edge, parts, &peer(parts), connection, HeartbeatMode::Disabled).await?;
    let (user, tenant) = (opening.principal.user.clone(), opening.principal.tenant);
    let header = |connection, cached| {
        let opening = ConsoleOpening { connection, ..opening.clone() };
        wire::write_header(&ConsoleUpgrade { opening, cached })
    };
    match SendFuture::new(open(edge, &user, Some(tenant), CONSOLE_HEADER, header)).await {
        Ok(Upgraded::Socket(socket)) => Ok(socket),
        Ok(Upgraded::Refused(error)) => Err(error.into()),
        Err(error) => Err(unavailable(error).into()),
    }
}
