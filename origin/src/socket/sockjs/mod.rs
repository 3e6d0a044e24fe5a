//! SockJS over requests, for clients whose proxies let no WebSocket through: `xhr_streaming` and `xhr` receive, `xhr_send`
//! sends (`docs/rules/message-center.md#fallbacks`).

mod receiver;
mod session;
mod table;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::post,
};
use http::{HeaderMap, StatusCode, Uri, header, request::Parts};
use rollcall_api::{
    BodyAccount,
    message_center::socket::{self as console, ConnectError},
};
use rollcall_core::{
    gateway::{Close, MESSAGE_BYTES},
    message_center::MessageCenterError,
    stomp::sockjs,
    token::TokenHash,
};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::table::Table;
use self::{
    receiver::{Receiver, Transport},
    session::FallbackSession,
    table::{Entered, Key, Place},
};
use super::console::register;
use crate::backend::Origin;

/// The longest name of a session, in bytes.
const NAME_BYTES: usize = 128;

/// A request to a session.
pub(crate) enum SessionRequest {
    /// A client waits for what the session has to say.
    Receive(Receiver),
    /// A client has said something. Dropping the sender says that the session is over.
    Message(String, oneshot::Sender<()>),
}

/// The routes of the transports that are served.
pub(super) fn routes() -> Router<Origin> {
    let path = |transport: &str| format!("{}/{{server}}/{{session}}/{transport}", console::PATH);
    Router::new()
        .route(&path("xhr"), post(poll))
        .route(&path("xhr_streaming"), post(stream))
        .route(&path("xhr_send"), post(send))
}

/// Whether a request wants to open a session.
pub(crate) fn opens(origin: &Origin, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some((name, "xhr" | "xhr_streaming")) = session_of(uri) else { return false };
    match console::token(uri, headers) {
        Ok(token) => origin.fallbacks().get(&Key::new(TokenHash::of(token.expose()), name)).is_none(),
        Err(_) => true,
    }
}

async fn poll(State(origin): State<Origin>, request: Request) -> Response {
    receive(&origin, &request.into_parts().0, Transport::Polling).await
}

async fn stream(State(origin): State<Origin>, request: Request) -> Response {
    receive(&origin, &request.into_parts().0, Transport::Streaming).await
}

/// The answer that carries what the session has to say. The first one opens it.
async fn receive(origin: &Origin, parts: &Parts, transport: Transport) -> Response {
    let key = match key(parts) {
        Ok(Some(key)) => key,
        Ok(None) => return gone(),
        Err(error) => return refuse(origin, parts, &error),
    };
    let requests = match origin.fallbacks().enter(key) {
        Entered::Open(requests) => requests,
        Entered::New(place) => match open(origin, parts, place).await {
            Ok(requests) => requests,
            Err(response) => return response,
        },
        Entered::Full => {
            return refuse(origin, parts, &MessageCenterError::Busy.into());
        }
    };
    let (receiver, body) = Receiver::new(transport);
    if requests.send(SessionRequest::Receive(receiver)).await.is_err() {
        return gone();
    }
    let headers = [
        (header::CONTENT_TYPE, "application/javascript; charset=UTF-8"),
        (header::CACHE_CONTROL, console::NO_CACHE),
        // A proxy that collects an answer before it passes it on would never pass this one on.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, body).into_response()
}

/// Opens a session.
async fn open(
    origin: &Origin,
    parts: &Parts,
    place: Place,
) -> Result<mpsc::Sender<SessionRequest>, Response> {
    match register(origin, parts).await {
        Ok((session, greeting)) => {
            if let Some(greeting) = greeting {
                session.outbox.send_first(greeting);
            }
            let requests = place.requests();
            tokio::spawn(FallbackSession::new(session, place).serve());
            Ok(requests)
        }
        Err(error) => Err(refuse(origin, parts, &error)),
    }
}

fn refuse(origin: &Origin, parts: &Parts, error: &ConnectError) -> Response {
    origin.users.metrics().refused(error.key());
    console::refuse(origin, parts, error)
}

/// A client says something: a list of texts.
async fn send(State(origin): State<Origin>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The token and the session first: a stranger's body is not read.
    let requests = match key(&parts) {
        Ok(key) => key.and_then(|key| origin.fallbacks().get(&key)),
        Err(error) => return refuse(&origin, &parts, &error),
    };
    let Some(requests) = requests else { return gone() };
    if let Some(account) = parts.extensions.get::<BodyAccount>() {
        account.prove(false);
        if account.hold(MESSAGE_BYTES).is_err() {
            return refuse(&origin, &parts, &MessageCenterError::Busy.into());
        }
    }
    let text = match read(body).await {
        Ok(text) => text,
        Err(refusal) => return refusal.into_response(),
    };
    let (done, answered) = oneshot::channel();
    if requests.send(SessionRequest::Message(text, done)).await.is_err() || answered.await.is_err() {
        return gone();
    }
    (StatusCode::NO_CONTENT, [(header::CONTENT_TYPE, "text/plain; charset=UTF-8")]).into_response()
}

/// The texts of a body. Errors are those of the published protocol.
async fn read(body: Body) -> Result<String, (StatusCode, &'static str)> {
    let too_large = (StatusCode::PAYLOAD_TOO_LARGE, "Payload too large.\n");
    let broken = (StatusCode::INTERNAL_SERVER_ERROR, "Broken JSON encoding.\n");
    let bytes = to_bytes(body, MESSAGE_BYTES).await.map_err(|_| too_large)?;
    if bytes.is_empty() {
        return Err((StatusCode::INTERNAL_SERVER_ERROR, "Payload expected.\n"));
    }
    let text = String::from_utf8(bytes.into()).map_err(|_| broken)?;
    match sockjs::read(&text) {
        Ok(_) => Ok(text),
        Err(Close::TooBig) => Err(too_large),
        Err(_) => Err(broken),
    }
}

/// The session that a request is about; `None` where the path has no name of one.
fn key(parts: &Parts) -> Result<Option<Key>, ConnectError> {
    let token = console::token(&parts.uri, &parts.headers)?;
    Ok(session_of(&parts.uri).map(|(name, _)| Key::new(TokenHash::of(token.expose()), name)))
}

/// The session's name and the transport in a path; the part for load balancers is ignored.
fn session_of(uri: &Uri) -> Option<(&str, &str)> {
    let (server, rest) = uri.path().strip_prefix(console::PATH)?.strip_prefix('/')?.split_once('/')?;
    let (name, transport) = rest.split_once('/')?;
    let is_part = |part: &str| !part.is_empty() && part.len() <= NAME_BYTES && !part.contains('.');
    (is_part(server) && is_part(name)).then_some((name, transport))
}

/// There is no such session for this token.
fn gone() -> Response {
    (StatusCode::NOT_FOUND, "no such session\n").into_response()
}
