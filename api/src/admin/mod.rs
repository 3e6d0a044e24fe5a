//! Our own administrative routes, in the message center's envelope where something is refused.

mod import;
mod overview;
mod unlock;

use axum::{
    extract::{Path, rejection::PathRejection},
    middleware,
};
use rollcall_core::{id::UserId, message_center::MessageCenterError};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    import::__path_import,
    overview::__path_overview,
    unlock::{__path_tenant, __path_user},
};
use crate::{
    Backend,
    message_center::{self, only_method},
};

/// The routes under `/admin/v1`.
pub(crate) fn routes<B: Backend>(backend: &B) -> OpenApiRouter<B> {
    let (import, overview) = (import::import::<B>, overview::overview::<B>);
    let (user, tenant) = (unlock::user::<B>, unlock::tenant::<B>);
    OpenApiRouter::default()
        .routes(only_method(routes!(import)))
        .routes(only_method(routes!(overview)))
        .routes(only_method(routes!(user)))
        .routes(only_method(routes!(tenant)))
        .layer(middleware::from_fn_with_state(backend.clone(), message_center::envelope_layer::<B>))
}

/// The part of a path that names a user, percent-decoded.
pub(crate) type UserPath = Result<Path<String>, PathRejection>;

/// The user that a path names.
fn user_of(path: UserPath) -> Result<UserId, MessageCenterError> {
    let unread = |rejected| MessageCenterError::Binding { field: "userId", rejected };
    let Path(text) = path.map_err(|rejection| unread(rejection.body_text()))?;
    UserId::new(text.as_str()).map_err(|_| unread(text))
}
