//! The gateway's upgrade: checked, registered, then accepted (`docs/rules/openim.md#handshake`).

use axum::{
    Router,
    extract::{
        FromRequestParts as _, Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::request::Parts;
use rollcall_api::{
    Backend as _,
    openim::{
        RouteError,
        gateway::{self, UpgradeRequest},
    },
};
use rollcall_core::{
    gateway::{Close, HandshakeError, MESSAGE_BYTES, Payload},
    id::ConnId,
    openim::{Code, OpenImError},
    user::{OpenError, Opening},
};

use super::task::{Session, say_and_close};
use crate::{backend::Origin, outbox::CAPACITY, peer::Peer};

/// Bytes of a socket's read buffer at first: small, since there may be very many sockets, and most messages are shorter. A
/// longer message takes one system call for each piece of this size, and the buffer stays as long as it has grown.
const READ_BUFFER: usize = 256;

/// The most bytes of a socket's write buffer. The outbox counts what is in it and closes a client that does not read before it is
/// full; so this is the bound of what is not counted: the heads of frames, the greeting, and the Close frame.
const WRITE_BUFFER: usize = CAPACITY + 4096;

/// The routes of the gateway.
pub(super) fn routes() -> Router<Origin> {
    gateway::routes(get(connect))
}

async fn connect(State(origin): State<Origin>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if !gateway::wants_upgrade(&parts.headers) {
        return gateway::not_an_upgrade(&origin, &parts, &peer(&parts)).await;
    }
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &origin).await.map(bounded);
    match admit(&origin, &parts, upgrade).await {
        Ok(response) => response,
        Err((error, upgrade)) => refuse(&origin, error, upgrade),
    }
}

/// An upgrade to a socket with small buffers.
pub(super) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
}

/// The address that a request came from.
pub(super) fn peer(parts: &Parts) -> String {
    parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_string()).unwrap_or_default()
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Checks an upgrade and opens its connection. Returns the response that switches protocols.
async fn admit(
    origin: &Origin,
    parts: &Parts,
    upgrade: Upgrade,
) -> Result<Response, (HandshakeError, Upgrade)> {
    let UpgradeRequest { opening, in_band } =
        match gateway::parse_upgrade(origin, parts, &peer(parts), ConnId::from_bytes(rand::random())) {
            Ok(request) => request,
            Err(error) => return Err((error, upgrade)),
        };
    let refuse = |error: OpenImError| HandshakeError { error, in_band };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        // The request is no valid upgrade, and must not be registered. An error of the login is still answered first.
        Err(rejection) => {
            return match token_status(origin, &opening).await {
                Ok(()) => {
                    let response = rejection.into_response();
                    origin.users.metrics().refused(response.status().as_u16().to_string());
                    Ok(response)
                }
                Err(error) => Err((HandshakeError { error, in_band: false }, Err(rejection))),
            };
        }
    };
    let session = Session::of_client(origin, &opening);
    match origin.users.open(&session.user, opening, session.pending()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err((refuse(error.into()), Ok(upgrade))),
        Err(error) => {
            tracing::error!(%error, "a connection could not be opened");
            return Err((refuse(Code::Internal.into()), Ok(upgrade)));
        }
    }
    let greeting = in_band.then(|| Payload::Text(OpenImError::none_as_json()));
    let on_abandoned = session.on_abandoned();
    Ok(upgrade
        .on_failed_upgrade(|_| on_abandoned())
        .on_upgrade(move |socket| session.serve(socket, greeting)))
}

async fn token_status(origin: &Origin, opening: &Opening) -> Result<(), OpenImError> {
    match origin.token_status(&opening.token).await {
        Ok(Ok(())) => opening.claimed.check(&opening.token).map_err(OpenImError::from),
        Ok(Err(error)) => Err(OpenError::Token(error).into()),
        Err(_) => Err(Code::Internal.into()),
    }
}

/// Refuses an upgrade. In band: accepts the socket, sends the reason, closes it. Else the reason is an HTTP answer, which
/// native clients read.
fn refuse(origin: &Origin, error: HandshakeError, upgrade: Upgrade) -> Response {
    let HandshakeError { error, in_band } = error;
    origin.users.metrics().refused(error.code.number().to_string());
    match upgrade {
        Ok(upgrade) if in_band => {
            let text = error.to_json(origin.settings().openim.errdlt_style);
            upgrade.on_upgrade(move |socket| say_and_close(socket, vec![Payload::Text(text)], Close::Policy))
        }
        _ => RouteError::from(error).into_response(),
    }
}
