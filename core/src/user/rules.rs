//! The settings that decide about users.

use std::{collections::BTreeMap, time::Duration};

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
    pub tenants: BTreeMap<UserId, TenantId>,
}
