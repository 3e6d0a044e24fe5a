//! Authentication of callers (`docs/rules/openim.md#permission`).

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::request::Parts;
use rollcall_core::{
    id::UserId,
    openim::{Code, OpenImError},
    token::{TokenHash, Verified},
};

use super::{RouteError, input::header};
use crate::{
    Backend, BodyAccount,
    giver::{self, Giver},
};

/// The holder of a good token.
pub(crate) struct Caller {
    pub(crate) user: UserId,
    admin: bool,
    token: TokenHash,
    address: Option<IpAddr>,
}

impl Caller {
    /// The holder as the giver of an order.
    pub(crate) fn giver(&self) -> Giver {
        Giver { user: self.user.clone(), token: self.token, address: self.address }
    }

    /// Rejects all callers but administrators, with the route's own text.
    pub(crate) fn must_be_admin(&self, detail: impl FnOnce(&UserId) -> String) -> Result<(), RouteError> {
        if self.admin { Ok(()) } else { Err(OpenImError::new(Code::NoPermission, detail(&self.user)).into()) }
    }
}

impl<B: Backend> FromRequestParts<B> for Caller {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, backend: &B) -> Result<Self, RouteError> {
        let text = header(&parts.headers, "token")
            .ok_or_else(|| OpenImError::new(Code::Args, "header must have token"))?;
        let token = good_token(backend, &text).await?;
        let admin = backend.settings().is_admin(&token.user);
        if let Some(account) = parts.extensions.get::<BodyAccount>() {
            account.prove(admin);
        }
        let address = giver::address(&parts.extensions);
        Ok(Self { admin, user: token.user, token: token.hash, address })
    }
}

/// A token whose signature, times and status are all good.
pub(crate) async fn good_token<B: Backend>(backend: &B, text: &str) -> Result<Verified, RouteError> {
    let token = backend.verify(text).map_err(OpenImError::from)?;
    backend.token_status(&token).await?.map_err(OpenImError::from)?;
    Ok(token)
}

/// What a caller hears of a route for administrators.
pub(super) fn not_admin(user: &UserId) -> String {
    format!("user {user} is not admin userID")
}
