//! The settings that the rules of users depend on.

use std::time::Duration;

use super::Profile;
use crate::{
    id::{TenantId, UserId},
    policy::LoginPolicy,
    token::Keys,
};

/// The part of the configuration that [`super::User::apply`] reads.
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
    /// `auth.admin_user_ids`: exempt from every tenant order.
    pub admins: Vec<UserId>,
    /// `message_center.revoke_pat`.
    pub revoke_pat: bool,
}

impl Rules {
    /// The configured tenant of a user.
    pub fn configured_tenant(&self, user: &UserId) -> Option<TenantId> {
        self.tenants.iter().find(|(other, _)| other == user).map(|(_, tenant)| *tenant)
    }

    /// The tenant of a user: the configured one, else the one that its issuer named last, else 0.
    pub fn tenant(&self, user: &UserId, profile: &Profile) -> TenantId {
        self.configured_tenant(user).or(profile.tenant).unwrap_or_default()
    }
}
