//! Our own administrative routes, in the message center's envelope where something is refused.

mod audit;
mod caller;
mod force_off;
mod import;
mod lines;
mod me;
mod order;
mod overview;
mod population;
mod reshard;
mod revoke;
mod unlock;

use axum::{Router, middleware};

use self::{
    audit::__path_audit,
    force_off::{__path_give_force_off, __path_list_force_offs, __path_show_force_off},
    import::__path_import,
    me::__path_me,
    order::__path_order,
    overview::{__path_overview, __path_overviews},
    population::{__path_export, __path_import as __path_population},
    reshard::__path_reshard,
    revoke::__path_revoke,
    unlock::{__path_tenant, __path_user},
};
use crate::{Backend, described::DescribedRoutes as _, message_center};

/// The routes under `/admin/v1`.
pub(crate) fn routes<B: Backend>(backend: &B) -> Router<B> {
    Router::new()
        .described_alone(__path_import, import::import::<B>)
        .described_alone(__path_export, population::export::<B>)
        .described_alone(__path_population, population::import::<B>)
        .described_alone(__path_overview, overview::overview::<B>)
        .described_alone(__path_overviews, overview::overviews::<B>)
        .described_alone(__path_reshard, reshard::reshard::<B>)
        .described_alone(__path_me, me::me::<B>)
        .described_alone(__path_user, unlock::user::<B>)
        .described_alone(__path_revoke, revoke::revoke::<B>)
        .described_alone(__path_tenant, unlock::tenant::<B>)
        .described_alone(__path_order, order::order::<B>)
        .described_alone(__path_audit, audit::audit::<B>)
        .described_pair(
            (__path_list_force_offs, force_off::list_force_offs::<B>),
            (__path_give_force_off, force_off::give_force_off::<B>),
        )
        .described_alone(__path_show_force_off, force_off::show_force_off::<B>)
        .layer(middleware::from_fn_with_state(backend.clone(), message_center::envelope_layer::<B>))
}

/// The description of these routes.
#[cfg(test)]
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    import::import,
    population::export,
    population::import,
    overview::overview,
    overview::overviews,
    reshard::reshard,
    me::me,
    unlock::user,
    revoke::revoke,
    unlock::tenant,
    order::order,
    audit::audit,
    force_off::give_force_off,
    force_off::list_force_offs,
    force_off::show_force_off,
))]
pub(crate) struct Described;
