//! Our own administrative routes, in the message center's envelope where something is refused.

mod caller;
mod import;
mod lines;
mod overview;
mod population;
mod unlock;

use axum::middleware;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    import::__path_import,
    overview::{__path_overview, __path_overviews},
    population::{__path_export, __path_import as __path_population},
    unlock::{__path_tenant, __path_user},
};
use crate::{
    Backend,
    message_center::{self, only_method},
};

/// The routes under `/admin/v1`.
pub(crate) fn routes<B: Backend>(backend: &B) -> OpenApiRouter<B> {
    let import = import::import::<B>;
    let (overview, overviews) = (overview::overview::<B>, overview::overviews::<B>);
    let (export, population) = (population::export::<B>, population::import::<B>);
    let (user, tenant) = (unlock::user::<B>, unlock::tenant::<B>);
    OpenApiRouter::default()
        .routes(only_method(routes!(import)))
        .routes(only_method(routes!(export)))
        .routes(only_method(routes!(population)))
        .routes(only_method(routes!(overview)))
        .routes(only_method(routes!(overviews)))
        .routes(only_method(routes!(user)))
        .routes(only_method(routes!(tenant)))
        .layer(middleware::from_fn_with_state(backend.clone(), message_center::envelope_layer::<B>))
}
