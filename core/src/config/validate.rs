//! Values that have the right type and are still impossible.

use std::net::SocketAddr;

use super::{
    Cluster, ConfigError, Jurisdiction, LocationHint, Presence, Runtime, Server, Settings, StaticToken,
    Store, settings::MOST_CACHE_SECONDS,
};
use crate::{id::UserId, net::AllowedOrigins};

/// A key of HMAC shorter than this is no key.
const SECRET_BYTES: usize = 8;
/// Twice what strangers may fill of it, so that callers with a good token always find room.
const LEAST_BODY_BUDGET: u64 = 16 << 20;
/// The most of a number without a bound.
const ANY: u32 = u32::MAX;
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
        for (key, value, least, most) in self.numbers() {
            let range = if most == ANY { format!("at least {least}") } else { format!("{least} to {most}") };
            must((least..=most).contains(&value), &format!("{key}: expected {range}"));
        }
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
        must(
            self.auth.introspection.url.is_some()
                || (self.auth.introspection.client_id.is_none()
                    && self.auth.introspection.client_secret.is_none()),
            "auth.introspection.url: is required where client_id or client_secret is set",
        );
        must(self.policy().is_some(), "presence.multi_login_policy: expected 0, 1, 4 or 5");
        must(
            matches!(self.message_center.off_status, 200 | 204),
            "message_center.off_status: expected 200 or 204",
        );
        for (key, name) in [
            ("permission_read", &self.message_center.permission_read),
            ("permission_off", &self.message_center.permission_off),
        ] {
            must(
                !name.trim().is_empty(),
                &format!("message_center.{key}: expected a text that is not empty"),
            );
        }
        must((1..=36_500).contains(&self.audit.retention_days), "audit.retention_days: expected 1 to 36500");
        must(self.audit.max_rows > 0, "audit.max_rows: expected at least 1");
        must(
            self.store.schema.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
                && (1..=MOST_SCHEMA_BYTES).contains(&self.store.schema.len()),
            "store.schema: expected 1 to 63 of a-z, 0-9 and _",
        );
        let origins = AllowedOrigins::new(self.server.allowed_origins.as_deref()).err();
        problems.extend(origins.map(|error| format!("server.allowed_origins: {error}")));
        problems.extend(self.unknown_zone(runtime));
        problems.extend(self.split_users());
        problems.extend(self.repeated_tokens());
        if problems.is_empty() { Ok(()) } else { Err(ConfigError::new(problems)) }
    }

    /// The numbers with a least and a most.
    fn numbers(&self) -> [(&'static str, u32, u32, u32); 14] {
        let (server, presence, message_center) = (&self.server, &self.presence, &self.message_center);
        [
            ("server.header_timeout_seconds", server.header_timeout_seconds, 1, ANY),
            ("server.drain_seconds", server.drain_seconds, 0, 3_600),
            ("auth.token_ttl_days", self.auth.token_ttl_days, 1, 36_500),
            ("presence.max_tokens_per_platform", presence.max_tokens_per_platform, 1, ANY),
            ("presence.max_connections_per_user", presence.max_connections_per_user, 1, ANY),
            ("presence.lease_seconds", presence.lease_seconds, 1, ANY),
            ("presence.directory_shards", presence.directory_shards, 1, 1_024),
            ("presence.audit_seconds", presence.audit_seconds, 1, ANY),
            ("openim.max_user_ids", self.openim.max_user_ids, 1_000, ANY),
            ("message_center.retention_days", message_center.retention_days, 1, ANY),
            ("message_center.direct_users", message_center.direct_users, 1, 10_000),
            ("store.connections", self.store.connections, 1, 1_000),
            ("cluster.lease_seconds", self.cluster.lease_seconds, 3, 60),
            ("cluster.suspend_seconds", self.cluster.suspend_seconds, 0, 3_600),
        ]
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

    /// One token that says two things would say the last one, in silence.
    fn repeated_tokens(&self) -> Vec<String> {
        let tokens = &self.auth.tokens;
        let first = |token: &StaticToken| tokens.iter().position(|first| first.sha256 == token.sha256);
        let repeated = tokens.iter().enumerate().filter_map(|(place, token)| {
            let first = first(token).filter(|first| tokens.get(*first) != Some(token))?;
            Some(format!("auth.tokens[{place}].sha256: stands in auth.tokens[{first}] too"))
        });
        repeated.collect()
    }

    /// What may be used, and had better not be: lines for the log at the start.
    pub fn warnings(&self, runtime: Runtime) -> Vec<String> {
        let weak = self.auth.secret.iter().any(|secret| secret.expose().len() < STRONG_SECRET_BYTES);
        let mut warnings = Vec::new();
        if weak {
            warnings
                .push("auth.secret is shorter than 32 bytes and can be guessed; use a longer one".to_owned());
        }
        if self.auth.introspection.cache_seconds > MOST_CACHE_SECONDS {
            warnings.push("auth.introspection.cache_seconds is above 30, and taken as 30".to_owned());
        }
        let everybody = self.server.trusted_proxies.iter().filter(|network| network.is_everybody());
        warnings.extend(everybody.map(|network| {
            format!("server.trusted_proxies has {network}: any client can pass for any address")
        }));
        let (foreign, elsewhere) = match runtime {
            Runtime::Origin => (self.of_the_edge(), "at the edge"),
            Runtime::Edge => (self.of_the_origin(), "on the origin"),
        };
        warnings.extend(
            foreign
                .into_iter()
                .map(|key| format!("{key} is read {elsewhere} alone; here it changes nothing")),
        );
        if runtime == Runtime::Origin && self.store.url.is_none() && self.store != Store::default() {
            warnings.push("the keys of store change nothing without store.url".to_owned());
        }
        if runtime == Runtime::Origin && self.store.url.is_none() && self.cluster != Cluster::default() {
            warnings.push("the keys of cluster change nothing without store.url".to_owned());
        }
        warnings
    }

    /// The keys that are set and that the origin alone reads.
    fn of_the_origin(&self) -> Vec<&'static str> {
        let (ours, default) = (&self.server, Server::default());
        let (store, no_store) = (&self.store, Store::default());
        let (cluster, no_cluster) = (&self.cluster, Cluster::default());
        let keys = [
            ("server.listen", ours.listen != default.listen),
            ("server.data_dir", ours.data_dir != default.data_dir),
            ("server.header_timeout_seconds", ours.header_timeout_seconds != default.header_timeout_seconds),
            ("server.drain_seconds", ours.drain_seconds != default.drain_seconds),
            ("server.max_connections", ours.max_connections != default.max_connections),
            ("server.max_connections_per_address", ours.max_connections_per_address.is_some()),
            ("server.body_budget_bytes", ours.body_budget_bytes != default.body_budget_bytes),
            ("server.allowed_origins", ours.allowed_origins.is_some()),
            ("server.metrics_listen", ours.metrics_listen.is_some()),
            ("server.tls.certificate", ours.tls.certificate.is_some()),
            ("server.tls.key", ours.tls.key.is_some()),
            ("limits.handshakes_per_minute", self.limits.handshakes_per_minute.is_some()),
            ("limits.token_requests_per_minute", self.limits.token_requests_per_minute.is_some()),
            ("store.url", store.url.is_some()),
            ("store.schema", store.schema != no_store.schema),
            ("store.ca", store.ca.is_some()),
            ("store.connections", store.connections != no_store.connections),
            ("cluster.name", cluster.name.is_some()),
            ("cluster.several", cluster.several),
            ("cluster.lease_seconds", cluster.lease_seconds != no_cluster.lease_seconds),
            ("cluster.suspend_seconds", cluster.suspend_seconds != no_cluster.suspend_seconds),
        ];
        keys.into_iter().filter_map(|(key, is_set)| is_set.then_some(key)).collect()
    }

    /// The keys that are set and that the edge alone reads.
    fn of_the_edge(&self) -> Vec<&'static str> {
        let (ours, default) = (&self.presence, Presence::default());
        let keys = [
            ("presence.directory_shards", ours.directory_shards != default.directory_shards),
            ("presence.audit_seconds", ours.audit_seconds != default.audit_seconds),
            ("edge.jurisdiction", self.edge.jurisdiction != Jurisdiction::default()),
            ("edge.location_hint", self.edge.location_hint != LocationHint::default()),
        ];
        keys.into_iter().filter_map(|(key, is_set)| is_set.then_some(key)).collect()
    }
}
