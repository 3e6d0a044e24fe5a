//! Who may call these routes, and the user or tenant that a path names (`docs/rules/administration.md#rights`).

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use rollcall_core::{
    id::{TenantId, UserId},
    message_center::{CallerAction, MessageCenterError, TenantScope},
};

use crate::{
    Backend,
    giver::Giver,
    message_center::{Caller, RouteError},
};

/// A caller who administers the tenants of the scope. Everybody else is refused.
pub(crate) struct Administrator {
    pub(crate) scope: TenantScope,
    pub(crate) giver: Giver,
}

/// A caller, and what the path says of a user. A path without a userID is refused after a caller without the right.
pub(crate) struct NamedUser {
    caller: Caller,
    user: Result<UserId, MessageCenterError>,
}

impl NamedUser {
    /// The caller and the user, if the caller may do this. Everybody may look at themselves, and take themselves offline. An OpenIM
    /// administrator stands above tenants: only administrators see its tokens, and take them back.
    pub(crate) fn permitted<B: Backend>(
        self,
        backend: &B,
        action: CallerAction,
    ) -> Result<(Caller, UserId), RouteError> {
        let own = self.user.as_ref().is_ok_and(|user| self.caller.is_own(user));
        let is_above = self.user.as_ref().is_ok_and(|user| backend.settings().is_admin(user));
        let action = if is_above && !own { CallerAction::Administer } else { action };
        self.caller.require(backend, action, own)?;
        Ok((self.caller, self.user?))
    }
}

/// An administrator of the tenant that the path names.
pub(crate) struct NamedTenant {
    pub(crate) tenant: TenantId,
    pub(crate) giver: Giver,
}

impl<B: Backend> FromRequestParts<B> for Administrator {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let caller = Caller::from_request_parts(parts, backend).await?;
        caller.require(backend, CallerAction::Administer, false)?;
        Ok(Self { scope: caller.scope, giver: caller.giver() })
    }
}

impl<B: Backend> FromRequestParts<B> for NamedUser {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let caller = Caller::from_request_parts(parts, backend).await?;
        let unread = |rejected| MessageCenterError::Binding { field: "userId", rejected };
        let path = Path::<String>::from_request_parts(parts, backend).await;
        let user = path.map_err(|rejection| unread(rejection.body_text()));
        let user = user.and_then(|Path(text)| UserId::new(text.as_str()).map_err(|_| unread(text)));
        Ok(Self { caller, user })
    }
}

impl<B: Backend> FromRequestParts<B> for NamedTenant {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let Administrator { scope, giver } = Administrator::from_request_parts(parts, backend).await?;
        let unread = |rejected| MessageCenterError::Binding { field: "tenantId", rejected };
        let path = Path::<String>::from_request_parts(parts, backend).await;
        let Path(text) = path.map_err(|rejection| unread(rejection.body_text()))?;
        let tenant = TenantId(text.parse().map_err(|_| unread(text))?);
        scope.check(tenant)?;
        Ok(Self { tenant, giver })
    }
}
