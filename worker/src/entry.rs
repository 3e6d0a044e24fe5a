//! The worker's entry: every request goes through the router that the origin serves too.

use std::{convert::Infallible, sync::OnceLock};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, State},
    middleware::{self, Next},
};
use http::{Method, Request, Response, StatusCode, Uri, header};
use rollcall_api::{Backend as _, ErrorCode, not_configured, openim::gateway};
use rollcall_core::directory::zone::Zone;
use tower_service::Service as _;
use tracing::Instrument as _;
use worker::{Context, Env, event, web_sys};

use crate::{backend::Edge, clock, config, http_types, log, metrics, rate, upgrade};

/// The routes of this isolate. The first request builds them, since their description takes longer than most requests; the
/// bindings that they hold are the isolate's.
static ROUTER: OnceLock<Router> = OnceLock::new();

/// The route of a request that has none.
const NO_ROUTE: &str = "none";

#[event(fetch)]
async fn fetch(raw: web_sys::Request, env: Env, _: Context) -> worker::Result<web_sys::Response> {
    let configuration = match config::load(&env) {
        Ok(configuration) => configuration,
        Err(error) => {
            let uri: Uri = raw.url().parse().unwrap_or_default();
            let datetime = Zone::default().format(clock::now());
            return http_types::response(not_configured(&uri, &error.to_string(), datetime)).await;
        }
    };
    let Some(mut request) = http_types::request(&raw) else {
        return http_types::response(plain(
            StatusCode::BAD_REQUEST,
            "the request cannot be read\n".to_owned(),
        ))
        .await;
    };
    #[cfg(feature = "probe")]
    if let Some(answer) = crate::probe::route(&env, &raw).await {
        return answer;
    }
    rollcall_api::trim_slashes(request.uri_mut());
    let router = ROUTER.get_or_init(|| {
        let edge = Edge::new(configuration, env);
        let routes = rollcall_api::router(edge.clone(), upgrade::routes());
        routes.layer(middleware::from_fn_with_state(edge, observe))
    });
    let response = answer(&mut router.clone(), request).await;
    http_types::response(response).await
}

/// Answers a request within its limit, logs and counts it. Its log lines carry its names.
async fn observe(State(edge): State<Edge>, request: Request<Body>, next: Next) -> Response<Body> {
    let begun = edge.now();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let is_upgrade = *request.method() == Method::GET && gateway::wants_upgrade(request.headers());
    let span = rollcall_api::request_span(&request, route);
    span.record("version", log::version(edge.env()));
    let response = rate::limit(&edge, request, next).instrument(span.clone()).await;
    let (status, within) = (response.status(), edge.now().since(begun));
    let code = response.extensions().get::<ErrorCode>().map(|ErrorCode(code)| code.as_ref());
    span.in_scope(|| {
        tracing::info!(
            status = status.as_u16(),
            code,
            ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    metrics::answered(edge.env(), route, status.as_u16(), within);
    if is_upgrade && (code.is_some() || status != StatusCode::SWITCHING_PROTOCOLS) {
        metrics::refused(edge.env(), code.unwrap_or(status.as_str()));
    }
    response
}

async fn answer(router: &mut Router, request: Request<Body>) -> Response<Body> {
    let answered: Result<_, Infallible> = router.call(request).await;
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
