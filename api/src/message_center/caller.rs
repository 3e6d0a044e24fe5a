//! Authentication of callers (`docs/rules/message-center.md#authentication`).

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::{Uri, header::AUTHORIZATION, request::Parts};
use rollcall_core::{
    directory::query,
    id::{TenantId, UserId},
    message_center::{
        CallerAction, MessageCenterError, Principal, TenantScope, authorize, static_token, token_of,
    },
    secret::Secret,
    time::Timestamp,
    token::{TokenError, TokenHash},
    user::request::VerifyBearer,
};

use super::{RouteError, envelope::RequestId, issuer};
use crate::{
    Backend, BodyAccount, Stranger,
    giver::{self, Giver},
    openim::joined_header,
};

/// The holder of a good token, and the tenants of the request.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    /// The tenant of lists and of force-offs.
    pub(crate) tenant: TenantId,
    /// What a path or body may name beside it.
    pub(crate) scope: TenantScope,
    /// The token.
    pub(crate) token: Secret<String>,
    /// Its expiry, where this server issued it.
    pub(crate) expires: Option<Timestamp>,
    /// The address that the request came from, where it is known.
    address: Option<IpAddr>,
}

impl Caller {
    /// Checks the holder's permission. `own` says that the request concerns the holder alone.
    pub(crate) fn require<B: Backend>(
        &self,
        backend: &B,
        action: CallerAction,
        own: bool,
    ) -> Result<(), RouteError> {
        Ok(authorize(&self.principal, action, own, &backend.settings().message_center)?)
    }

    /// The holder as the giver of an order.
    pub(crate) fn giver(&self) -> Giver {
        Giver {
            user: self.principal.user.clone(),
            token: TokenHash::of(self.token.expose()),
            address: self.address,
        }
    }

    /// Whether a user is the holder, where the request stays within the holder's own tenant.
    pub(crate) fn is_own(&self, user: &UserId) -> bool {
        self.principal.user == *user && self.tenant == self.principal.tenant
    }

    /// The holder's own number, where the request stays within the holder's own tenant.
    pub(crate) fn number(&self) -> Option<i64> {
        self.principal.user.number().filter(|_| self.tenant == self.principal.tenant)
    }
}

impl<B: Backend> FromRequestParts<B> for Caller {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let in_header = joined_header(&parts.headers, AUTHORIZATION.as_str());
        let in_query = access_token(&parts.uri);
        // Proxies log query strings, so only sockets, which cannot send headers, may carry a token there.
        let in_query = in_query.as_deref().filter(|_| in_header.is_some());
        let token = token_of(in_header.as_deref(), in_query)?;
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let (principal, issuer) = principal(backend, &token, &request_id, parts.extensions.get()).await?;
        if issuer == Issuer::Other {
            not_revoked(backend, &principal).await?;
        }
        if let Some(account) = parts.extensions.get::<BodyAccount>() {
            account.prove(principal.sys_admin);
        }
        let named = ["XC-Opt-Tenant-Id", "X-Opt-Tenant-Id"]
            .into_iter()
            .find_map(|name| joined_header(&parts.headers, name));
        let expires = match issuer {
            Issuer::Ours { expires } => Some(expires),
            Issuer::Other => None,
        };
        let scope = principal.tenant_scope(named.as_deref(), expires.is_some(), backend.settings())?;
        let address = giver::address(&parts.extensions);
        Ok(Self { principal, tenant: scope.tenant, scope, token, expires, address })
    }
}

pub(super) fn access_token(uri: &Uri) -> Option<String> {
    let pairs = query::pairs(uri.query().unwrap_or_default());
    pairs.into_iter().find(|(name, _)| name == "access_token").map(|(_, value)| value)
}

/// The issuer of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Issuer {
    /// This server: its status is in the user's token store.
    Ours {
        /// The token's expiry.
        expires: Timestamp,
    },
    /// Another issuer: only orders revoke it here.
    Other,
}

/// Orders are checked on every request, also when the introspection answer came from the cache.
async fn not_revoked<B: Backend>(backend: &B, principal: &Principal) -> Result<(), RouteError> {
    let status = backend.run(&principal.user, VerifyBearer(principal.bearer())).await?;
    status.map_err(|error| {
        let refusal = match error {
            TokenError::Denied(_) => MessageCenterError::Forbidden,
            _ => MessageCenterError::InvalidToken,
        };
        refusal.into()
    })
}

/// The holder of a token of the configuration, of an OpenIM administrator, or of an issuer. Tried in this order.
pub(super) async fn principal<B: Backend>(
    backend: &B,
    token: &Secret<String>,
    request_id: &str,
    stranger: Option<&Stranger>,
) -> Result<(Principal, Issuer), RouteError> {
    let settings = backend.settings();
    if let Some(entry) = static_token(settings, token) {
        return if entry.active {
            Ok((entry.into(), Issuer::Other))
        } else {
            Err(MessageCenterError::InvalidToken.into())
        };
    }
    if let Ok(verified) = backend.verify(token.expose()) {
        if settings.is_admin(&verified.user) && backend.token_status(&verified).await?.is_ok() {
            let expires = verified.expires;
            // A console of it ends with it.
            let principal = Principal { expires: Some(expires), ..Principal::openim_admin(verified.user) };
            return Ok((principal, Issuer::Ours { expires }));
        }
        return Err(MessageCenterError::InvalidToken.into());
    }
    Ok((issuer::introspect(backend, token, request_id, stranger).await?, Issuer::Other))
}
