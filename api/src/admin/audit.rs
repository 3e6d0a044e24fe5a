//! The audit of orders (`docs/rules/administration.md#audit`).

use axum::{extract::State, response::Response};
use http::Uri;
use rollcall_core::{
    audit::{self, Asked, EntryId},
    directory::query,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::caller::Administrator;
use crate::{
    Backend, BackendError, answer,
    message_center::{Empty, Envelope, Refusals, RouteError},
};

/// Which entries to show.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "its fields are the documentation of the query string")]
struct AuditParameters {
    /// Orders from this date on
    #[param(example = "2026-11-26 08:00:00")]
    from: Option<String>,
    /// Orders up to this date, its second included
    #[param(example = "2026-11-27 08:00:00")]
    to: Option<String>,
    /// Orders of this caller, by userID
    #[param(example = "imAdmin")]
    by: Option<String>,
    /// `off`, `tenantOff`, `forceLogout`, `tokensRevoke`, `userUnlock`, `tenantUnlock`, `recordsImport`, `populationImport`, `reshard`, `forceOff`
    /// or `forceOffDryRun`
    #[param(example = "off")]
    operation: Option<String>,
    /// Orders that were carried out user by user, this one among them; their counts are then of this user
    #[param(rename = "userId", example = "101")]
    user_id: Option<String>,
    /// Entries before this one: `next` of the page before
    before: Option<String>,
    /// The most entries of the page, 1 to 1,000
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// A page of the audit, the newest entry first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AuditPage {
    #[schema(value_type = Vec<AuditEntry>)]
    list: Vec<Box<RawValue>>,
    /// What `before` takes for the next page; left out where there is none. A page may have fewer entries than `limit` and not be the last
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What of an entry is stored beside its text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    id: String,
    at: String,
    tenant_id: String,
    operation: String,
    progress: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<i64>,
}

/// The entry of one order.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "its fields are the documentation of what is put together from the store")]
pub(crate) struct AuditEntry {
    /// 32 hexadecimal digits; later orders have greater ones
    id: String,
    /// When the order was given
    at: String,
    /// The tenant of the entry
    tenant_id: String,
    /// What the order does
    #[schema(example = "off")]
    operation: String,
    /// `done`; `inForce` of an order that is delivered to its users afterwards; `begun` of a change of shards, and of an import that is
    /// under way or broke off
    #[schema(example = "done")]
    progress: String,
    /// How many users it was given to; left out where it names a whole tenant, or no users
    users: Option<i64>,
    /// How many connections ended with it; left out where they end afterwards
    connections: Option<i64>,
    by: AuditGiver,
    /// The caller's address, where it is known
    remote_address: Option<String>,
    selection: AuditSelection,
    records: Option<AuditRecords>,
}

/// Who gave an order.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "its fields are the documentation of what is stored")]
pub(crate) struct AuditGiver {
    /// The userID
    #[schema(example = "imAdmin")]
    user_id: String,
    /// The SHA-256 of the token
    token_sha256: String,
}

/// What an order names. Lists have their first 20 members.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "its fields are the documentation of what is stored")]
pub(crate) struct AuditSelection {
    /// What an order to a selection takes of each user: `user` or `connection`
    scope: Option<String>,
    /// What such an order selects
    #[schema(example = json!(["fullName MATCH zhang"]))]
    select: Option<Vec<String>>,
    /// Why it was given
    reason: Option<String>,
    /// `receiveObjectType` of a force-off
    receivers: Option<String>,
    /// The first of its `receiveObjectIds`
    ids: Option<Vec<String>>,
    /// How many there are
    ids_total: Option<u64>,
    /// The user
    user_id: Option<String>,
    /// The platform
    #[schema(rename = "platformID")]
    platform: Option<u8>,
    /// The connection
    #[schema(rename = "connID")]
    connection: Option<String>,
    /// The SHA-256 of the first tokens
    sha256: Option<Vec<String>>,
    /// How many tokens there are
    sha256_total: Option<u64>,
    /// The number of shards
    shards: Option<u32>,
}

/// What became of the lines of an import.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "its fields are the documentation of what is stored")]
pub(crate) struct AuditRecords {
    taken: u64,
    rejected: u64,
}

/// Show the audit
///
/// One entry for each order that was carried out: who gave it, when, from where, what it names, what it took. It is durable before the
/// order is answered, and kept for `audit.retention_days`. For administrators, of the tenant of the request.
#[utoipa::path(
    get, path = "/admin/v1/audit", tag = "administration", params(AuditParameters),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "A page", body = AuditPage),
        (status = 400, description = "A parameter is not as documented; `ext.eKey` says how", body = Envelope<Empty>),
        (status = 403, description = "Not an administrator", body = Envelope<Empty>),
        (status = 500, description = "The audit could not be read", body = Envelope<Empty>),
    )
)]
pub(crate) async fn audit<B: Backend>(
    State(backend): State<B>,
    Administrator { scope, .. }: Administrator,
    uri: Uri,
) -> Result<Response, RouteError> {
    let zone = backend.zone();
    let kept = audit::expired(backend.now(), backend.settings().audit.retention_days);
    let pairs = query::pairs(uri.query().unwrap_or_default());
    let asked = Asked::parse(scope.tenant, &pairs, zone, kept)?;
    let audit::Page { entries, rest } = backend.audit(asked).await?;
    let entry = |entry: audit::Shown| {
        let head = Head {
            id: entry.id.to_string(),
            at: zone.format(entry.id.at()),
            tenant_id: scope.tenant.to_string(),
            operation: entry.operation,
            progress: entry.progress,
            users: entry.users,
            connections: entry.connections,
        };
        joined(&head, &entry.details)
    };
    let list = entries.into_iter().map(entry).collect::<Result<_, _>>();
    let list = list.map_err(BackendError::new)?;
    Ok(answer::json(&AuditPage { list, next: rest.as_ref().map(EntryId::to_string) }))
}

/// The members of `head`, and those of a stored object behind them, as they were written.
fn joined(head: &Head, stored: &str) -> serde_json::Result<Box<RawValue>> {
    let mut text = serde_json::to_string(head)?;
    if let Some(members) = stored.strip_prefix('{').filter(|members| *members != "}") {
        text.pop();
        text.push(',');
        text.push_str(members);
    }
    RawValue::from_string(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_shown_as_it_is() {
        let head = || Head {
            id: "1".to_owned(),
            at: "then".to_owned(),
            tenant_id: "0".to_owned(),
            operation: "off".to_owned(),
            progress: "done".to_owned(),
            users: Some(2),
            connections: None,
        };
        let of = r#""id":"1","at":"then","tenantId":"0","operation":"off","progress":"done","users":2"#;
        let shown = |stored| joined(&head(), stored).map(|shown| shown.get().to_owned()).ok();
        let stored = r#"{"selection":{"ids":["}"]}}"#;
        assert_eq!(shown(stored), Some(format!("{{{of},\"selection\":{{\"ids\":[\"}}\"]}}}}")));
        assert_eq!(shown("{}"), Some(format!("{{{of}}}")));
        assert_eq!(shown(r#"{"a":"#), None, "no answer is made of what does not read");
    }
}
