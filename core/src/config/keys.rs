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
}

/// What a person reads of a key.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Dotted.
    pub path: &'static str,
    /// The default.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// Two tables of one list, so that a program that only reads settings does not carry the texts: at the edge they would
/// be a part of the module.
macro_rules! keys {
    ($(($path:literal, $kind:expr, $default:literal, $meaning:literal $(,)?)),+ $(,)?) => {
        /// All of them, in the order in which they are documented.
        pub const KEYS: &[Key] = &[$(Key { path: $path, kind: $kind }),+];

        /// The same, as `docs/configuration.md` has them.
        pub const REFERENCE: &[Entry] =
            &[$(Entry { path: $path, default: $default, meaning: $meaning }),+];
    };
}

keys![
    ("server.listen", Kind::Text, "127.0.0.1:10002", "origin only: where REST and WebSocket are served"),
    ("server.data_dir", Kind::Text, "./data", "origin only: holds the database and the generated secret"),
    ("server.trusted_proxies", Kind::Texts, "[]", "addresses whose X-Forwarded-For is believed"),
    ("server.header_timeout_seconds", Kind::Integer, "5", "origin only: how long a request's head may take",),
    (
        "server.drain_seconds",
        Kind::Integer,
        "10",
        "origin only: sockets are closed evenly over this when it stops",
    ),
    ("server.max_connections", Kind::Integer, "100000", "origin only: connections at a time; above it 503",),
    (
        "server.max_connections_per_address",
        Kind::Integer,
        "none",
        "origin only: the same of one address, or of one IPv6 network; trusted proxies have no bound",
    ),
    ("server.allowed_origins", Kind::Texts, "any", "origin only: pages that may open sockets"),
    (
        "server.tls.certificate",
        Kind::Text,
        "none",
        "origin only: file with the certificate chain in PEM; read again on SIGHUP",
    ),
    ("server.tls.key", Kind::Text, "none", "origin only: file with its private key in PEM"),
    (
        "server.metrics_listen",
        Kind::Text,
        "none",
        "origin only: where Prometheus metrics are served, to anybody who can connect",
    ),
    (
        "auth.secret",
        Kind::Secret,
        "generated (origin), none (edge)",
        "HS256 key of the tokens, at least 8 bytes",
    ),
    ("auth.previous_secrets", Kind::Secrets, "[]", "still accepted for verifying, never for signing"),
    ("auth.admin_user_ids", Kind::Texts, r#"["imAdmin"]"#, "administrators of the OpenIM endpoints"),
    ("auth.token_ttl_days", Kind::Integer, "90", "lifetime of issued tokens"),
    ("auth.tokens", Kind::Toml, "[]", "static bearer tokens of the message center, one [[auth.tokens]] each",),
    ("auth.introspection.url", Kind::Text, "none", "RFC 7662 endpoint for the message center's tokens"),
    ("auth.introspection.client_id", Kind::Text, "none", "who we are there"),
    ("auth.introspection.client_secret", Kind::Secret, "none", "how we prove it"),
    ("auth.introspection.cache_seconds", Kind::Integer, "30", "how long an active answer is believed"),
    ("presence.multi_login_policy", Kind::Integer, "1", "0, 1, 4 or 5: who has to go at a login"),
    ("presence.max_tokens_per_platform", Kind::Integer, "30", "policy 0: valid tokens on one platform"),
    ("presence.max_connections_per_user", Kind::Integer, "100", "1601 above it"),
    (
        "presence.grace_seconds",
        Kind::Integer,
        "0 (origin), 30 (edge)",
        "how long lists wait before an end shows",
    ),
    ("presence.lease_seconds", Kind::Integer, "90", "a record whose lease ran out reads as offline"),
    ("presence.directory_shards", Kind::Integer, "16", "edge only: directory objects per tenant"),
    ("presence.audit_seconds", Kind::Integer, "3600", "edge only: every live record is checked within this",),
    ("presence.max_records_per_user", Kind::Integer, "1000", "ended records kept per user"),
    ("limits.handshakes_per_minute", Kind::Integer, "none", "origin only: upgrades of one address"),
    ("limits.token_requests_per_minute", Kind::Integer, "none", "origin only: the same of `/auth/` requests",),
    ("openim.errdlt_style", Kind::Text, "seed", "`seed` or `v38`: how errDlt is written"),
    ("openim.max_user_ids", Kind::Integer, "1000", "userIDs in one query; 1001 above it"),
    ("message_center.profile", Kind::Text, "secure", "`secure` or `open`: whether permissions are asked for",),
    (
        "message_center.receive_types",
        Kind::Text,
        "extended",
        "`extended` or `strict`: what may be forced off",
    ),
    ("message_center.off_status", Kind::Integer, "200", "200 or 204: the answer to a force-off"),
    ("message_center.time_zone", Kind::Text, "UTC", "IANA name; dates are printed in it"),
    ("message_center.retention_days", Kind::Integer, "30", "ended records older than this are deleted"),
    ("message_center.resolver_url", Kind::Text, "none", "who is in a department or group"),
    ("message_center.permission_read", Kind::Text, "OnlineUser", "what the secure profile asks of readers",),
    ("message_center.permission_off", Kind::Text, "SignOut", "what the secure profile asks for a force-off",),
    ("message_center.operator_client_id", Kind::Text, "xcan_op", "the client that may name another tenant",),
    ("message_center.revoke_pat", Kind::Bool, "false", "whether a force-off covers personal access tokens",),
];

impl Key {
    /// The key with this dotted path.
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}
