//! The gateway's upgrade, as far as it is the same on every runtime. The adapters accept the socket.

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use http::{HeaderMap, StatusCode, Uri, header, request::Parts};
use rollcall_core::{
    gateway::{Handshake, HandshakeError},
    id::ConnId,
    net::remote_address,
    openim::{Code, OpenImError},
    user::{Claimed, Client, Opening, request::CanOpen},
};

use super::{Done, RouteError, input::header};
use crate::{Backend, Chain};

/// An upgrade request whose token's signature and times hold.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    /// The opening, for the user to decide on.
    pub opening: Opening,
    /// Whether the client waits for the result as a first text message.
    pub in_band: bool,
}

/// The path in the gateway's description.
const PATH: &str = "/msg_gateway";
/// Every path of the gateway. A client whose address of it ends with a slash asks for one with a slash at its end.
const PATHS: [&str; 5] = ["/", "/ws", "/ws/", PATH, "/msg_gateway/"];

/// The headers that name the client's device; the first counts.
const DEVICE_ID: [&str; 2] = ["XC-Auth-Device-Id", "X-Auth-Device-Id"];

/// The gateway's paths, each answered by `connect`.
pub fn routes<B: Backend>(connect: MethodRouter<B>) -> Router<B> {
    PATHS.into_iter().fold(Router::new(), |routes, path| routes.route(path, connect.clone()))
}

/// Whether a request asks to be a WebSocket. If not, [`not_an_upgrade`] is the answer.
pub fn wants_upgrade(headers: &HeaderMap) -> bool {
    header(headers, header::UPGRADE.as_str())
        .is_some_and(|protocol| protocol.eq_ignore_ascii_case("websocket"))
}

/// Whether a plain GET asks for the refusal of the upgrade with its parameters.
pub(crate) fn asks_why(uri: &Uri) -> bool {
    PATHS.contains(&uri.path()) && uri.query().is_some_and(Handshake::is_named_in)
}

/// The answer to a plain GET. With the parameters of a handshake it is the refusal that the upgrade would get: browsers show
/// a page nothing of a refused upgrade, so clients ask once more. Nothing happens to the user.
pub async fn not_an_upgrade<B: Backend>(backend: &B, parts: &Parts, peer: &str) -> Response {
    if !asks_why(&parts.uri) {
        return upgrade_required();
    }
    match can_open(backend, parts, peer).await {
        Ok(()) => upgrade_required(),
        Err(error) => RouteError::from(error).into_response(),
    }
}

async fn can_open<B: Backend>(backend: &B, parts: &Parts, peer: &str) -> Result<(), OpenImError> {
    let connection = ConnId::from_bytes(backend.random().to_be_bytes());
    let request = parse_upgrade(backend, parts, peer, connection).map_err(|refusal| refusal.error)?;
    let user = request.opening.token.user.clone();
    match backend.run(&user, CanOpen(request.opening)).await {
        Ok(answer) => answer.map_err(OpenImError::from),
        Err(error) => {
            tracing::error!(error = %Chain(&error), "a user could not be asked whether it could connect");
            Err(Code::Internal.into())
        }
    }
}

/// The answer to a plain GET without parameters, such as a browser's, or with those of an upgrade that would succeed.
pub(crate) fn upgrade_required() -> Response {
    let text = "this is the WebSocket gateway: connect with ws:// and the parameters in /openapi.json\n";
    (StatusCode::UPGRADE_REQUIRED, [(header::UPGRADE, "websocket")], text).into_response()
}

/// Parses an upgrade request and verifies its token, as far as that needs no user. `peer` is the address it came from.
///
/// # Errors
/// The refusal, and whether the client wants it in band.
pub fn parse_upgrade<B: Backend>(
    backend: &B,
    parts: &Parts,
    peer: &str,
    connection: ConnId,
) -> Result<UpgradeRequest, HandshakeError> {
    let compression = header(&parts.headers, "compression");
    let handshake = Handshake::parse(parts.uri.query().unwrap_or_default(), compression.as_deref())?;
    let in_band = handshake.wants_result;
    let token = backend
        .keys()
        .verify(handshake.token.expose(), backend.now())
        .map_err(|error| HandshakeError { error: error.into(), in_band })?;
    let opening = Opening {
        connection,
        token,
        claimed: Claimed { user: handshake.send_id, platform: handshake.platform },
        background: handshake.background,
        wire: handshake.wire,
        client: client(backend, &parts.headers, peer),
    };
    Ok(UpgradeRequest { opening, in_band })
}

/// What the record of a connection shows of its client.
pub(crate) fn client<B: Backend>(backend: &B, headers: &HeaderMap, peer: &str) -> Client {
    let forwarded = header(headers, "X-Forwarded-For");
    let trusted = &backend.settings().server.trusted_proxies;
    let address = remote_address(peer, forwarded.as_deref(), trusted);
    Client {
        user_agent: header(headers, header::USER_AGENT.as_str()),
        device_id: DEVICE_ID.into_iter().find_map(|name| header(headers, name)),
        remote_address: address.map(|address| address.to_string()),
    }
}

/// Connect
///
/// A WebSocket upgrade; also at `/` and `/ws`. The user is online when the answer arrives. A refusal is HTTP 200 with the
/// error envelope (to a plain GET with these parameters too, which changes nothing), or, with `isMsgResp=true`, the envelope as the first text message of an accepted socket that is then
/// closed with 1008.
#[utoipa::path(
    get, path = PATH, tag = "gateway",
    params(
        ("sendID" = String, Query, description = "The user"),
        ("token" = String, Query, description = "A good token of that user and platform"),
        ("platformID" = i64, Query, description = "1 to 11"),
        ("operationID" = String, Query, description = "For tracing"),
        ("isBackground" = Option<bool>, Query, description = "Whether the application starts in the background"),
        ("isMsgResp" = Option<bool>, Query, description = "Answer with a first text message"),
        ("sdkType" = Option<String>, Query, description = "`js` for JSON messages, `go` (default) for gob"),
        ("compression" = Option<String>, Query, description = "`gzip`: every binary message is one gzip stream"),
        ("v" = Option<String>, Query, description = "All of the above as base64url of JSON; replaces them"),
    ),
    responses(
        (status = 101, description = "Connected, or refused in band"),
        (status = 200, description = "Refused: 1501 to 1507, 1601, 1602", body = Done),
        (status = 426, description = "The request is no WebSocket upgrade, but as one it would succeed"),
    )
)]
#[allow(dead_code, reason = "its attribute is the documentation")]
pub(crate) fn connect() {}
