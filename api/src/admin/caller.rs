//! Who may call these routes, and the user that a path names (`docs/rules/message-center.md#tenants`).

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use rollcall_core::{
    id::UserId,
    message_center::{CallerAction, MessageCenterError, TenantScope},
};

use crate::{
    Backend,
    message_center::{Caller, RouteError},
};

/// A caller who administers the tenants of the scope. Everybody else is refused.
pub(crate) struct Administrator {
    pub(crate) scope: TenantScope,
}

/// An administrator, and the user of the path. A path without a userID is refused after a caller who is none.
pub(crate) struct NamedUser {
    pub(crate) scope: TenantScope,
    pub(crate) user: UserId,
}

impl<B: Backend> FromRequestParts<B> for Administrator {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let caller = Caller::from_request_parts(parts, backend).await?;
        caller.require(backend, CallerAction::Administer, false)?;
        Ok(Self { scope: caller.scope })
    }
}

impl<B: Backend> FromRequestParts<B> for NamedUser {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let Administrator { scope } = Administrator::from_request_parts(parts, backend).await?;
        let unread = |rejected| MessageCenterError::Binding { field: "userId", rejected };
        let path = Path::<String>::from_request_parts(parts, backend).await;
        let Path(text) = path.map_err(|rejection| unread(rejection.body_text()))?;
        let user = UserId::new(text.as_str()).map_err(|_| unread(text))?;
        Ok(Self { scope, user })
    }
}
