//! Our own administrative routes, in the message center's envelope where something is refused.

mod import;
mod unlock;

use axum::{Router, middleware, routing::post};

pub(crate) use self::{
    import::__path_import,
    unlock::{__path_tenant, __path_user},
};
use crate::{
    Backend,
    message_center::{self, ADMIN},
};

/// The routes under `/admin/v1`.
pub(crate) fn routes<B: Backend>(backend: &B) -> Router<B> {
    Router::new()
        .route(&format!("{ADMIN}/records:import"), message_center::only(post(import::import::<B>), "POST"))
        .route(
            &format!("{ADMIN}/users/{{userId}}/unlock"),
            message_center::only(post(unlock::user::<B>), "POST"),
        )
        .route(
            &format!("{ADMIN}/tenants/{{tenantId}}/unlock"),
            message_center::only(post(unlock::tenant::<B>), "POST"),
        )
        .layer(middleware::from_fn_with_state(backend.clone(), message_center::dress::<B>))
}
