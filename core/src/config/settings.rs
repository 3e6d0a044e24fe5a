//! The sections and their keys, with what each means. The defaults stand below, and again in `rollcall.default.toml`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    id::{TenantId, UserId},
    json::{self, Integer},
    net::{HttpUrl, Network},
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The process: where it listens, where it stores.
    pub server: Server,
    /// Who may do what.
    pub auth: Auth,
    /// Logins, connections and records.
    pub presence: Presence,
    /// Rates of one client address.
    pub limits: Limits,
    /// The OpenIM endpoints.
    pub openim: OpenIm,
    /// The message center's endpoints.
    pub message_center: MessageCenter,
    /// The web console and the API reference.
    pub console: Console,
    /// The audit of orders.
    pub audit: Audit,
    /// Where objects live at the edge.
    pub edge: Edge,
    /// The engine that keeps users and records.
    pub store: Store,
    /// The processes that share it.
    pub cluster: Cluster,
}

/// The web console and the API reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Whether `/console/` and `/docs` are served.
    pub enabled: bool,
}

/// The process. All of it is the origin's, but for `trusted_proxies`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// `ADDRESS:PORT` that serves REST and WebSocket.
    pub listen: String,
    /// Folder of the database and the generated secret.
    pub data_dir: String,
    /// Addresses and networks of proxies, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Seconds within which the head of a request must arrive.
    pub header_timeout_seconds: u32,
    /// Seconds over which the process closes its sockets when it stops.
    pub drain_seconds: u32,
    /// Connections at a time; further ones get 503.
    pub max_connections: u32,
    /// The same of one address, or of one IPv6 network. `None` has no bound; trusted proxies never have one.
    pub max_connections_per_address: Option<u32>,
    /// Bytes of request bodies that the process holds at a time; further ones get 503.
    pub body_budget_bytes: u64,
    /// Pages that may open sockets; `None` allows any.
    pub allowed_origins: Option<Vec<String>>,
    /// `ADDRESS:PORT` that serves Prometheus metrics, to any client that can connect.
    pub metrics_listen: Option<String>,
    /// The certificate; without one the process serves plain HTTP.
    pub tls: Tls,
}

/// The files of a certificate, both or neither. They are read again on SIGHUP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// File with the certificate chain in PEM.
    pub certificate: Option<String>,
    /// File with its private key in PEM.
    pub key: Option<String>,
}

/// Tokens and who administers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// HS256 key of the tokens, at least 8 bytes. `None`: the origin generates one, the edge does not serve.
    pub secret: Option<Secret<String>>,
    /// Keys that still verify, and never sign.
    pub previous_secrets: Vec<Secret<String>>,
    /// Users who administer the OpenIM endpoints.
    pub admin_user_ids: Vec<String>,
    /// Lifetime of an issued token, in days.
    pub token_ttl_days: u32,
    /// Static bearer tokens of the message center.
    pub tokens: Vec<StaticToken>,
    /// The issuer of the message center's other tokens.
    pub introspection: Introspection,
}

/// An opaque bearer token that the configuration knows, by the SHA-256 of its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticToken {
    /// SHA-256 of the token's text, in lower-case hexadecimal.
    pub sha256: TokenHash,
    /// Its holder.
    #[serde(deserialize_with = "json::integer")]
    pub user_id: i64,
    /// The holder's tenant.
    #[serde(deserialize_with = "json::integer")]
    pub tenant_id: i64,
    /// The holder's login name.
    #[serde(default)]
    pub username: Option<String>,
    /// The holder's name in records.
    #[serde(default)]
    pub full_name: Option<String>,
    /// The client that the token was issued to.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Whether the holder administers its tenant.
    #[serde(default)]
    pub sys_admin: bool,
    /// What the holder may do, such as `OnlineUser`.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// URL of the holder's picture.
    #[serde(default)]
    pub avatar: Option<String>,
    /// The device that the token was issued to.
    #[serde(default)]
    pub device_id: Option<String>,
    /// Departments of the holder.
    #[serde(default, deserialize_with = "integers")]
    pub dept_ids: Vec<i64>,
    /// Groups of the holder.
    #[serde(default, deserialize_with = "integers")]
    pub group_ids: Vec<i64>,
    /// Whether the token is good at all.
    #[serde(default = "yes")]
    pub active: bool,
}

/// An RFC 7662 endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Introspection {
    /// Its URL; `None`: only static tokens are good.
    pub url: Option<HttpUrl>,
    /// Our client id there.
    pub client_id: Option<String>,
    /// Our client secret there.
    pub client_secret: Option<Secret<String>>,
    /// Seconds for which an active answer is used again; see [`Introspection::cached_for`].
    pub cache_seconds: u32,
}

/// What an issuer has taken back is good no longer than this (`docs/rules/message-center.md#authentication`).
pub(super) const MOST_CACHE_SECONDS: u32 = 30;

impl Introspection {
    /// How long an active answer is used again: 30 s at most.
    pub fn cached_for(&self) -> Duration {
        Duration::from_secs(self.cache_seconds.min(MOST_CACHE_SECONDS).into())
    }
}

/// Logins, connections and records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Presence {
    /// Which logins exclude each other: 0, 1, 4 or 5 ([`LoginPolicy`]).
    pub multi_login_policy: i64,
    /// Policy 0: valid tokens of a user on one platform.
    pub max_tokens_per_platform: u32,
    /// Connections of a user; above it 1601. So many connects may come at once, and two a second from then on.
    pub max_connections_per_user: u32,
    /// Seconds for which lists still show a user after its last socket has closed. `None` takes the runtime's default,
    /// see [`Settings::grace`].
    pub grace_seconds: Option<u32>,
    /// Seconds after which a record that nobody renews reads as offline.
    pub lease_seconds: u32,
    /// Edge: directory objects of a tenant at its first write; later the stored number counts.
    pub directory_shards: u32,
    /// Edge: seconds within which each live record is compared with its user.
    pub audit_seconds: u32,
    /// Ended records that are kept of a user.
    pub max_records_per_user: u32,
}

/// Rates of one client address, on the origin; `None` has no bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// WebSocket upgrades in a minute.
    pub handshakes_per_minute: Option<u32>,
    /// Requests to `/auth/` in a minute.
    pub token_requests_per_minute: Option<u32>,
}

/// The OpenIM endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenIm {
    /// How `errDlt` is written.
    pub errdlt_style: DetailStyle,
    /// UserIDs in one query; above it 1001.
    pub max_user_ids: u32,
}

/// The message center's endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageCenter {
    /// Whether permissions are asked for.
    pub profile: Profile,
    /// What a force-off may name.
    pub receive_types: ReceiveTypes,
    /// Status of the answer to a force-off: 200 or 204.
    pub off_status: u16,
    /// IANA name of the zone in which dates are printed.
    pub time_zone: String,
    /// Days for which an ended record is kept.
    pub retention_days: u32,
    /// Service that names the members of departments and groups.
    pub resolver_url: Option<HttpUrl>,
    /// Permission that the secure profile asks of readers.
    pub permission_read: String,
    /// Permission that the secure profile asks for a force-off.
    pub permission_off: String,
    /// The client that stands above tenants and may name one, as OpenIM administrators do.
    pub operator_client_id: String,
    /// Whether a force-off covers personal access tokens.
    pub revoke_pat: bool,
    /// Users of a force-off beyond which their sockets are closed after the answer.
    pub direct_users: u32,
}

/// The audit of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Days for which an entry is kept.
    pub retention_days: u32,
    /// Rows that are kept of a tenant, of which an order has one, or one for each user that it names; the oldest go first.
    pub max_rows: u64,
}

/// Where objects live at the edge. The origin has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// The jurisdiction in which objects run and store. With another one every object is another object.
    pub jurisdiction: Jurisdiction,
    /// The region near which a new object is made, as far as there is room.
    pub location_hint: LocationHint,
}

/// The engine that keeps the origin's users and records. The edge has its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Where PostgreSQL is, as `postgres://USER@HOST/DATABASE`; `None`: the embedded store in `server.data_dir`.
    pub url: Option<Secret<String>>,
    /// The schema of the tables.
    pub schema: String,
    /// File with the authorities in PEM that may sign the engine's certificate; `None`: the public ones.
    pub ca: Option<String>,
    /// Sessions that write at a time. Six more read.
    pub connections: u32,
}

/// Processes of the origin that serve one population from one engine. Of use with `store.url` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// This process's name in logs and in the list of nodes; `None`: the host's.
    pub name: Option<String>,
    /// Seconds without a sign of life after which the others declare a process dead.
    pub lease_seconds: u32,
    /// Seconds for which a process that the engine does not hear keeps its sockets.
    pub suspend_seconds: u32,
    /// Whether other processes may use the schema at the same time.
    pub several: bool,
}

/// A jurisdiction of Durable Objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jurisdiction {
    /// Objects may live anywhere.
    #[default]
    None,
    /// The European Union.
    Eu,
    /// The United States.
    Us,
    /// Data centers with FedRAMP authorization.
    Fedramp,
    /// Those with FedRAMP High.
    FedrampHigh,
}

impl Jurisdiction {
    /// The platform's name of it; `None` without one.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Eu => "eu",
            Self::Us => "us",
            Self::Fedramp => "fedramp",
            Self::FedrampHigh => "fedramp-high",
        })
    }
}

/// A region of the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocationHint {
    /// Near the first request to the object.
    #[default]
    None,
    /// Western North America.
    Wnam,
    /// Eastern North America.
    Enam,
    /// South America.
    Sam,
    /// Western Europe.
    Weur,
    /// Eastern Europe.
    Eeur,
    /// Asia and the Pacific.
    Apac,
    /// Their north-east.
    ApacNe,
    /// Their south-east.
    ApacSe,
    /// Oceania.
    Oc,
    /// Africa.
    Afr,
    /// The Middle East.
    Me,
}

impl LocationHint {
    /// The platform's name of it; `None` without one.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Wnam => "wnam",
            Self::Enam => "enam",
            Self::Sam => "sam",
            Self::Weur => "weur",
            Self::Eeur => "eeur",
            Self::Apac => "apac",
            Self::ApacNe => "apac-ne",
            Self::ApacSe => "apac-se",
            Self::Oc => "oc",
            Self::Afr => "afr",
            Self::Me => "me",
        })
    }
}

/// Whether permissions are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// They are.
    #[default]
    Secure,
    /// They are not.
    Open,
}

/// What a force-off may name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiveTypes {
    /// Users, tenants, departments, groups, and everybody of a tenant.
    #[default]
    Extended,
    /// Users and tenants, as the published interface has it.
    Strict,
}

fn yes() -> bool {
    true
}

fn integers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let all = Vec::<Integer>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|Integer(number)| number).collect())
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
            body_budget_bytes: 64 << 20,
            allowed_origins: None,
            metrics_listen: None,
            tls: Tls::default(),
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self { enabled: true }
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
            directory_shards: 64,
            audit_seconds: 21_600,
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
            direct_users: 1_000,
        }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: 180, max_rows: 10_000_000 }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self { url: None, schema: "rollcall".into(), ca: None, connections: 16 }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self { name: None, lease_seconds: 5, suspend_seconds: 30, several: false }
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
