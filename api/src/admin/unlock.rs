//! Lifting cutoffs (`docs/rules/message-center.md#unlocking`).

use axum::{extract::State, response::Response};
use rollcall_core::{
    audit::{Operation, Part, Progress, Selection},
    message_center::CallerAction,
    user::request::{Audited, Unlock},
};
use serde::Serialize;

use super::caller::{NamedTenant, NamedUser};
use crate::{
    Backend, answer,
    message_center::{Empty, Envelope, Refusals, RouteError},
};

/// Whether there was a cutoff or a deny window to lift.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Unlocked {
    unlocked: bool,
}

/// Unlock a user
///
/// Lifts a user's deny window and the cutoff of a force-off on its opaque tokens, and exempts them from every earlier order to its tenant. Kicked
/// OpenIM tokens stay kicked, and ended sockets stay ended. A user of another tenant looks like an unknown user, unless the
/// caller stands above tenants.
#[utoipa::path(
    post, path = "/admin/v1/users/{userId}/unlock", tag = "administration",
    params(("userId" = String, Path, description = "The userID, percent-encoded")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "Whether there was a cutoff or a deny window to lift", body = Unlocked),
        (status = 400, description = "The path holds no userID", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator", body = Envelope<Empty>),
        (status = 500, description = "The user could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn user<B: Backend>(
    State(backend): State<B>,
    named: NamedUser,
) -> Result<Response, RouteError> {
    let (caller, user) = named.permitted(&backend, CallerAction::Administer)?;
    let order = Unlock { within: caller.scope.limit() };
    let entry =
        caller.giver().entry(&backend, Some(caller.tenant), Operation::UserUnlock, Selection::user(&user));
    let unlocked = backend.run(&user, Audited { order, entry }).await?;
    Ok(answer::json(&Unlocked { unlocked }))
}

/// Unlock a tenant
///
/// Lifts the cutoff of the last order to a whole tenant. Connections that it ended stay ended.
#[utoipa::path(
    post, path = "/admin/v1/tenants/{tenantId}/unlock", tag = "administration",
    params(("tenantId" = i64, Path, description = "The tenant's number")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "Whether there was a cutoff to lift", body = Unlocked),
        (status = 400, description = "The path holds no number", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator, or of another tenant", body = Envelope<Empty>),
        (status = 500, description = "The order could not be lifted", body = Envelope<Empty>),
    )
)]
pub(crate) async fn tenant<B: Backend>(
    State(backend): State<B>,
    NamedTenant { tenant, giver }: NamedTenant,
) -> Result<Response, RouteError> {
    let entry = giver.entry(&backend, Some(tenant), Operation::TenantUnlock, Selection::default());
    let audit = Part::whole(entry, tenant, None, Progress::Done);
    let unlocked = backend.lift_cutoff(tenant, audit).await?;
    Ok(answer::json(&Unlocked { unlocked }))
}
