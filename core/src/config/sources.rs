//! Reading the sources, in their order.

use serde_json::Value;

use super::{
    ConfigError, Key, Kind, Runtime, Settings, read, text,
    tree::{self, Table},
};

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
        let variables = read_variables(variables)?;
        let mut tree = text::read(source, toml)?;
        tree::lay_over(&mut tree, &variables);
        let settings = read::settings(&tree).map_err(|faults| {
            let variables = Value::Object(variables);
            let line = |(path, problem): (String, String)| {
                let from = if tree::has(&variables, &path) { "variables" } else { source };
                format!("{path}: {problem} ({from})")
            };
            ConfigError::new(faults.into_iter().map(line).collect())
        })?;
        settings.check(runtime)?;
        Ok(settings)
    }
}

/// The variables as a tree.
fn read_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Table, ConfigError> {
    let mut tree = Table::new();
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let key = Key::find(&path)
            .ok_or_else(|| ConfigError::at(&path, format_args!("there is no such key (variable {name})")))?;
        let value = parse(key.kind, &text).map_err(|expected| {
            ConfigError::at(&path, format_args!("expected {expected} (variable {name})"))
        })?;
        tree::insert(&mut tree, &path, value);
    }
    Ok(tree)
}

/// A variable's text as a value of the key's type; else what was expected.
fn parse(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text | Kind::Secret => Ok(Value::from(text)),
        Kind::Integer => text.trim().parse::<i64>().map(Value::from).map_err(|_| "a whole number"),
        Kind::Bool => text.trim().parse::<bool>().map(Value::from).map_err(|_| "true or false"),
        Kind::Texts | Kind::Secrets => {
            Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect())
        }
        Kind::Toml => text::read_value(text).ok_or("a TOML value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::StaticToken, openim::DetailStyle, policy::LoginPolicy};

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

    fn token_with(line: &str) -> String {
        format!("[[auth.tokens]]\nsha256 = '{}'\nuser_id = 1\ntenant_id = 1\n{line}", "ab".repeat(32))
    }

    #[test]
    fn every_field_of_a_static_token_is_read() {
        let fields = "username = 'u'\nfull_name = 'f'\nclient_id = 'c'\nsys_admin = true\n\
            permissions = ['p']\navatar = 'a'\ndevice_id = 'd'\ndept_ids = [1, '2']\ngroup_ids = [3]\nactive = false";
        let settings = load(&token_with(fields), &[]).unwrap();
        let token = &settings.auth.tokens[0];
        assert_eq!(
            *token,
            StaticToken {
                username: Some("u".into()),
                full_name: Some("f".into()),
                client_id: Some("c".into()),
                sys_admin: true,
                permissions: vec!["p".into()],
                avatar: Some("a".into()),
                device_id: Some("d".into()),
                dept_ids: vec![1, 2],
                group_ids: vec![3],
                active: false,
                ..StaticToken::new("ab".repeat(32).parse().unwrap(), 1, 1)
            }
        );
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
            ("[auth]\ntokens = 1", &[], "auth.tokens: expected a list"),
            ("[auth]\ntokens = [1]", &[], "auth.tokens.0: expected a table"),
            (
                "[[auth.tokens]]\nsha256 = 'x'\nuser_id = 1\ntenant_id = 1",
                &[],
                "auth.tokens.0: sha256: not lower-case",
            ),
            (&token_with("user = 'x'"), &[], "auth.tokens.0: user: there is no such field"),
            (&token_with("dept_ids = ['x']"), &[], "auth.tokens.0: dept_ids: expected numbers in a list"),
            (
                "[presence]\naudit_seconds = 4294967296",
                &[],
                "presence.audit_seconds: expected 0 to 4294967295",
            ),
            ("[message_center]\nrevoke_pat = 1", &[], "message_center.revoke_pat: expected true or false"),
            ("[[auth.tokens]]\nuser_id = 1\ntenant_id = 1", &[], "auth.tokens.0: missing field `sha256`"),
            ("auth = 1", &[], "auth: expected a table"),
            ("[auth.introspection]\nurl = 5", &[], "auth.introspection.url: "),
            ("'auth.secret' = '12345678'", &[], "rollcall.toml"),
            ("[presence]\ngrace_seconds = 1.5", &[], "presence.grace_seconds: no key takes a fraction"),
            ("[presence]\ngrace_seconds = nan", &[], "presence.grace_seconds: no key takes a fraction"),
            ("[presence]\ngrace_seconds = -1", &[], "presence.grace_seconds: "),
            (
                "[presence]\ngrace_seconds = 99999999999999999999",
                &[],
                "presence.grace_seconds: expected a 64",
            ),
            ("[server]\nlisten = 2026-01-01", &[], "server.listen: no key takes a date"),
            ("[openim]\nmax_user_ids = 0\n[auth]\nsecret = ['12345678']", &[], "auth.secret: expected text"),
            ("[auth]\nsecret = '12345678", &[], "rollcall.toml, line 2: "),
            (
                "",
                &[("ROLLCALL__OPENIM__ERRDLT_STYLE", "nice")],
                "openim.errdlt_style: unknown variant `nice`",
            ),
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
    fn every_key_at_fault_is_named_with_where_it_stands() {
        let toml = "[server]\nport = 1\n[presence]\nlease_seconds = 'x'\naudit_seconds = 9";
        let error = load(toml, &[("ROLLCALL__AUTH__TOKENS", "[{ user_id = 1 }]")]).unwrap_err();
        let mut lines: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
        lines.sort_unstable();
        let starts = ["auth.tokens.0: ", "presence.lease_seconds: ", "server.port: there is no such key"];
        assert_eq!(lines.len(), starts.len(), "{error}");
        assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{error}");
        assert!(lines[2].contains("known here: listen, data_dir, trusted_proxies, header_timeout_seconds"));
        assert!(lines[2].ends_with("(rollcall.toml)"), "{error}");
        assert!(lines[1].ends_with("(rollcall.toml)"), "{error}");
        assert!(lines[0].ends_with("(variables)"), "{error}");
    }

    #[test]
    fn a_good_variable_covers_a_bad_value_of_the_text() {
        let toml = "[presence]\nlease_seconds = 'x'";
        let settings = load(toml, &[("ROLLCALL__PRESENCE__LEASE_SECONDS", "7")]).unwrap();
        assert_eq!(settings.presence.lease_seconds, 7);
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
                ("server.listen" | "server.metrics_listen" | "server.trusted_proxies", _) => "127.0.0.1:1",
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
            let pair = [("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")];
            let other = pair.iter().find(|(one, _)| name == format!("ROLLCALL__SERVER__TLS__{one}"));
            let other = other.map(|(_, other)| format!("ROLLCALL__SERVER__TLS__{other}"));
            variables.extend(other.as_deref().map(|other| (other, text)));
            if let Err(error) = load("", &variables) {
                panic!("{}: {error}", key.path);
            }
        }
    }
}
