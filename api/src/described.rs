//! Routes where their descriptions say: `#[utoipa::path]` names method and path of a handler once, for the router and for the
//! document.

use std::{pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    response::Response,
    routing::{MethodFilter, MethodRouter},
};
use http::Method;
use rollcall_core::message_center::MessageCenterError;
use utoipa::{Path, openapi::HttpMethod};

use crate::message_center::RouteError;

/// A router that takes described handlers.
pub(crate) trait DescribedRoutes<S> {
    /// Serves `handler` where `P` says.
    fn described<P: Path, H: Handler<T, S, Future = Answer>, T: 'static>(self, path: P, handler: H) -> Self;

    /// The same, and every other method is refused by naming this one.
    fn described_alone<P: Path, H: Handler<T, S, Future = Answer>, T: 'static>(
        self,
        path: P,
        handler: H,
    ) -> Self;

    /// Two methods of one path, `GET` and `POST`; every other method is refused by naming both.
    fn described_pair<P: Path, G, T: 'static, Q: Path, H, U: 'static>(
        self,
        get: (P, G),
        post: (Q, H),
    ) -> Self
    where
        G: Handler<T, S, Future = Answer>,
        H: Handler<U, S, Future = Answer>;
}

impl<S: Clone + Send + Sync + 'static> DescribedRoutes<S> for Router<S> {
    fn described<P: Path, H: Handler<T, S, Future = Answer>, T: 'static>(self, _path: P, handler: H) -> Self {
        self.route(&P::path(), MethodRouter::new().on(method::<P>().0, AnyHandler::of(handler)))
    }

    fn described_alone<P: Path, H: Handler<T, S, Future = Answer>, T: 'static>(
        self,
        _path: P,
        handler: H,
    ) -> Self {
        let (filter, supported) = method::<P>();
        self.route(&P::path(), alone(filter, supported, AnyHandler::of(handler)))
    }

    fn described_pair<P: Path, G, T: 'static, Q: Path, H, U: 'static>(
        self,
        (_, get): (P, G),
        (_, post): (Q, H),
    ) -> Self
    where
        G: Handler<T, S, Future = Answer>,
        H: Handler<U, S, Future = Answer>,
    {
        let both = alone(MethodFilter::GET, "GET, POST", AnyHandler::of(get));
        self.route(&P::path(), both.on(MethodFilter::POST, AnyHandler::of(post)))
    }
}

/// What a handler that is a function returns.
type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A handler of any type: the router compiles its services for each type that it is given.
struct AnyHandler<S>(Arc<dyn Fn(Request, S) -> Answer + Send + Sync>);

impl<S> AnyHandler<S> {
    fn of<H: Handler<T, S, Future = Answer>, T: 'static>(handler: H) -> Self {
        Self(Arc::new(move |request, state| handler.clone().call(request, state)))
    }
}

impl<S> Clone for AnyHandler<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: 'static> Handler<(), S> for AnyHandler<S> {
    type Future = Answer;

    fn call(self, request: Request, state: S) -> Answer {
        (self.0)(request, state)
    }
}

/// Serves one method. A request of another one is told so.
fn alone<S: Clone + Send + Sync + 'static>(
    filter: MethodFilter,
    supported: &'static str,
    handler: AnyHandler<S>,
) -> MethodRouter<S> {
    let refuse = move |method: Method| async move {
        RouteError::from(MessageCenterError::Method { method: method.to_string(), supported })
    };
    MethodRouter::new().on(filter, handler).fallback(refuse)
}

/// The method that `P` names, for the router and in an answer. There are two.
fn method<P: Path>() -> (MethodFilter, &'static str) {
    if P::methods().contains(&HttpMethod::Get) {
        (MethodFilter::GET, "GET")
    } else {
        (MethodFilter::POST, "POST")
    }
}
