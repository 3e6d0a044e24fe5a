//! The part of a server's configuration that changes what a client sees.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use toml::{Table, Value};

/// The form of `errDlt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `<detail>: [<code>]<name>`, the published samples.
    Seed,
    /// The detail alone.
    V38,
}

/// One `[[auth.tokens]]`: a bearer token of the message center, known by the SHA-256 of its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticToken {
    /// In lower-case hexadecimal digits.
    pub sha256: String,
    /// The user.
    #[serde(deserialize_with = "number")]
    pub user_id: i64,
    /// The user's tenant.
    #[serde(deserialize_with = "number")]
    pub tenant_id: i64,
    /// The login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The name that lists show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// The client it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether it is a system administrator's.
    #[serde(default, skip_serializing_if = "not")]
    pub sys_admin: bool,
    /// Its permissions beyond the user's own affairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// A picture's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// The device it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Departments of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "numbers")]
    pub dept_ids: Vec<i64>,
    /// Groups of the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "numbers")]
    pub group_ids: Vec<i64>,
    /// Whether it is accepted at all.
    #[serde(default = "yes", skip_serializing_if = "is")]
    pub active: bool,
}

/// The section `auth.introspection`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// The RFC 7662 endpoint.
    pub url: String,
    /// The server's name at the issuer.
    pub client_id: Option<String>,
    /// Its password there.
    pub client_secret: Option<String>,
    /// The time for which an active answer is kept.
    #[serde(default = "half_a_minute")]
    pub cache_seconds: i64,
}

/// The section `message_center`, as far as a case depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageCenter {
    /// `profile = "open"`: every token may do everything within its tenant.
    pub open: bool,
    /// `receive_types = "strict"`: users and tenants only.
    pub strict: bool,
    /// `off_status`.
    pub off_status: i64,
    /// `time_zone`.
    pub time_zone: String,
    /// `operator_client_id`.
    pub operator_client: String,
    /// `retention_days`.
    pub retention_days: i64,
    /// `direct_users`.
    pub direct_users: i64,
    /// `resolver_url`, if there is one.
    pub resolver: Option<String>,
}

impl Default for MessageCenter {
    fn default() -> Self {
        Self {
            open: false,
            strict: false,
            off_status: 200,
            time_zone: "UTC".to_owned(),
            operator_client: "xcan_op".to_owned(),
            retention_days: 30,
            direct_users: 1_000,
            resolver: None,
        }
    }
}

/// Effective values, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `server.trusted_proxies`.
    pub trusted_proxies: Vec<String>,
    /// `auth.secret`; `None` when the file leaves it to the server.
    pub secret: Option<String>,
    /// `auth.previous_secrets`.
    pub previous_secrets: Vec<String>,
    /// `auth.admin_user_ids`.
    pub admins: Vec<String>,
    /// `auth.token_ttl_days`.
    pub ttl_days: i64,
    /// `presence.multi_login_policy`.
    pub policy: i64,
    /// `presence.max_tokens_per_platform`.
    pub max_tokens: i64,
    /// `presence.max_connections_per_user`.
    pub max_connections: i64,
    /// `presence.directory_shards`, if it is not the default. No answer depends on it.
    pub directory_shards: Option<i64>,
    /// `openim.errdlt_style`.
    pub style: Style,
    /// `openim.max_user_ids`.
    pub max_user_ids: i64,
    /// `[[auth.tokens]]`.
    pub tokens: Vec<StaticToken>,
    /// `auth.introspection`, if an endpoint is named.
    pub introspection: Option<Introspection>,
    /// `message_center`.
    pub message_center: MessageCenter,
}

impl Default for Settings {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            secret: None,
            previous_secrets: Vec::new(),
            admins: vec!["imAdmin".to_owned()],
            ttl_days: 90,
            policy: 1,
            max_tokens: 30,
            max_connections: 100,
            directory_shards: None,
            style: Style::Seed,
            max_user_ids: 1000,
            tokens: Vec::new(),
            introspection: None,
            message_center: MessageCenter::default(),
        }
    }
}

impl Settings {
    /// Reads a configuration file as a server would, keys that no case depends on left aside.
    pub fn from_toml(text: &str) -> Result<Self> {
        let root: Table = text.parse().context("the configuration is not TOML")?;
        let key = |section: &str, name: &str| root.get(section).and_then(|s| s.get(name));
        let word = |section: &str, name: &str| key(section, name).and_then(Value::as_str);
        let integer = |section: &str, name: &str, default: i64| -> Result<i64> {
            key(section, name).map_or(Ok(default), |v| {
                v.as_integer().with_context(|| format!("{section}.{name} is not an integer"))
            })
        };
        let defaults = Self::default();
        Ok(Self {
            trusted_proxies: key("server", "trusted_proxies")
                .map_or(Ok(defaults.trusted_proxies), |v| texts_of(v, "server.trusted_proxies"))?,
            secret: key("auth", "secret").map(|v| text_of(v, "auth.secret")).transpose()?,
            previous_secrets: key("auth", "previous_secrets")
                .map_or(Ok(defaults.previous_secrets), |v| texts_of(v, "auth.previous_secrets"))?,
            admins: key("auth", "admin_user_ids")
                .map_or(Ok(defaults.admins), |v| texts_of(v, "auth.admin_user_ids"))?,
            ttl_days: integer("auth", "token_ttl_days", defaults.ttl_days)?,
            policy: integer("presence", "multi_login_policy", defaults.policy)?,
            max_tokens: integer("presence", "max_tokens_per_platform", defaults.max_tokens)?,
            max_connections: integer("presence", "max_connections_per_user", defaults.max_connections)?,
            directory_shards: key("presence", "directory_shards").and_then(Value::as_integer),
            style: match word("openim", "errdlt_style") {
                Some("v38") => Style::V38,
                _ => Style::Seed,
            },
            max_user_ids: integer("openim", "max_user_ids", defaults.max_user_ids)?,
            tokens: key("auth", "tokens")
                .map_or(Ok(Vec::new()), |v| v.clone().try_into())
                .context("auth.tokens")?,
            introspection: key("auth", "introspection")
                .filter(|section| section.get("url").is_some())
                .map(|section| section.clone().try_into())
                .transpose()
                .context("auth.introspection")?,
            message_center: MessageCenter {
                open: word("message_center", "profile") == Some("open"),
                strict: word("message_center", "receive_types") == Some("strict"),
                off_status: integer("message_center", "off_status", defaults.message_center.off_status)?,
                time_zone: word("message_center", "time_zone")
                    .map_or(defaults.message_center.time_zone, str::to_owned),
                operator_client: word("message_center", "operator_client_id")
                    .map_or(defaults.message_center.operator_client, str::to_owned),
                retention_days: integer(
                    "message_center",
                    "retention_days",
                    defaults.message_center.retention_days,
                )?,
                direct_users: integer(
                    "message_center",
                    "direct_users",
                    defaults.message_center.direct_users,
                )?,
                resolver: word("message_center", "resolver_url").map(str::to_owned),
            },
        })
    }

    /// The file that gives a server these values; `server` is the text of its own section, if any.
    pub fn to_toml(&self, server: &str) -> Result<String> {
        let mut auth = Table::new();
        if let Some(secret) = &self.secret {
            auth.insert("secret".into(), secret.as_str().into());
        }
        auth.insert("previous_secrets".into(), list(&self.previous_secrets));
        auth.insert("admin_user_ids".into(), list(&self.admins));
        auth.insert("token_ttl_days".into(), self.ttl_days.into());
        if !self.tokens.is_empty() {
            auth.insert("tokens".into(), Value::try_from(&self.tokens)?);
        }
        if let Some(introspection) = &self.introspection {
            auth.insert("introspection".into(), Value::try_from(introspection)?);
        }
        let mut presence = Table::new();
        presence.insert("multi_login_policy".into(), self.policy.into());
        presence.insert("max_tokens_per_platform".into(), self.max_tokens.into());
        presence.insert("max_connections_per_user".into(), self.max_connections.into());
        presence.insert("grace_seconds".into(), 0.into());
        if let Some(shards) = self.directory_shards {
            presence.insert("directory_shards".into(), shards.into());
        }
        let mut openim = Table::new();
        let style = match self.style {
            Style::Seed => "seed",
            Style::V38 => "v38",
        };
        openim.insert("errdlt_style".into(), style.into());
        openim.insert("max_user_ids".into(), self.max_user_ids.into());
        let MessageCenter {
            open,
            strict,
            off_status,
            time_zone,
            operator_client,
            retention_days,
            direct_users,
            resolver,
        } = &self.message_center;
        let mut message_center = Table::new();
        message_center.insert("profile".into(), if *open { "open" } else { "secure" }.into());
        message_center.insert("receive_types".into(), if *strict { "strict" } else { "extended" }.into());
        message_center.insert("off_status".into(), (*off_status).into());
        message_center.insert("time_zone".into(), time_zone.as_str().into());
        message_center.insert("operator_client_id".into(), operator_client.as_str().into());
        message_center.insert("retention_days".into(), (*retention_days).into());
        message_center.insert("direct_users".into(), (*direct_users).into());
        if let Some(resolver) = resolver {
            message_center.insert("resolver_url".into(), resolver.as_str().into());
        }
        let sections =
            [("auth", auth), ("presence", presence), ("openim", openim), ("message_center", message_center)];
        let mut root: Table = server.parse()?;
        root.extend(sections.into_iter().map(|(name, section)| (name.to_owned(), section.into())));
        if !self.trusted_proxies.is_empty() {
            let section = root.entry("server").or_insert_with(|| Table::new().into());
            let section = section.as_table_mut().context("the section of the server is no table")?;
            section.insert("trusted_proxies".into(), list(&self.trusted_proxies));
        }
        Ok(root.to_string())
    }

    /// Every configured secret: none of them may be written anywhere.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let ours = self.introspection.iter().filter_map(|introspection| introspection.client_secret.as_ref());
        self.secret.iter().chain(&self.previous_secrets).chain(ours).map(String::as_str)
    }
}

/// An id: an integer, or its decimal text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(i64),
    Text(String),
}

impl Number {
    fn read<E: serde::de::Error>(self) -> Result<i64, E> {
        match self {
            Self::Integer(number) => Ok(number),
            Self::Text(text) => text.parse().map_err(E::custom),
        }
    }
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Number::deserialize(from).map_err(D::Error::custom)?.read()
}

fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<i64>, D::Error> {
    Vec::<Number>::deserialize(from)?.into_iter().map(Number::read).collect()
}

const fn yes() -> bool {
    true
}

const fn half_a_minute() -> i64 {
    30
}

const fn is(flag: &bool) -> bool {
    *flag
}

const fn not(flag: &bool) -> bool {
    !*flag
}

fn list(values: &[String]) -> Value {
    Value::Array(values.iter().map(|v| Value::from(v.as_str())).collect())
}

fn text_of(value: &Value, key: &str) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{key} is not text"))
}

fn texts_of(value: &Value, key: &str) -> Result<Vec<String>> {
    let values = value.as_array().with_context(|| format!("{key} is not a list"))?;
    values.iter().map(|v| text_of(v, key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn what_is_written_is_read_back() {
        for profile in Profile::ALL {
            let settings = profile.settings();
            let text = settings.to_toml("[server]\nlisten = \"127.0.0.1:0\"").unwrap();
            assert_eq!(Settings::from_toml(&text).unwrap(), settings, "{text}");
        }
    }

    #[test]
    fn ids_of_tokens_may_be_texts() {
        let text = "[[auth.tokens]]\nsha256 = \"00\"\nuser_id = \"7\"\ntenant_id = 1\ndept_ids = [\"3\", 4]";
        let settings = Settings::from_toml(text).unwrap();
        let token = &settings.tokens[0];
        assert_eq!((token.user_id, token.tenant_id, &token.dept_ids[..]), (7, 1, &[3, 4][..]));
        assert!(token.active && !token.sys_admin);
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(Settings::from_toml("").unwrap(), Settings::default());
    }
}
