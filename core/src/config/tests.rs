//! Reading and checking a configuration, `rollcall.default.toml` beside it.

use std::{collections::BTreeMap, fs};

use serde_json::Value as Json;
use toml::{Table, Value};

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
            ("ROLLCALL__MESSAGE_CENTER__RESOLVER_URL", "http://127.0.0.1:9/members"),
            ("ROLLCALL__SERVER__TRUSTED_PROXIES", "10.0.0.1, 10.244.0.0/16"),
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
    assert_eq!(settings.message_center.resolver_url.unwrap().to_string(), "http://127.0.0.1:9/members");
    let proxies: Vec<_> = settings.server.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.1", "10.244.0.0/16"]);
    assert_eq!(settings.auth.tokens[0].user_id, 7);
}

#[test]
fn a_variable_with_too_few_underscores_is_known_for_the_one_that_is_meant() {
    for (name, meant) in [
        ("ROLLCALL_AUTH_SECRET", Some("ROLLCALL__AUTH__SECRET")),
        ("ROLLCALL_AUTH__SECRET", Some("ROLLCALL__AUTH__SECRET")),
        ("rollcall__auth__secret", Some("ROLLCALL__AUTH__SECRET")),
        ("ROLLCALL_SERVER_DATA_DIR", Some("ROLLCALL__SERVER__DATA_DIR")),
        ("ROLLCALL_SERVER_TLS_KEY", Some("ROLLCALL__SERVER__TLS__KEY")),
        ("ROLLCALL_AUTH_INTROSPECTION_CLIENT_SECRET", Some("ROLLCALL__AUTH__INTROSPECTION__CLIENT_SECRET")),
        ("ROLLCALL_MESSAGE_CENTER_REVOKE_PAT", Some("ROLLCALL__MESSAGE_CENTER__REVOKE_PAT")),
        ("ROLLCALL_PRESENCE_MAX_TOKENS_PER_PLATFORM", Some("ROLLCALL__PRESENCE__MAX_TOKENS_PER_PLATFORM")),
        // Read, or refused, as it is.
        ("ROLLCALL__AUTH__SECRET", None),
        ("ROLLCALL__AUTH_SECRET", None),
        // Of others, or ours that are no keys.
        ("ROLLCALL_URL", None),
        ("ROLLCALL_LOG_FORMAT", None),
        ("ROLLCALL_CONFIG", None),
        ("ROLLCALL_SERVICE_HOST", None),
        ("ROLLCALL_PORT_10002_TCP_ADDR", None),
        ("ROLLCALL_AUTH_SECRET_WORD", None),
        ("AUTH_SECRET", None),
        ("ROLLCALL_A_B_C_D_E_F_G_H_I_J_K_L_M_N_O_P_Q_R_S_T_U_V_W_X_Y_Z", None),
    ] {
        assert_eq!(meant_variable(name).as_deref(), meant, "{name}");
    }
}

/// The pages name every key's variable, and each is found by its words.
#[test]
fn every_key_is_known_with_one_underscore() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../rollcall.default.toml")).unwrap();
    let variables = text.split_whitespace().filter(|word| word.starts_with(VARIABLE_PREFIX));
    let mut seen = 0;
    for variable in variables {
        let variable = variable.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        assert_eq!(meant_variable(&variable.replace("__", "_")).as_deref(), Some(variable));
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
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
            full_name: Some("f".into()),
            client_id: Some("c".into()),
            sys_admin: true,
            permissions: vec!["p".into()],
            avatar: Some("a".into()),
            device_id: Some("d".into()),
            dept_ids: vec![1, 2],
            group_ids: vec![3],
            active: false,
            sha256: "ab".repeat(32).parse().unwrap(),
            user_id: 1,
            tenant_id: 1,
            username: Some("u".into()),
        }
    );
}

#[test]
fn every_error_names_the_key_and_none_shows_a_secret() {
    for (toml, variables, wanted) in [
        ("[server]\nport = 1", &[][..], "server.port: there is no such key"),
        ("[sever]\nlisten = 'x'", &[], "sever: there is no such key"),
        ("[auth]\nsecret = 12345678", &[], "auth.secret: expected text"),
        ("[auth]\nprevious_secrets = [12345678]", &[], "auth.previous_secrets[0]: expected text"),
        ("[auth]\nsecret = 'short'", &[], "auth.secret: "),
        ("[presence]\nmulti_login_policy = 2", &[], "presence.multi_login_policy: "),
        ("[presence]\nmulti_login_policy = '1'", &[], "presence.multi_login_policy: "),
        ("[openim]\nmax_user_ids = 999", &[], "openim.max_user_ids: "),
        ("[openim]\nerrdlt_style = 'nice'", &[], "openim.errdlt_style: "),
        ("[message_center]\npermission_read = ' '", &[], "message_center.permission_read: expected a text"),
        (
            "",
            &[("ROLLCALL__MESSAGE_CENTER__PERMISSION_OFF", "")],
            "message_center.permission_off: expected a text",
        ),
        (
            &format!("{}\n{}", token_with(""), token_with("sys_admin = true")),
            &[],
            "auth.tokens[1].sha256: stands in auth.tokens[0] too",
        ),
        ("[auth]\ntokens = 1", &[], "auth.tokens: expected a list"),
        ("[auth]\ntokens = [1]", &[], "auth.tokens[0]: expected a table"),
        (
            "[[auth.tokens]]\nsha256 = 'x'\nuser_id = 1\ntenant_id = 1",
            &[],
            "auth.tokens[0].sha256: not lower-case",
        ),
        (&token_with("user = 'x'"), &[], "auth.tokens[0].user: there is no such key"),
        (&token_with("dept_ids = ['x']"), &[], "auth.tokens[0].dept_ids[0]: expected a 64-bit integer"),
        (
            "[presence]\naudit_seconds = 4294967296",
            &[],
            "presence.audit_seconds: expected a whole number from 0 to 4294967295",
        ),
        ("[audit]\nretention_days = 0", &[], "audit.retention_days: "),
        ("[audit]\nmax_rows = 0", &[], "audit.max_rows: "),
        ("[message_center]\nrevoke_pat = 1", &[], "message_center.revoke_pat: expected true or false"),
        ("[[auth.tokens]]\nuser_id = 1\ntenant_id = 1", &[], "auth.tokens[0]: missing field `sha256`"),
        ("auth = 1", &[], "auth: expected a table"),
        ("[auth.introspection]\nurl = 5", &[], "auth.introspection.url: expected text"),
        ("[auth.introspection]\nurl = 'not a url'", &[], "auth.introspection.url: expected a URL"),
        ("[message_center]\nresolver_url = 'nope'", &[], "message_center.resolver_url: expected a URL"),
        (
            "[message_center]\nresolver_url = 'http://u:12345678@h/'",
            &[],
            "message_center.resolver_url: expected a URL",
        ),
        (
            "",
            &[("ROLLCALL__MESSAGE_CENTER__RESOLVER_URL", "")],
            "message_center.resolver_url: expected a URL",
        ),
        (
            "[message_center]\ntime_zone = 'Mars/Olympus'",
            &[],
            "message_center.time_zone: expected the IANA name",
        ),
        ("[server]\nallowed_origins = ['*']", &[], "server.allowed_origins: expected SCHEME"),
        ("[limits]\nhandshakes_per_minute = 0", &[], "limits.handshakes_per_minute: expected at least 1"),
        (
            "[limits]\ntoken_requests_per_minute = 0",
            &[],
            "limits.token_requests_per_minute: expected at least 1",
        ),
        (
            "[server]\ntrusted_proxies = ['10.0.0.1', 'proxy']",
            &[],
            "server.trusted_proxies[1]: expected an IP address or a network",
        ),
        (
            "",
            &[("ROLLCALL__SERVER__TRUSTED_PROXIES", "10.0.0.1, proxy")],
            "server.trusted_proxies[1]: expected an IP address or a network",
        ),
        ("'auth.secret' = '12345678'", &[], "rollcall.toml"),
        ("[edge]\njurisdiction = 'europe'", &[], "edge.jurisdiction: expected "),
        ("[edge]\nlocation_hint = 'mars'", &[], "edge.location_hint: expected "),
        ("[presence]\ngrace_seconds = 1.5", &[], "presence.grace_seconds: expected a whole number"),
        ("[presence]\ngrace_seconds = nan", &[], "presence.grace_seconds: expected a whole number"),
        ("[presence]\ngrace_seconds = -1", &[], "presence.grace_seconds: "),
        (
            "[presence]\ngrace_seconds = 99999999999999999999",
            &[],
            "presence.grace_seconds: expected a number of 64 bits",
        ),
        ("[server]\nlisten = 2026-01-01", &[], "server.listen: expected no date"),
        ("[[auth.tokens]]\npermissions = [2026-01-01]", &[], "auth.tokens.permissions: expected no date"),
        ("[openim]\nmax_user_ids = 0\n[auth]\nsecret = ['12345678']", &[], "auth.secret: expected text"),
        ("[auth]\nsecret = '12345678", &[], "rollcall.toml, line 2: "),
        ("", &[("ROLLCALL__OPENIM__ERRDLT_STYLE", "nice")], "openim.errdlt_style: expected `seed` or `v38`"),
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

/// The platform's names are those of the configuration.
#[test]
fn places_of_objects_are_written_as_the_platform_names_them() {
    for name in ["eu", "us", "fedramp", "fedramp-high"] {
        let settings = load("", &[("ROLLCALL__EDGE__JURISDICTION", name)]).unwrap();
        assert_eq!(settings.edge.jurisdiction.name(), Some(name));
    }
    let hints = "wnam enam sam weur eeur apac apac-ne apac-se oc afr me";
    for name in hints.split(' ') {
        let settings = load(&format!("[edge]\nlocation_hint = '{name}'"), &[]).unwrap();
        assert_eq!(settings.edge.location_hint.name(), Some(name));
    }
    let none = load("[edge]\njurisdiction = 'none'\nlocation_hint = 'none'", &[]).unwrap().edge;
    assert_eq!((none.jurisdiction.name(), none.location_hint.name()), (None, None));
}

#[test]
fn every_key_at_fault_is_named_with_where_it_stands() {
    let toml = "[server]\nport = 1\n[presence]\nlease_seconds = 'x'\naudit_seconds = 9";
    let error = load(toml, &[("ROLLCALL__AUTH__TOKENS", "[{ user_id = 1 }]")]).unwrap_err();
    let mut lines: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
    lines.sort_unstable();
    let starts = ["auth.tokens[0]: ", "presence.lease_seconds: ", "server.port: there is no such key"];
    assert_eq!(lines.len(), starts.len(), "{error}");
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{error}");
    assert!(lines[2].contains("known here: listen, data_dir, trusted_proxies, header_timeout_seconds"));
    assert!(lines[2].ends_with("(rollcall.toml)"), "{error}");
    assert!(lines[1].ends_with("(rollcall.toml)"), "{error}");
    assert!(lines[0].ends_with("(variable ROLLCALL__AUTH__TOKENS)"), "{error}");
}

#[test]
fn a_good_variable_covers_a_bad_value_of_the_text() {
    let toml = "[presence]\nlease_seconds = 'x'";
    let settings = load(toml, &[("ROLLCALL__PRESENCE__LEASE_SECONDS", "7")]).unwrap();
    assert_eq!(settings.presence.lease_seconds, 7);
}

/// `rollcall.default.toml`.
fn default_file() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../rollcall.default.toml")).unwrap()
}

/// Every key that the settings have, with its default; `null` for none.
fn keys() -> BTreeMap<String, Json> {
    fn visit(prefix: &str, value: Json, keys: &mut BTreeMap<String, Json>) {
        match value {
            Json::Object(members) => members.into_iter().for_each(|(name, value)| {
                let dot = if prefix.is_empty() { "" } else { "." };
                visit(&format!("{prefix}{dot}{name}"), value, keys);
            }),
            value => assert!(keys.insert(prefix.to_owned(), value).is_none()),
        }
    }
    let mut keys = BTreeMap::new();
    visit("", serde_json::to_value(Settings::default()).unwrap(), &mut keys);
    assert!(keys.len() > 40, "{keys:?}");
    keys
}

/// A line of the file that sets a key, or would.
#[derive(Debug)]
struct Entry {
    section: String,
    name: String,
    /// The assignment, without the sign of a comment.
    line: String,
    is_comment: bool,
    /// The sentences above it.
    words: String,
    /// The sentences above its section.
    section_words: String,
}

impl Entry {
    fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.path().to_ascii_uppercase().replace('.', "__"))
    }

    fn value(&self) -> Value {
        self.line.parse::<Table>().unwrap().remove(&self.name).unwrap()
    }
}

fn entries() -> Vec<Entry> {
    let (mut entries, mut section, mut words) = (Vec::<Entry>::new(), String::new(), String::new());
    let mut section_words = String::new();
    for line in default_file().lines() {
        let assignment =
            line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        if line.is_empty() {
            words.clear();
        } else if let Some(name) = line.strip_prefix('[') {
            section = name.strip_suffix(']').unwrap().to_owned();
            section_words = std::mem::take(&mut words);
        } else if line.starts_with('#') && assignment.is_none() {
            words.push_str(line.strip_prefix("# ").or_else(|| line.strip_prefix('#')).unwrap());
            words.push('\n');
        } else {
            let text = assignment.unwrap_or(line);
            let (name, _) = text.split_once(" = ").unwrap_or_else(|| panic!("no assignment: {line}"));
            entries.push(Entry {
                section: section.clone(),
                name: name.to_owned(),
                line: text.to_owned(),
                is_comment: assignment.is_some(),
                words: words.clone(),
                section_words: section_words.clone(),
            });
        }
    }
    entries
}

#[test]
fn the_default_file_changes_nothing() {
    for runtime in [Runtime::Origin, Runtime::Edge] {
        let loaded = Settings::load(runtime, "rollcall.default.toml", &default_file(), []).unwrap();
        assert_eq!(loaded, Settings::default());
        assert_eq!(loaded.grace(runtime), Settings::default().grace(runtime));
    }
}

#[test]
fn the_default_file_has_every_key_with_its_default_its_variable_and_a_sentence() {
    let (keys, entries) = (keys(), entries());
    let in_file: std::collections::BTreeSet<String> = entries.iter().map(Entry::path).collect();
    let missing: Vec<_> = keys.keys().filter(|key| !in_file.contains(*key)).collect();
    assert!(missing.is_empty(), "not in rollcall.default.toml: {missing:?}");
    for entry in &entries {
        let default = keys.get(&entry.path()).unwrap_or_else(|| panic!("no key: {entry:?}"));
        assert_eq!(entry.is_comment, default.is_null(), "a comment is what has no default: {entry:?}");
        if !entry.is_comment {
            assert_eq!(serde_json::to_value(entry.value()).unwrap(), *default, "{entry:?}");
        }
        let (sentence, variable) = entry.words.trim().rsplit_once("=> ").unwrap_or_default();
        assert!(sentence.trim().ends_with('.') && variable == entry.variable(), "{entry:?}");
    }
    let grace: Vec<_> =
        entries.iter().filter(|entry| entry.name == "grace_seconds").map(Entry::value).collect();
    let of = |runtime| Value::from(i64::try_from(Settings::default().grace(runtime).as_secs()).unwrap());
    assert_eq!(grace, [of(Runtime::Origin), of(Runtime::Edge)], "both defaults");
}

/// The other keys without which this one is refused.
fn companions<'a>(entry: &'a Entry, entries: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
    let beside =
        |other: &&Entry| other.section == entry.section && other.name != entry.name && other.is_comment;
    let depends = matches!(entry.section.as_str(), "server.tls" | "auth.introspection");
    entries.iter().filter(beside).filter(move |_| depends && entry.is_comment)
}

#[test]
fn every_key_of_the_default_file_can_be_set_there_and_by_its_variable() {
    let entries = entries();
    for entry in &entries {
        let mut text = format!("[{}]\n{}\n", entry.section, entry.line);
        // A list of tables has no form between commas.
        let is_of_tables = entry.path() == "auth.tokens";
        let own = if is_of_tables { entry.value().to_string() } else { words(&entry.value()) };
        let mut variables = vec![(entry.variable(), own)];
        for other in companions(entry, &entries) {
            text.push_str(&format!("{}\n", other.line));
            variables.push((other.variable(), words(&other.value())));
        }
        for runtime in [Runtime::Origin, Runtime::Edge] {
            let by_text =
                Settings::load(runtime, "t", &text, []).unwrap_or_else(|error| panic!("{entry:?}: {error}"));
            let by_variable = Settings::load(runtime, "t", "", variables.clone())
                .unwrap_or_else(|error| panic!("{entry:?}: {error}"));
            assert_eq!(by_text, by_variable, "{entry:?}");
            assert_eq!(by_text == Settings::default(), !entry.is_comment, "{entry:?}");
        }
    }
}

/// The example of a key without a default, and another value than the default of any other.
fn another_value(entry: &Entry) -> Value {
    match entry.value() {
        value if entry.is_comment => value,
        Value::Integer(number) => (number + 1).into(),
        Value::String(_) => match entry.name.as_str() {
            "listen" => "127.0.0.1:1",
            "jurisdiction" => "eu",
            "location_hint" => "weur",
            _ => "other",
        }
        .into(),
        value => panic!("{entry:?}: {value}"),
    }
}

#[test]
fn a_key_that_the_other_runtime_alone_reads_is_warned_about() {
    let entries = entries();
    let mut seen = 0;
    for entry in &entries {
        let says = |word: &str| entry.words.contains(word) || entry.section_words.contains(word);
        let (own, other) = match (says("Origin only."), says("Edge only.")) {
            (true, false) => (Runtime::Origin, Runtime::Edge),
            (false, true) => (Runtime::Edge, Runtime::Origin),
            _ if !entry.is_comment => continue,
            _ => (Runtime::Origin, Runtime::Origin),
        };
        let mut text = format!("[{}]\n{} = {}\n", entry.section, entry.name, another_value(entry));
        companions(entry, &entries).for_each(|other| text.push_str(&format!("{}\n", other.line)));
        let warned = |runtime| {
            let warnings = Settings::load(runtime, "t", &text, []).unwrap().warnings(runtime);
            warnings.iter().any(|warning| warning.starts_with(&format!("{} is read ", entry.path())))
        };
        assert_eq!((warned(own), warned(other)), (false, own != other), "{entry:?}");
        seen += usize::from(own != other);
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn what_had_better_not_be_used_is_warned_about() {
    let warnings = |toml: &str| load(toml, &[]).unwrap().warnings(Runtime::Origin);
    assert!(warnings("").is_empty() && warnings(&default_file()).is_empty());
    for (toml, wanted) in [
        ("[auth]\nsecret = 'sixteen bytes of'", "auth.secret is shorter than 32 bytes"),
        ("[server]\ntrusted_proxies = ['0.0.0.0/0']", "server.trusted_proxies has 0.0.0.0/0"),
        ("[server]\ntrusted_proxies = ['10.0.0.0/8', '::/0']", "server.trusted_proxies has ::/0"),
        ("[store]\nschema = 'other'", "the keys of store change nothing without store.url"),
        ("[cluster]\nlease_seconds = 6", "the keys of cluster change nothing without store.url"),
        (
            "[auth.introspection]\ncache_seconds = 60",
            "auth.introspection.cache_seconds is above 30, and taken as 30",
        ),
    ] {
        let warnings = warnings(toml);
        assert!(warnings.len() == 1 && warnings[0].starts_with(wanted), "{toml}: {warnings:?}");
    }
    assert!(warnings("[server]\ntrusted_proxies = ['10.0.0.0/8']").is_empty());
    assert!(warnings("[store]\nurl = 'postgres://h/d'\nschema = 'other'").is_empty());
}

/// A value as a variable has it.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[test]
fn a_list_of_tables_is_a_toml_list_in_its_variable() {
    let toml = token_with("");
    for empty in ["[]", " [ ] "] {
        let settings = load(&toml, &[("ROLLCALL__AUTH__TOKENS", empty)]).unwrap();
        assert_eq!(settings.auth.tokens, [], "{empty:?}");
    }
    for other in ["", " ", "a, b", "[1]"] {
        let error = load(&toml, &[("ROLLCALL__AUTH__TOKENS", other)]).unwrap_err();
        assert!(error.contains("auth.tokens: expected a TOML list of inline tables"), "{other:?}: {error}");
    }
    let date =
        format!("[{{ sha256 = '{}', user_id = 1, tenant_id = 1, client_id = 2026-01-02 }}]", "ab".repeat(32));
    let error = load("", &[("ROLLCALL__AUTH__TOKENS", &date)]).unwrap_err();
    assert!(error.contains("auth.tokens.client_id: expected no date"), "{error}");
}

#[test]
fn a_list_is_no_table() {
    let keys = keys();
    let sections: std::collections::BTreeSet<&str> =
        keys.keys().filter_map(|key| key.rsplit_once('.')).map(|(section, _)| section).collect();
    assert!(sections.len() >= 8, "{sections:?}");
    for section in sections {
        for list in ["[]", "['a text of 17 bytes']"] {
            let error = load(&format!("{section} = {list}"), &[]).expect_err(section);
            assert!(error.contains(&format!("{section}: expected a table")), "{error}");
        }
    }
    let error = load(&format!("[auth]\ntokens = [['{}', 1, 1]]", "ab".repeat(32)), &[]).unwrap_err();
    assert!(error.contains("auth.tokens[0]: expected a table"), "{error}");
}

#[test]
fn a_variable_that_no_key_has_is_refused_whatever_else_is_set() {
    let tokens = token_with("");
    for name in [
        "ROLLCALL__",
        "ROLLCALL__AUTH",
        "ROLLCALL__AUTH__TOKENS__0__USER_ID",
        "ROLLCALL__AUTH__SECRET__X",
        "ROLLCALL__SERVER__TLS",
    ] {
        for text in ["x", "5", "{ certificate = 'a', key = 'b' }"] {
            let error = load(&tokens, &[(name, text)]).unwrap_err();
            assert!(error.ends_with(&format!("(variable {name})")), "{error}");
        }
    }
}
