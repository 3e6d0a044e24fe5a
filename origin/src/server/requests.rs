//! What is around every request, whatever its route.

use std::time::Instant;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};

use crate::metrics::Metrics;

/// The route of a request that has none.
const NO_ROUTE: &str = "none";

/// Measures everything that `router` does.
pub(super) fn around(router: Router, metrics: Metrics) -> Router {
    router.layer(middleware::from_fn_with_state(metrics, measure))
}

async fn measure(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    metrics.answered(route, response.status().as_u16(), begun.elapsed());
    response
}
