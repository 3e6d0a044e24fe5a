//! The message center's upgrade: checked, registered, then accepted (`docs/rules/message-center.md#socket`).

use axum::{
    Router,
    extract::{FromRequestParts as _, Request, State, ws::WebSocketUpgrade},
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{header::SEC_WEBSOCKET_PROTOCOL, request::Parts};
use rollcall_api::{
    Backend as _, BackendError,
    message_center::socket::{self as console, ConnectError, PendingLogin},
    openim::gateway,
};
use rollcall_core::{gateway::Payload, id::ConnId, stomp::HeartbeatMode};

use super::{
    login::WaitingSocket,
    task::Session,
    upgrade::{bounded, peer},
};
use crate::{backend::Origin, peer::client_address};

/// The routes of consoles.
pub(super) fn routes() -> Router<Origin> {
    console::routes(get(connect))
}

async fn connect(State(origin): State<Origin>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if !gateway::wants_upgrade(&parts.headers) {
        return console::not_an_upgrade(&origin, &parts, &peer(&parts)).await;
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &origin).await {
        Ok(upgrade) => bounded(upgrade),
        Err(rejection) => {
            let response = rejection.into_response();
            origin.users.metrics().refused(response.status().as_u16().to_string());
            return response;
        }
    };
    if let Some(waiting) = waiting(&origin, &parts) {
        return switched(&parts, upgrade.on_upgrade(move |socket| waiting.serve(socket)));
    }
    match register(&origin, &parts).await {
        Ok((session, greeting)) => {
            let on_abandoned = session.on_abandoned();
            let upgrade = upgrade.on_failed_upgrade(|_| on_abandoned());
            switched(&parts, upgrade.on_upgrade(move |socket| session.serve(socket, greeting)))
        }
        Err(error) => {
            origin.users.metrics().refused(error.key());
            console::refuse(&origin, &parts, &error)
        }
    }
}

/// The response that switches protocols, with the subprotocol.
fn switched(parts: &Parts, mut response: Response) -> Response {
    if let Some(chosen) = console::subprotocol(&parts.headers) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    response
}

/// The socket of a client that will log in by its first frame. Beyond the limit there is none, and the upgrade is refused for
/// want of a token.
fn waiting(origin: &Origin, parts: &Parts) -> Option<WaitingSocket> {
    let pending = PendingLogin::of(origin, parts, &peer(parts), HeartbeatMode::Enabled)?;
    let address = client_address(&parts.extensions, &parts.headers, origin.settings())?;
    WaitingSocket::new(origin, pending, address, parts.extensions.get().cloned()).ok()
}

/// Checks a request and opens its connection.
pub(super) async fn register(
    origin: &Origin,
    parts: &Parts,
) -> Result<(Session, Option<Payload>), ConnectError> {
    let connection = ConnId::from_bytes(rand::random());
    let opening =
        console::parse_upgrade(origin, parts, &peer(parts), connection, HeartbeatMode::Enabled).await?;
    let greeting = opening.session.as_ref().and_then(|session| session.greeting()).map(str::to_owned);
    let session = Session::of_console(origin, &opening);
    match origin.users.open(&session.user, opening, session.pending()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error.into()),
        Err(error) => return Err(BackendError::new(error).into()),
    }
    Ok((session, greeting.map(Payload::Text)))
}
