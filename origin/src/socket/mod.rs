//! Sockets: the upgrade, and the task that owns each one. Others reach it through its [outbox](crate::outbox).

mod console;
mod login;
pub(crate) mod sockjs;
mod task;
mod timers;
mod upgrade;
mod upgrade_guard;

use axum::{Router, middleware};
use rollcall_core::net::AllowedOrigins;

use self::upgrade_guard::UpgradeGuard;
use crate::backend::Origin;

/// The routes that upgrade to a socket, open to programs and to the `allowed` pages.
pub fn routes(origin: &Origin, allowed: AllowedOrigins) -> Router<Origin> {
    let guard = UpgradeGuard::new(origin.clone(), allowed);
    let guard = middleware::from_fn_with_state(guard, upgrade_guard::check);
    upgrade::routes().merge(console::routes()).merge(sockjs::routes()).route_layer(guard)
}
