//! Values that have the right type and are still impossible.

use std::net::SocketAddr;

use super::{ConfigError, Runtime, Settings};
use crate::{id::UserId, net::AllowedOrigins};

/// A key of HMAC shorter than this is no key.
const SECRET_BYTES: usize = 8;
/// Twice what strangers may fill of it, so that callers with a good token always find room.
const LEAST_BODY_BUDGET: u64 = 16 << 20;
/// PostgreSQL cuts longer names.
const MOST_SCHEMA_BYTES: usize = 63;
/// A key shorter than the hash can be guessed more cheaply than the hash.
const STRONG_SECRET_BYTES: usize = 32;

impl Settings {
    pub(super) fn check(&self, runtime: Runtime) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        must(
            self.server.listen.parse::<SocketAddr>().is_ok(),
            "server.listen: expected ADDRESS:PORT, such as 127.0.0.1:10002",
        );
        must(
            self.server.metrics_listen.iter().all(|listen| listen.parse::<SocketAddr>().is_ok()),
            "server.metrics_listen: expected ADDRESS:PORT, such as 127.0.0.1:10003",
        );
        must(!self.server.data_dir.is_empty(), "server.data_dir: expected the path of a directory");
        must(self.server.header_timeout_seconds > 0, "server.header_timeout_seconds: expected at least 1");
        must(self.server.drain_seconds <= 3600, "server.drain_seconds: expected at most 3600");
        must(self.server.max_connections > 0, "server.max_connections: expected at least 1");
        must(
            self.server.max_connections_per_address != Some(0),
            "server.max_connections_per_address: expected at least 1",
        );
        must(
            self.server.body_budget_bytes >= LEAST_BODY_BUDGET,
            "server.body_budget_bytes: expected at least 16777216",
        );
        must(
            self.server.tls.certificate.is_some() == self.server.tls.key.is_some(),
            "server.tls.key: is required where server.tls.certificate is set, and the other way round",
        );
        must(
            self.limits.handshakes_per_minute != Some(0),
            "limits.handshakes_per_minute: expected at least 1",
        );
        must(
            self.limits.token_requests_per_minute != Some(0),
            "limits.token_requests_per_minute: expected at least 1",
        );
        let secrets = || self.auth.secret.iter().chain(&self.auth.previous_secrets);
        must(
            self.auth.secret.iter().all(|secret| secret.expose().len() >= SECRET_BYTES),
            "auth.secret: expected at least 8 bytes (32 or more are advised)",
        );
        must(
            secrets().all(|secret| secret.expose().len() >= SECRET_BYTES),
            "auth.previous_secrets: expected at least 8 bytes each",
        );
        must(
            !self.auth.admin_user_ids.is_empty()
                && self.auth.admin_user_ids.iter().all(|id| UserId::new(id.as_str()).is_ok()),
            "auth.admin_user_ids: expected at least one userID, none of them empty",
        );
        must((1..=36_500).contains(&self.auth.token_ttl_days), "auth.token_ttl_days: expected 1 to 36500");
        must(
            self.auth.introspection.url.is_some()
                || (self.auth.introspection.client_id.is_none()
                    && self.auth.introspection.client_secret.is_none()),
            "auth.introspection.url: is required where client_id or client_secret is set",
        );
        must(self.policy().is_some(), "presence.multi_login_policy: expected 0, 1, 4 or 5");
        must(
            self.presence.max_tokens_per_platform > 0,
            "presence.max_tokens_per_platform: expected at least 1",
        );
        must(
            self.presence.max_connections_per_user > 0,
            "presence.max_connections_per_user: expected at least 1",
        );
        must(self.presence.lease_seconds > 0, "presence.lease_seconds: expected at least 1");
        must(
            (1..=1024).contains(&self.presence.directory_shards),
            "presence.directory_shards: expected 1 to 1024",
        );
        must(self.presence.audit_seconds > 0, "presence.audit_seconds: expected at least 1");
        must(self.openim.max_user_ids >= 1000, "openim.max_user_ids: expected at least 1000");
        must(
            matches!(self.message_center.off_status, 200 | 204),
            "message_center.off_status: expected 200 or 204",
        );
        must(self.message_center.retention_days > 0, "message_center.retention_days: expected at least 1");
        must(
            (1..=10_000).contains(&self.message_center.direct_users),
            "message_center.direct_users: expected 1 to 10000",
        );
        must(
            self.store.schema.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
                && (1..=MOST_SCHEMA_BYTES).contains(&self.store.schema.len()),
            "store.schema: expected 1 to 63 of a-z, 0-9 and _",
        );
        must((1..=1000).contains(&self.store.connections), "store.connections: expected 1 to 1000");
        let origins = AllowedOrigins::new(self.server.allowed_origins.as_deref()).err();
        problems.extend(origins.map(|error| format!("server.allowed_origins: {error}")));
        problems.extend(self.unknown_zone(runtime));
        problems.extend(self.split_users());
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }

    /// The zone that the origin's own database does not have; the edge asks its runtime.
    fn unknown_zone(&self, runtime: Runtime) -> Option<String> {
        #[cfg(any(test, feature = "iana"))]
        if runtime == Runtime::Origin {
            let zone = crate::directory::zone::iana::zone(&self.message_center.time_zone);
            return zone.err().map(|error| error.to_string());
        }
        let _ = runtime;
        None
    }

    /// A user is in one tenant; two static tokens that say otherwise are a mistake.
    fn split_users(&self) -> Vec<String> {
        let tokens = &self.auth.tokens;
        let split = tokens.iter().filter(|token| {
            let first = tokens.iter().find(|first| first.user_id == token.user_id);
            first.is_some_and(|first| first.tenant_id != token.tenant_id)
        });
        split.map(|token| format!("auth.tokens: user_id {} stands in two tenants", token.user_id)).collect()
    }

    /// What may be used, and had better not be: lines for the log at the start.
    pub fn warnings(&self) -> Vec<String> {
        let weak = self.auth.secret.iter().any(|secret| secret.expose().len() < STRONG_SECRET_BYTES);
        let mut warnings = Vec::new();
        if weak {
            warnings
                .push("auth.secret is shorter than 32 bytes and can be guessed; use a longer one".to_owned());
        }
        warnings
    }
}
