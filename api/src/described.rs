//! Routes where their descriptions say: `#[utoipa::path]` names method and path of a handler once, for the router and for the
//! document.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, MethodRouter},
};
use http::Method;
use rollcall_core::message_center::MessageCenterError;
use utoipa::{Path, openapi::HttpMethod};

use crate::message_center::RouteError;

/// A router that takes described handlers.
pub(crate) trait DescribedRoutes<S> {
    /// Serves `handler` where `P` says.
    fn described<P: Path, H: Handler<T, S>, T: 'static>(self, path: P, handler: H) -> Self;

    /// The same, and every other method is refused by naming this one.
    fn described_alone<P: Path, H: Handler<T, S>, T: 'static>(self, path: P, handler: H) -> Self;
}

impl<S: Clone + Send + Sync + 'static> DescribedRoutes<S> for Router<S> {
    fn described<P: Path, H: Handler<T, S>, T: 'static>(self, _path: P, handler: H) -> Self {
        self.route(&P::path(), MethodRouter::new().on(method::<P>().0, handler))
    }

    fn described_alone<P: Path, H: Handler<T, S>, T: 'static>(self, _path: P, handler: H) -> Self {
        let (filter, supported) = method::<P>();
        let refuse = move |method: Method| async move {
            RouteError::from(MessageCenterError::Method { method: method.to_string(), supported })
        };
        self.route(&P::path(), MethodRouter::new().on(filter, handler).fallback(refuse))
    }
}

/// The method that `P` names, for the router and in an answer. There are two.
fn method<P: Path>() -> (MethodFilter, &'static str) {
    if P::methods().contains(&HttpMethod::Get) {
        (MethodFilter::GET, "GET")
    } else {
        (MethodFilter::POST, "POST")
    }
}
