//! The part of a server's configuration that changes what a client sees.

use anyhow::{Context as _, Result};
use toml::{Table, Value};

/// How `errDlt` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `<detail>: [<code>]<name>`, the published samples.
    Seed,
    /// The detail alone.
    V38,
}

/// Effective values, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
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
    /// `openim.errdlt_style`.
    pub style: Style,
    /// `openim.max_user_ids`.
    pub max_user_ids: i64,
}

impl Default for Settings {
    /// The documented defaults.
    fn default() -> Self {
        Self {
            secret: None,
            previous_secrets: Vec::new(),
            admins: vec!["imAdmin".to_owned()],
            ttl_days: 90,
            policy: 1,
            max_tokens: 30,
            max_connections: 100,
            style: Style::Seed,
            max_user_ids: 1000,
        }
    }
}

impl Settings {
    /// Reads a configuration file as a server would, keys that no case depends on left aside.
    pub fn from_toml(text: &str) -> Result<Self> {
        let root: Table = text.parse().context("the configuration is not TOML")?;
        let key = |section: &str, name: &str| root.get(section).and_then(|s| s.get(name));
        let integer = |section: &str, name: &str, default: i64| -> Result<i64> {
            key(section, name).map_or(Ok(default), |v| {
                v.as_integer().with_context(|| format!("{section}.{name} is not an integer"))
            })
        };
        let defaults = Self::default();
        Ok(Self {
            secret: key("auth", "secret").map(|v| text_of(v, "auth.secret")).transpose()?,
            previous_secrets: key("auth", "previous_secrets")
                .map_or(Ok(defaults.previous_secrets), |v| texts_of(v, "auth.previous_secrets"))?,
            admins: key("auth", "admin_user_ids")
                .map_or(Ok(defaults.admins), |v| texts_of(v, "auth.admin_user_ids"))?,
            ttl_days: integer("auth", "token_ttl_days", defaults.ttl_days)?,
            policy: integer("presence", "multi_login_policy", defaults.policy)?,
            max_tokens: integer("presence", "max_tokens_per_platform", defaults.max_tokens)?,
            max_connections: integer("presence", "max_connections_per_user", defaults.max_connections)?,
            style: match key("openim", "errdlt_style").and_then(Value::as_str) {
                Some("v38") => Style::V38,
                _ => Style::Seed,
            },
            max_user_ids: integer("openim", "max_user_ids", defaults.max_user_ids)?,
        })
    }

    /// The file that gives a server these values; `server` is the text of its own section, if any.
    pub fn to_toml(&self, server: &str) -> String {
        let mut auth = Table::new();
        if let Some(secret) = &self.secret {
            auth.insert("secret".into(), secret.as_str().into());
        }
        auth.insert("previous_secrets".into(), list(&self.previous_secrets));
        auth.insert("admin_user_ids".into(), list(&self.admins));
        auth.insert("token_ttl_days".into(), self.ttl_days.into());
        let mut presence = Table::new();
        presence.insert("multi_login_policy".into(), self.policy.into());
        presence.insert("max_tokens_per_platform".into(), self.max_tokens.into());
        presence.insert("max_connections_per_user".into(), self.max_connections.into());
        presence.insert("grace_seconds".into(), 0.into());
        let mut openim = Table::new();
        let style = match self.style {
            Style::Seed => "seed",
            Style::V38 => "v38",
        };
        openim.insert("errdlt_style".into(), style.into());
        openim.insert("max_user_ids".into(), self.max_user_ids.into());
        format!("{server}\n[auth]\n{auth}\n[presence]\n{presence}\n[openim]\n{openim}\n")
    }

    /// Every configured secret: none of them may be written anywhere.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secret.iter().chain(&self.previous_secrets).map(String::as_str)
    }
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
            let text = settings.to_toml("[server]\nlisten = \"127.0.0.1:0\"");
            assert_eq!(Settings::from_toml(&text).unwrap(), settings, "{text}");
        }
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        assert_eq!(Settings::from_toml("").unwrap(), Settings::default());
    }
}
