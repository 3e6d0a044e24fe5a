//! Reading the sources, in their order.

use figment::{
    Figment, Metadata, Profile, Provider,
    error::Kind as Fault,
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};

use super::{ConfigError, Key, Kind, Runtime, Settings};

/// Variables of the environment (or of the Worker) that hold a key begin with this.
pub const VARIABLE_PREFIX: &str = "ROLLCALL__";

impl Settings {
    /// Merges the TOML text and the variables into the defaults, and checks the result.
    ///
    /// `source` names the text in errors. Variables that do not begin with [`VARIABLE_PREFIX`] are passed over.
    ///
    /// # Errors
    /// Names every key that is unknown, of the wrong type or impossible.
    pub fn load(
        runtime: Runtime,
        source: &str,
        toml: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let variables = Variables::read(variables)?;
        let settings: Self =
            Figment::from(Toml::string(toml)).merge(variables).extract().map_err(|error| {
                ConfigError::new(error.into_iter().map(|one| describe(&one, source)).collect())
            })?;
        settings.check(runtime)?;
        Ok(settings)
    }
}

/// The variables as a tree.
struct Variables(Dict);

impl Variables {
    fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut tree = Dict::new();
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let key = Key::find(&path).ok_or_else(|| {
                ConfigError::at(&path, format_args!("there is no such key (variable {name})"))
            })?;
            let value = parse(key.kind, &text).map_err(|expected| {
                ConfigError::at(&path, format_args!("expected {expected} (variable {name})"))
            })?;
            insert(&mut tree, &path, value);
        }
        Ok(Self(tree))
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named(VARIABLES)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

const VARIABLES: &str = "variables";

/// A variable's text as a value of the key's type; else what was expected.
fn parse(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text | Kind::Secret => Ok(Value::from(text)),
        Kind::Integer => text.trim().parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
        Kind::Bool => text.trim().parse::<bool>().map(Value::from).map_err(|_| "true or false"),
        Kind::Texts | Kind::Secrets => Ok(Value::from(
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect::<Vec<_>>(),
        )),
        Kind::Toml => {
            let document = Toml::string(&format!("value = {text}")).nested_free();
            document.ok_or("a TOML value")
        }
    }
}

/// The value of a one-line document `value = …`.
trait OneValue {
    fn nested_free(self) -> Option<Value>;
}

impl<F: figment::providers::Format> OneValue for figment::providers::Data<F> {
    fn nested_free(self) -> Option<Value> {
        self.data().ok()?.remove(&Profile::Default)?.remove("value")
    }
}

fn insert(tree: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let child = tree.entry(first.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, child) = child {
                insert(child, rest, value);
            }
        }
    }
}

/// One fault as a line that begins with the key and never quotes a secret's value.
fn describe(error: &figment::Error, source: &str) -> String {
    let key = error.path.iter().filter(|part| *part != "default").cloned().collect::<Vec<_>>().join(".");
    let from = match error.metadata.as_ref().map(|metadata| metadata.name.as_ref()) {
        Some(VARIABLES) => "variables",
        _ => source,
    };
    let secret = Key::find(&key)
        .or_else(|| {
            Key::find(
                error.path.split_last().map(|(_, parent)| parent.join(".")).unwrap_or_default().as_str(),
            )
        })
        .is_some_and(|key| matches!(key.kind, Kind::Secret | Kind::Secrets));
    let problem = match &error.kind {
        Fault::UnknownField(name, known) => {
            let full = match key.as_str() {
                "" => name.clone(),
                parent if parent.rsplit('.').next() == Some(name) => key,
                parent => format!("{parent}.{name}"),
            };
            return format!("{full}: there is no such key; known here: {} ({from})", known.join(", "));
        }
        Fault::MissingField(name) => return format!("{key}.{name}: is required ({from})"),
        _ if secret => "expected text".to_owned(),
        other => other.to_string(),
    };
    if key.is_empty() { format!("{problem} ({from})") } else { format!("{key}: {problem} ({from})") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{openim::DetailStyle, policy::LoginPolicy};

    fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(Runtime::Origin, "rollcall.toml", toml, variables).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_gives_the_defaults() {
        let settings = load("", &[("HOME", "/"), ("ROLLCALL_LOG", "trace")]).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.policy(), Some(LoginPolicy::OnePerPlatform));
    }

    #[test]
    fn variables_win_over_the_text_and_are_read_by_the_keys_type() {
        let toml = "[auth]\nsecret = 'from the file'\n[presence]\nmulti_login_policy = 4";
        let settings = load(
            toml,
            &[
                ("ROLLCALL__AUTH__SECRET", "1234567890"),
                ("ROLLCALL__AUTH__ADMIN_USER_IDS", "root, 42"),
                ("ROLLCALL__PRESENCE__GRACE_SECONDS", "7"),
                ("ROLLCALL__OPENIM__ERRDLT_STYLE", "v38"),
                ("ROLLCALL__MESSAGE_CENTER__REVOKE_PAT", "true"),
                (
                    "ROLLCALL__AUTH__TOKENS",
                    &format!("[{{ sha256 = '{}', user_id = '7', tenant_id = 1 }}]", "ab".repeat(32)),
                ),
            ],
        )
        .unwrap();
        assert!(settings.auth.secret.as_ref().unwrap().matches("1234567890"));
        assert_eq!(settings.auth.admin_user_ids, ["root", "42"]);
        assert_eq!(settings.presence.grace_seconds, Some(7));
        assert_eq!(settings.presence.multi_login_policy, 4);
        assert_eq!(settings.openim.errdlt_style, DetailStyle::V38);
        assert!(settings.message_center.revoke_pat);
        assert_eq!(settings.auth.tokens[0].user_id, 7);
    }

    #[test]
    fn every_error_names_the_key_and_none_shows_a_secret() {
        for (toml, variables, wanted) in [
            ("[server]\nport = 1", &[][..], "server.port: there is no such key"),
            ("[sever]\nlisten = 'x'", &[], "sever: there is no such key"),
            ("[auth]\nsecret = 12345678", &[], "auth.secret: expected text"),
            ("[auth]\nprevious_secrets = [12345678]", &[], "expected text"),
            ("[auth]\nsecret = 'short'", &[], "auth.secret: "),
            ("[presence]\nmulti_login_policy = 2", &[], "presence.multi_login_policy: "),
            ("[presence]\nmulti_login_policy = '1'", &[], "presence.multi_login_policy: "),
            ("[openim]\nmax_user_ids = 999", &[], "openim.max_user_ids: "),
            ("[openim]\nerrdlt_style = 'nice'", &[], "openim.errdlt_style: "),
            ("[[auth.tokens]]\nuser_id = 1\ntenant_id = 1", &[], "sha256"),
            (
                "",
                &[("ROLLCALL__PRESENCE__GRACE_SECONDS", "soon")],
                "presence.grace_seconds: expected a whole number",
            ),
            ("", &[("ROLLCALL__AUTH__SECRE", "12345678")], "auth.secre: there is no such key"),
            ("not toml", &[], "rollcall.toml"),
        ] {
            let error = load(toml, variables).expect_err(toml);
            assert!(error.contains(wanted), "{toml}: {error}");
            assert!(!error.contains("12345678"), "{error}");
        }
    }

    #[test]
    fn every_key_can_be_set_by_its_variable() {
        for key in super::super::KEYS {
            let name = format!("{VARIABLE_PREFIX}{}", key.path.to_ascii_uppercase().replace('.', "__"));
            let text = match (key.path, key.kind) {
                ("openim.errdlt_style", _) => "seed",
                ("message_center.profile", _) => "open",
                ("message_center.receive_types", _) => "strict",
                ("message_center.time_zone", _) => "UTC",
                ("presence.multi_login_policy", _) => "5",
                ("message_center.off_status", _) => "204",
                ("openim.max_user_ids", _) => "2000",
                ("server.listen" | "server.trusted_proxies", _) => "127.0.0.1:1",
                (_, Kind::Integer) => "12",
                (_, Kind::Bool) => "true",
                (_, Kind::Toml) => "[]",
                _ => "a text of 9",
            };
            let text = if key.path == "server.trusted_proxies" { "127.0.0.1" } else { text };
            let mut variables = vec![(name.as_str(), text)];
            if key.path.starts_with("auth.introspection.client") {
                variables.push(("ROLLCALL__AUTH__INTROSPECTION__URL", "http://127.0.0.1/i"));
            }
            if let Err(error) = load("", &variables) {
                panic!("{}: {error}", key.path);
            }
        }
    }
}
