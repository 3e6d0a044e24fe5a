//! The worker's entry: every request goes through the router that the origin serves too.

use std::{convert::Infallible, sync::OnceLock};

use axum::{
    Router,
    body::Body,
    extract::MatchedPath,
    middleware::{self, Next},
};
use http::{Request, Response, StatusCode, header};
use tower_service::Service as _;
use tracing::Instrument as _;
use worker::{Context, Env, event, web_sys};

use crate::{backend::Edge, config, http_types, upgrade};

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
            return http_types::response(plain(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))).await;
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
        let routes = rollcall_api::router(Edge::new(configuration, env), upgrade::routes());
        routes.layer(middleware::from_fn(name_lines))
    });
    let response = answer(&mut router.clone(), request).await;
    http_types::response(response).await
}

/// Log lines of a request carry its names.
async fn name_lines(request: Request<Body>, next: Next) -> Response<Body> {
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let span = rollcall_api::request_span(&request, matched.as_ref().map_or(NO_ROUTE, MatchedPath::as_str));
    next.run(request).instrument(span).await
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
