//! The audit of orders (`docs/rules/administration.md#audit`).

mod document;

use axum::{extract::State, response::Response};
use http::Uri;
use rollcall_core::{
    audit::{self, Asked, EntryId},
    directory::query,
};
use serde::Serialize;
use serde_json::value::RawValue;

use self::document::{AuditEntry, AuditParameters};
use super::caller::Administrator;
use crate::{
    Backend, BackendError, answer,
    message_center::{Empty, Envelope, Refusals, RouteError},
};

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
