//! Every key, its type and its meaning. The README's table is checked against this one.

/// How a variable's text becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As it stands; digits stay text.
    Text,
    /// The same, and never shown.
    Secret,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// Texts between commas.
    Texts,
    /// The same, and never shown.
    Secrets,
    /// A TOML value.
    Toml,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted.
    pub path: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The default, as a person reads it.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn key(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, meaning }
}

/// All of them, in the order in which they are documented.
pub const KEYS: &[Key] = &[
    key("server.listen", Kind::Text, "127.0.0.1:10002", "origin only: where REST and WebSocket are served"),
    key("server.data_dir", Kind::Text, "./data", "origin only: holds the database and the generated secret"),
    key("server.trusted_proxies", Kind::Texts, "[]", "addresses whose X-Forwarded-For is believed"),
    key(
        "server.header_timeout_seconds",
        Kind::Integer,
        "5",
        "origin only: how long a request's head may take",
    ),
    key(
        "server.drain_seconds",
        Kind::Integer,
        "10",
        "origin only: sockets are closed evenly over this when it stops",
    ),
    key(
        "server.max_connections",
        Kind::Integer,
        "100000",
        "origin only: connections at a time; above it 503",
    ),
    key(
        "server.max_connections_per_address",
        Kind::Integer,
        "none",
        "origin only: the same of one address, or of one IPv6 network; trusted proxies have no bound",
    ),
    key("server.allowed_origins", Kind::Texts, "any", "origin only: pages that may open sockets"),
    key(
        "server.tls.certificate",
        Kind::Text,
        "none",
        "origin only: file with the certificate chain in PEM; read again on SIGHUP",
    ),
    key("server.tls.key", Kind::Text, "none", "origin only: file with its private key in PEM"),
    key(
        "server.metrics_listen",
        Kind::Text,
        "none",
        "origin only: where Prometheus metrics are served, to anybody who can connect",
    ),
    key(
        "auth.secret",
        Kind::Secret,
        "generated (origin), none (edge)",
        "HS256 key of the tokens, at least 8 bytes",
    ),
    key("auth.previous_secrets", Kind::Secrets, "[]", "still accepted for verifying, never for signing"),
    key("auth.admin_user_ids", Kind::Texts, r#"["imAdmin"]"#, "administrators of the OpenIM endpoints"),
    key("auth.token_ttl_days", Kind::Integer, "90", "lifetime of issued tokens"),
    key(
        "auth.tokens",
        Kind::Toml,
        "[]",
        "static bearer tokens of the message center, one [[auth.tokens]] each",
    ),
    key("auth.introspection.url", Kind::Text, "none", "RFC 7662 endpoint for the message center's tokens"),
    key("auth.introspection.client_id", Kind::Text, "none", "who we are there"),
    key("auth.introspection.client_secret", Kind::Secret, "none", "how we prove it"),
    key("auth.introspection.cache_seconds", Kind::Integer, "30", "how long an active answer is believed"),
    key("presence.multi_login_policy", Kind::Integer, "1", "0, 1, 4 or 5: who has to go at a login"),
    key("presence.max_tokens_per_platform", Kind::Integer, "30", "policy 0: valid tokens on one platform"),
    key("presence.max_connections_per_user", Kind::Integer, "100", "1601 above it"),
    key(
        "presence.grace_seconds",
        Kind::Integer,
        "0 (origin), 30 (edge)",
        "how long lists wait before an end shows",
    ),
    key("presence.lease_seconds", Kind::Integer, "90", "a record whose lease ran out reads as offline"),
    key("presence.directory_shards", Kind::Integer, "16", "edge only: directory objects per tenant"),
    key(
        "presence.audit_seconds",
        Kind::Integer,
        "3600",
        "edge only: every live record is checked within this",
    ),
    key("presence.max_records_per_user", Kind::Integer, "1000", "ended records kept per user"),
    key("limits.handshakes_per_minute", Kind::Integer, "none", "origin only: upgrades of one address"),
    key(
        "limits.token_requests_per_minute",
        Kind::Integer,
        "none",
        "origin only: the same of `/auth/` requests",
    ),
    key("openim.errdlt_style", Kind::Text, "seed", "`seed` or `v38`: how errDlt is written"),
    key("openim.max_user_ids", Kind::Integer, "1000", "userIDs in one query; 1001 above it"),
    key(
        "message_center.profile",
        Kind::Text,
        "secure",
        "`secure` or `open`: whether permissions are asked for",
    ),
    key(
        "message_center.receive_types",
        Kind::Text,
        "extended",
        "`extended` or `strict`: what may be forced off",
    ),
    key("message_center.off_status", Kind::Integer, "200", "200 or 204: the answer to a force-off"),
    key("message_center.time_zone", Kind::Text, "UTC", "IANA name; dates are printed in it"),
    key("message_center.retention_days", Kind::Integer, "30", "ended records older than this are deleted"),
    key("message_center.resolver_url", Kind::Text, "none", "who is in a department or group"),
    key(
        "message_center.permission_read",
        Kind::Text,
        "OnlineUser",
        "what the secure profile asks of readers",
    ),
    key(
        "message_center.permission_off",
        Kind::Text,
        "SignOut",
        "what the secure profile asks for a force-off",
    ),
    key(
        "message_center.operator_client_id",
        Kind::Text,
        "xcan_op",
        "the client that may name another tenant",
    ),
    key(
        "message_center.revoke_pat",
        Kind::Bool,
        "false",
        "whether a force-off covers personal access tokens",
    ),
];

impl Key {
    /// The key with this dotted path.
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}
