//! The layer around every route: metrics, a span for the log, the bounds of bodies and of rates, and an answer for a handler that panics.

use std::{net::Ipv4Addr, panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};
use futures_util::FutureExt as _;
use rollcall_api::{Backend as _, ClientAddress, PanicContext, Stranger, request_span, respond};
use rollcall_core::net::counted_address;
use tracing::Instrument as _;

use super::{bodies, rate::Rates};
use crate::{backend::Origin, peer::client_address};

/// The route of a request that has none.
const NO_ROUTE: &str = "none";

/// Adds the layer to all of `router`. It is one, since each clones and boxes what is below it for every request.
pub(super) fn observed(router: Router, origin: &Origin, rates: Rates) -> Router {
    let rates = rates.is_limited().then(|| Arc::new(rates));
    router.layer(middleware::from_fn_with_state((origin.clone(), rates), observe))
}

async fn observe(
    State((origin, rates)): State<(Origin, Option<Arc<Rates>>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let address = client_address(request.extensions(), request.headers(), origin.settings());
    if let Some(address) = address {
        request.extensions_mut().insert(ClientAddress(address));
    }
    let address = address.map_or(Ipv4Addr::UNSPECIFIED.into(), counted_address);
    request.extensions_mut().insert(Stranger { address, wait: None });
    let request = bodies::bound(request, origin.bodies(), address);
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let span = request_span(&request, route);
    let response = answer(&origin, rates.as_deref(), request, next).instrument(span).await;
    origin.users.metrics().answered(route, response.status().as_u16(), begun.elapsed());
    response
}

/// Catches a panic of the handler. That is sound, since shared state is behind locks that a panic releases, and changes in
/// one piece.
async fn answer(origin: &Origin, rates: Option<&Rates>, request: Request, next: Next) -> Response {
    let context = PanicContext::of(&request);
    let answered = async {
        match rates {
            Some(rates) => rates.limit(origin, request, next).await,
            None => respond(origin, request, next).await,
        }
    };
    match AssertUnwindSafe(answered).catch_unwind().await {
        Ok(response) => response,
        // The panic's message is on stderr; no client sees it.
        Err(_) => {
            tracing::error!("a handler panicked");
            origin.users.metrics().panicked();
            context.answer(origin)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc, time::Duration};

    use axum::routing::get;
    use rollcall_conformance::http::{Connection, Request as Question, Response as Answer};
    use rollcall_core::{config::Settings, secret::Secret};
    use serde_json::Value;
    use tokio::{net::TcpListener, sync::watch};
    use tokio_util::task::TaskTracker;

    use super::{
        super::{accept::accept, admission::Admission, connection::ConnectionServer, open},
        *,
    };
    use crate::metrics::{Exposition, State};

    const WORDS: &str = "words of a panic";

    struct Served {
        address: SocketAddr,
        origin: Origin,
        _stop: watch::Sender<bool>,
        _home: tempfile::TempDir,
    }

    /// Routes of both families behind the accept loop; some of them panic.
    async fn served() -> Served {
        let home = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.auth.secret = Some(Secret::from("0123456789abcdef0123456789abcdef"));
        settings.server.metrics_listen = Some("127.0.0.1:0".to_owned());
        let admission = Admission::new(&settings);
        let origin = Origin::new(open(settings, home.path()).await.unwrap()).unwrap();
        async fn panics() -> &'static str {
            panic!("{WORDS}")
        }
        let router = Router::new()
            .route("/fine", get(|| async { "fine" }))
            .route("/auth/breaks", get(panics))
            .route("/api/v1/message/center/breaks", get(panics));
        let router = observed(router, &origin, Rates::new(origin.settings()).unwrap());
        let (stop, stopping) = watch::channel(false);
        let metrics = origin.users.metrics().clone();
        let server = Arc::new(ConnectionServer::new(router, Duration::from_secs(5), None, metrics));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, server, admission, TaskTracker::new(), stopping));
        Served { address, origin, _stop: stop, _home: home }
    }

    async fn ask(connection: &mut Connection, path: &str) -> Answer {
        connection.send(&Question::new("GET", path).header("xc-request-id", "mine")).await.unwrap()
    }

    fn json(answer: &Answer) -> Value {
        assert!(!String::from_utf8_lossy(&answer.body).contains(WORDS));
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_in_the_envelope_of_its_family_and_counted() {
        let served = served().await;
        let mut other = Connection::open(served.address).await.unwrap();
        assert_eq!(ask(&mut other, "/fine").await.body, b"fine");
        let mut connection = Connection::open(served.address).await.unwrap();

        let answer = ask(&mut connection, "/auth/breaks").await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("access-control-allow-origin").unwrap(), "*");
        assert_eq!(json(&answer)["errCode"], 500);
        assert_eq!(json(&answer)["errMsg"], "ServerInternalError");
        let answer = ask(&mut connection, "/api/v1/message/center/breaks").await;
        assert_eq!(answer.status, 500);
        assert_eq!(answer.header("access-control-allow-origin").unwrap(), "*");
        assert_eq!(answer.header("xc-request-id").unwrap(), "mine");
        assert_eq!(json(&answer)["code"], "E2");
        assert_eq!(json(&answer)["ext"]["eKey"], "unknown_error");

        // The same connection and the other one are served on.
        assert_eq!(ask(&mut connection, "/fine").await.body, b"fine");
        assert_eq!(ask(&mut other, "/fine").await.body, b"fine");
        let metrics = served.origin.users.metrics().clone();
        let figures = Exposition::new(metrics, State::default).text().unwrap();
        assert!(figures.contains("\nrollcall_panics_total 2\n"), "{figures}");
        let broken = "rollcall_request_duration_seconds_count{route=\"/auth/breaks\",status=\"500\"} 1\n";
        assert!(figures.contains(broken), "{figures}");
    }
}
