//! Revoking tokens one by one (`docs/rules/administration.md#revoking-tokens`).

use axum::{
    extract::{Request, State},
    response::Response,
};
use rollcall_core::{
    audit::{Operation, Selection},
    json,
    message_center::{CallerAction, MessageCenterError},
    token::TokenHash,
    user::{
        TOKENS_AT_ONCE,
        request::{Audited, RevokeTokens},
    },
};
use serde::{Deserialize, Serialize};

use super::caller::NamedUser;
use crate::{
    Backend, answer,
    message_center::{self, Empty, Envelope, Refusals, RouteError},
};

/// Tokens to revoke.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = TokensToRevoke)]
pub(crate) struct Asked {
    /// 1 to 100 hashes, as `GET /admin/v1/users/{userId}` shows them
    #[schema(value_type = Vec<String>, min_items = 1, max_items = 100)]
    sha256: json::List<String, TOKENS_AT_ONCE>,
}

/// What became of the tokens.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RevokedTokens {
    /// How many were good
    revoked: u32,
    /// How many connections ended with them
    connections: u32,
    /// Hashes of no token of this user
    unknown: Vec<String>,
}

/// Revoke tokens of a user
///
/// When the answer arrives, the tokens are kicked for good and the connections that live on them have ended, each with a 2002
/// message and a close. Everybody may revoke tokens of their own. Repeating it changes nothing. The tokens of a user of another
/// tenant look unknown, unless the caller stands above tenants.
#[utoipa::path(
    post, path = "/admin/v1/users/{userId}/tokens:revoke", tag = "administration", request_body = Asked,
    params(("userId" = String, Path, description = "The userID, percent-encoded")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "What became of the tokens", body = RevokedTokens),
        (status = 400, description = "The path holds no userID, or the body is not as documented", body = Envelope<Empty>),
        (status = 403, description = "The permission to take users offline is missing", body = Envelope<Empty>),
        (status = 413, description = "The body is larger than 1 MiB", body = Envelope<Empty>),
        (status = 500, description = "Not everything could be done; repeating it is safe", body = Envelope<Empty>),
    )
)]
pub(crate) async fn revoke<B: Backend>(
    State(backend): State<B>,
    named: NamedUser,
    request: Request,
) -> Result<Response, RouteError> {
    let (caller, user) = named.permitted(&backend, CallerAction::ForceOff)?;
    let (_parts, Asked { sha256 }) = message_center::object(request).await?;
    if !(1..=TOKENS_AT_ONCE).contains(&sha256.length) {
        return Err(MessageCenterError::Invalid("size must be between 1 and 100".to_owned()).into());
    }
    let tokens: Result<Vec<TokenHash>, _> = sha256.items.iter().map(|text| text.parse()).collect();
    let tokens = tokens.map_err(|_| {
        MessageCenterError::Invalid("sha256 must have 64 lower-case hexadecimal digits".to_owned())
    })?;
    let within = caller.scope.limit();
    let selection = Selection::user(&user).tokens(&tokens);
    let entry = caller.giver().entry(&backend, Some(caller.tenant), Operation::TokensRevoke, selection);
    let order = RevokeTokens { within, tokens };
    let revoked = backend.run(&user, Audited { order, entry }).await?;
    if backend.settings().is_admin(&user) {
        backend.outlive_caches().await;
    }
    Ok(answer::json(&RevokedTokens {
        revoked: revoked.good,
        connections: revoked.connections,
        unknown: revoked.unknown.iter().map(TokenHash::to_string).collect(),
    }))
}
