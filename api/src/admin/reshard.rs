//! The number of shards of a directory (`docs/rules/edge.md#resharding`).

use axum::{
    extract::{Request, State},
    response::Response,
};
use rollcall_core::{
    audit::{Operation, Part, Progress, Selection},
    id::TenantId,
    json,
    message_center::MessageCenterError,
    shard::{
        BUCKETS,
        layout::{MOST_SHARDS, UnderWay},
    },
};
use serde::{Deserialize, Serialize};

use super::caller::Administrator;
use crate::{
    Backend, answer,
    message_center::{self, Empty, Envelope, Refusals, RouteError},
};

/// A directory's number of shards.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reshard {
    /// The number, from 1 to 1,024
    shards: u32,
    /// The directory's tenant; 0 when absent
    #[serde(default, deserialize_with = "json::integer")]
    #[schema(value_type = i64)]
    tenant_id: i64,
}

/// The progress of a change of the number of shards.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Resharding {
    /// The number of shards, or the former one during the change
    shards: u32,
    /// The number that was asked for
    target: u32,
    /// How many of the directory's 1,024 buckets are where they belong among the new shards
    moved: u16,
    /// Whether the change has ended
    done: bool,
}

/// Change the number of shards
///
/// At the edge only; the origin has no shards and answers 404. The records of a tenant's directory move to their new shards in the
/// background, and every list is exact meanwhile. Repeating the request shows the progress.
#[utoipa::path(
    post, path = "/admin/v1/directory:reshard", tag = "administration", request_body = Reshard,
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The change is under way, or has ended", body = Resharding),
        (status = 400, description = "The body is not as documented, or another change is under way; `ext.eKey` says which", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator, or of another tenant", body = Envelope<Empty>),
        (status = 404, description = "The directory has no shards", body = Envelope<Empty>),
        (status = 413, description = "The body is larger than 1 MiB", body = Envelope<Empty>),
        (status = 500, description = "The directory could not be reached", body = Envelope<Empty>),
    )
)]
pub(crate) async fn reshard<B: Backend>(
    State(backend): State<B>,
    Administrator { scope, giver }: Administrator,
    request: Request,
) -> Result<Response, RouteError> {
    let (parts, Reshard { shards, tenant_id }) = message_center::object(request).await?;
    if !(1..=MOST_SHARDS).contains(&shards) {
        return Err(MessageCenterError::Invalid(format!("shards must be between 1 and {MOST_SHARDS}")).into());
    }
    let tenant = TenantId(tenant_id);
    scope.check(tenant)?;
    let selection = Selection { shards: Some(shards), ..Selection::default() };
    let entry = giver.entry(&backend, Some(tenant), Operation::Reshard, selection);
    let audit = Part::whole(entry, tenant, None, Progress::Begun);
    let Some(layout) = backend.reshard(tenant, shards, audit).await? else {
        let path = parts.uri.path().to_owned();
        return Err(MessageCenterError::NoHandler { method: parts.method.to_string(), path }.into());
    };
    if layout.target != shards {
        let other = UnderWay { from: layout.shards, to: layout.target };
        return Err(MessageCenterError::Invalid(other.to_string()).into());
    }
    let done = !layout.is_changing();
    let moved = if done { BUCKETS } else { layout.moved };
    Ok(answer::json(&Resharding { shards: layout.shards, target: layout.target, moved, done }))
}
