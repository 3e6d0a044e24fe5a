//! The caller itself (`docs/rules/administration.md#the-caller`).

use axum::{extract::State, response::Response};
use rollcall_core::{message_center::CallerAction, token::TokenHash};
use serde::Serialize;

use crate::{
    Backend, answer,
    message_center::{Caller, Refusals, RouteError},
};

/// The holder of a token, and what it may do here.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// The token's user
    user_id: String,
    /// The full name, else the login name
    name: String,
    /// The tenant of the request: the token's, or the one that `XC-Opt-Tenant-Id` names
    #[schema(example = "0")]
    tenant_id: String,
    /// Whether the caller stands above tenants and may name one
    any_tenant: bool,
    rights: Rights,
    /// Only of a token that this server issued
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<OwnToken>,
    /// `message_center.time_zone`
    #[schema(example = "UTC")]
    time_zone: String,
    /// The server's clock
    #[schema(example = "2025-07-16 12:00:00")]
    now: String,
    /// The version of the server
    version: &'static str,
}

/// What a caller may do in the tenant of the request.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Rights {
    /// To see users and records
    read: bool,
    /// To take users offline
    off: bool,
    /// To deny, unlock, import and export, and to see the audit
    administer: bool,
}

/// The token of the request, which can be revoked by its hash.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnToken {
    /// The SHA-256 of its text
    sha256: String,
    expires_at: String,
}

/// Show the caller
///
/// Any good token may ask.
#[utoipa::path(
    get, path = "/admin/v1/me", tag = "administration", security(("bearer" = [])),
    responses(Refusals, (status = 200, description = "The caller", body = Me))
)]
pub(crate) async fn me<B: Backend>(State(backend): State<B>, caller: Caller) -> Result<Response, RouteError> {
    let may = |action| caller.require(&backend, action, false).is_ok();
    let date = |at| backend.zone().format(at);
    let own = caller.expires.map(|expires| OwnToken {
        sha256: TokenHash::of(caller.token.expose()).to_string(),
        expires_at: date(expires),
    });
    Ok(answer::json(&Me {
        user_id: caller.principal.user.to_string(),
        name: caller.principal.name().to_owned(),
        tenant_id: caller.tenant.to_string(),
        any_tenant: caller.scope.above,
        rights: Rights {
            read: may(CallerAction::List) && may(CallerAction::Detail),
            off: may(CallerAction::ForceOff),
            administer: may(CallerAction::Administer),
        },
        token: own,
        time_zone: backend.settings().message_center.time_zone.clone(),
        now: date(backend.now()),
        version: env!("CARGO_PKG_VERSION"),
    }))
}
