//! The settings that decide about users.

use std::time::Duration;

use super::Profile;
use crate::{
    id::{TenantId, UserId},
    policy::LoginPolicy,
    token::Keys,
};

/// The part of the configuration that [`super::User::apply`] looks at.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `auth.secret` and `auth.previous_secrets`.
    pub keys: Keys,
    /// `auth.token_ttl_days`.
    pub token_ttl_days: u32,
    /// `presence.multi_login_policy`.
    pub policy: LoginPolicy,
    /// `presence.max_connections_per_user`.
    pub max_connections: usize,
    /// `presence.grace_seconds`.
    pub grace: Duration,
    /// The tenants of `[[auth.tokens]]`, by user.
    pub tenants: Vec<(UserId, TenantId)>,
    /// `auth.admin_user_ids`: no order to a tenant reaches them.
    pub admins: Vec<UserId>,
    /// `message_center.revoke_pat`.
    pub revoke_pat: bool,
}

impl Rules {
    /// The tenant that the configuration says.
    pub fn configured_tenant(&self, user: &UserId) -> Option<TenantId> {
        self.tenants.iter().find(|(other, _)| other == user).map(|(_, tenant)| *tenant)
    }

    /// Where a user is at home: what the configuration says, else what its issuer said last, else 0.
    pub fn tenant(&self, user: &UserId, profile: &Profile) -> TenantId {
        self.configured_tenant(user).or(profile.tenant).unwrap_or_default()
    }
}
