//! Every REST route of Rollcall, once, for both runtimes.
//!
//! [`router`] is generic over a [`Backend`], the ports that an adapter implements. A route parses at the border, asks
//! core's rules through the backend, and writes the answer in its family's envelope. Nothing here knows which runtime
//! it is on.

#![forbid(unsafe_code)]

mod answer;
mod backend;
mod body;
mod cors;
mod health;
mod openapi;
pub mod openim;

use axum::{Router, middleware, routing::get};

pub use backend::{Backend, Health, Unavailable};
pub use body::BODY_BYTES;
pub use openapi::document;

/// The routes, ready to be served. An adapter merges its WebSocket routes into `sockets`.
pub fn router<B: Backend>(backend: B, sockets: Router<B>) -> Router {
    Router::new()
        .route("/health", get(health::health::<B>))
        .route("/openapi.json", get(openapi::serve))
        .merge(openim::routes())
        .merge(sockets)
        .fallback(openim::not_found)
        .method_not_allowed_fallback(openim::not_found)
        .layer(middleware::map_response_with_state(backend.clone(), openim::render::<B>))
        .layer(middleware::from_fn(cors::cors))
        .with_state(backend)
}
