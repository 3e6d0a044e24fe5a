//! The tree itself. Meanings stand in [`super::REFERENCE`].
#![allow(missing_docs, reason = "config/keys.rs says what each key does")]

use std::time::Duration;

use serde::Serialize;

use crate::{
    id::{TenantId, UserId},
    openim::DetailStyle,
    policy::LoginPolicy,
    secret::Secret,
    token::{Keys, TokenHash},
    user::Rules,
};

/// Where the configuration is used; a few defaults depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// The native binary.
    #[default]
    Origin,
    /// A Worker and its objects.
    Edge,
}

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    pub server: Server,
    pub auth: Auth,
    pub presence: Presence,
    pub limits: Limits,
    pub openim: OpenIm,
    pub message_center: MessageCenter,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Server {
    pub listen: String,
    pub data_dir: String,
    pub trusted_proxies: Vec<String>,
    pub header_timeout_seconds: u32,
    pub drain_seconds: u32,
    pub max_connections: u32,
    pub max_connections_per_address: Option<u32>,
    /// `None` allows any.
    pub allowed_origins: Option<Vec<String>>,
    pub metrics_listen: Option<String>,
    pub tls: Tls,
}

/// The files of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tls {
    pub certificate: Option<String>,
    pub key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Auth {
    pub secret: Option<Secret<String>>,
    pub previous_secrets: Vec<Secret<String>>,
    pub admin_user_ids: Vec<String>,
    pub token_ttl_days: u32,
    pub tokens: Vec<StaticToken>,
    pub introspection: Introspection,
}

/// An opaque bearer token that the configuration knows, by the SHA-256 of its text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StaticToken {
    pub sha256: TokenHash,
    pub user_id: i64,
    pub tenant_id: i64,
    pub username: Option<String>,
    pub full_name: Option<String>,
    pub client_id: Option<String>,
    pub sys_admin: bool,
    pub permissions: Vec<String>,
    pub avatar: Option<String>,
    pub device_id: Option<String>,
    pub dept_ids: Vec<i64>,
    pub group_ids: Vec<i64>,
    pub active: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Introspection {
    pub url: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret<String>>,
    pub cache_seconds: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Presence {
    pub multi_login_policy: i64,
    pub max_tokens_per_platform: u32,
    pub max_connections_per_user: u32,
    /// `None` takes the runtime's default, see [`Settings::grace`].
    pub grace_seconds: Option<u32>,
    pub lease_seconds: u32,
    pub directory_shards: u32,
    pub audit_seconds: u32,
    pub max_records_per_user: u32,
}

/// Of one client address; `None` has no bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    pub handshakes_per_minute: Option<u32>,
    pub token_requests_per_minute: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenIm {
    pub errdlt_style: DetailStyle,
    pub max_user_ids: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MessageCenter {
    pub profile: Profile,
    pub receive_types: ReceiveTypes,
    pub off_status: u16,
    pub time_zone: String,
    pub retention_days: u32,
    pub resolver_url: Option<String>,
    pub permission_read: String,
    pub permission_off: String,
    pub operator_client_id: String,
    pub revoke_pat: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    #[default]
    Secure,
    Open,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiveTypes {
    #[default]
    Extended,
    Strict,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:10002".into(),
            data_dir: "./data".into(),
            trusted_proxies: Vec::new(),
            header_timeout_seconds: 5,
            drain_seconds: 10,
            max_connections: 100_000,
            max_connections_per_address: None,
            allowed_origins: None,
            metrics_listen: None,
            tls: Tls::default(),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            secret: None,
            previous_secrets: Vec::new(),
            admin_user_ids: vec!["imAdmin".into()],
            token_ttl_days: 90,
            tokens: Vec::new(),
            introspection: Introspection::default(),
        }
    }
}

impl StaticToken {
    /// A token that only says whose it is.
    pub fn new(sha256: TokenHash, user_id: i64, tenant_id: i64) -> Self {
        Self {
            sha256,
            user_id,
            tenant_id,
            username: None,
            full_name: None,
            client_id: None,
            sys_admin: false,
            permissions: Vec::new(),
            avatar: None,
            device_id: None,
            dept_ids: Vec::new(),
            group_ids: Vec::new(),
            active: true,
        }
    }
}

impl Default for Introspection {
    fn default() -> Self {
        Self { url: None, client_id: None, client_secret: None, cache_seconds: 30 }
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            multi_login_policy: 1,
            max_tokens_per_platform: 30,
            max_connections_per_user: 100,
            grace_seconds: None,
            lease_seconds: 90,
            directory_shards: 16,
            audit_seconds: 3600,
            max_records_per_user: 1000,
        }
    }
}

impl Default for OpenIm {
    fn default() -> Self {
        Self { errdlt_style: DetailStyle::Seed, max_user_ids: 1000 }
    }
}

impl Default for MessageCenter {
    fn default() -> Self {
        Self {
            profile: Profile::Secure,
            receive_types: ReceiveTypes::Extended,
            off_status: 200,
            time_zone: "UTC".into(),
            retention_days: 30,
            resolver_url: None,
            permission_read: "OnlineUser".into(),
            permission_off: "SignOut".into(),
            operator_client_id: "xcan_op".into(),
            revoke_pat: false,
        }
    }
}

impl Settings {
    /// `presence.grace_seconds`, or the runtime's default.
    pub fn grace(&self, runtime: Runtime) -> Duration {
        let default = match runtime {
            Runtime::Origin => 0,
            Runtime::Edge => 30,
        };
        Duration::from_secs(self.presence.grace_seconds.unwrap_or(default).into())
    }

    /// The login policy; `None` for a number that [`Settings::load`] refuses.
    pub fn policy(&self) -> Option<LoginPolicy> {
        let most = usize::try_from(self.presence.max_tokens_per_platform).unwrap_or(usize::MAX);
        LoginPolicy::from_number(self.presence.multi_login_policy, most)
    }

    /// What the user's aggregate looks at; `None` while there is no secret.
    pub fn rules(&self, runtime: Runtime) -> Option<Rules> {
        Some(Rules {
            keys: Keys::new(self.auth.secret.as_ref()?, &self.auth.previous_secrets),
            token_ttl_days: self.auth.token_ttl_days,
            policy: self.policy()?,
            max_connections: usize::try_from(self.presence.max_connections_per_user).unwrap_or(usize::MAX),
            grace: self.grace(runtime),
            tenants: self
                .auth
                .tokens
                .iter()
                .map(|token| (UserId::from(token.user_id), TenantId(token.tenant_id)))
                .collect(),
            admins: self.auth.admin_user_ids.iter().filter_map(|id| UserId::new(id.as_str()).ok()).collect(),
            revoke_pat: self.message_center.revoke_pat,
        })
    }

    /// Whether this user administers the OpenIM endpoints. The platform of its token does not matter.
    pub fn is_admin(&self, user: &UserId) -> bool {
        self.auth.admin_user_ids.iter().any(|admin| admin == user.as_str())
    }
}
