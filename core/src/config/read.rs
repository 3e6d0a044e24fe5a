//! From the tree to the settings: every key that is at fault is named, and no value of a secret is quoted.
//!
//! Values are taken key by key. A derived reader is code of its own for every struct, stops at the first fault, and
//! knows no path.

use serde_json::Value;

use super::{KEYS, Key, Profile, ReceiveTypes, Settings, StaticToken, tree::Table};
use crate::{id::hex::HexError, openim::DetailStyle, secret::Secret};

/// A key, or the place where one was expected, and what is wrong with it.
pub(super) type Fault = (String, String);

/// The settings that a tree says, over the defaults; or what is wrong with it.
pub(super) fn settings(tree: &Table) -> Result<Settings, Vec<Fault>> {
    let mut settings = Settings::default();
    let mut faults = Vec::new();
    visit(&mut settings, tree, "", &mut faults);
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

fn visit(settings: &mut Settings, table: &Table, prefix: &str, faults: &mut Vec<Fault>) {
    for (name, value) in table {
        let path = format!("{prefix}{name}");
        let section = format!("{path}.");
        // A name between quotes may have a dot in it; none of ours has.
        let is_name = !name.contains('.');
        if is_name && path == "auth.tokens" {
            static_tokens(settings, value, faults);
        } else if let Some(key) = Key::find(&path).filter(|_| is_name) {
            faults.extend(set(settings, key.path, value).err().map(|problem| (path, problem)));
        } else if is_name && KEYS.iter().any(|key| key.path.starts_with(&section)) {
            match value {
                Value::Object(table) => visit(settings, table, &section, faults),
                _ => faults.push((path, "expected a table".to_owned())),
            }
        } else {
            faults.push((path, format!("there is no such key; known here: {}", known(prefix))));
        }
    }
}

fn known(prefix: &str) -> String {
    let rests = KEYS.iter().filter_map(|key| key.path.strip_prefix(prefix));
    let mut names: Vec<&str> = rests.filter_map(|rest| rest.split('.').next()).collect();
    names.dedup();
    names.join(", ")
}

fn set(settings: &mut Settings, path: &str, value: &Value) -> Result<(), String> {
    let Settings { server, auth, presence, limits, openim, message_center } = settings;
    match path {
        "server.listen" => server.listen = text(value)?,
        "server.metrics_listen" => server.metrics_listen = Some(text(value)?),
        "server.data_dir" => server.data_dir = text(value)?,
        "server.trusted_proxies" => server.trusted_proxies = texts(value)?,
        "server.header_timeout_seconds" => server.header_timeout_seconds = count(value)?,
        "server.drain_seconds" => server.drain_seconds = count(value)?,
        "server.max_connections" => server.max_connections = count(value)?,
        "server.max_connections_per_address" => server.max_connections_per_address = Some(count(value)?),
        "server.allowed_origins" => server.allowed_origins = Some(texts(value)?),
        "server.tls.certificate" => server.tls.certificate = Some(text(value)?),
        "server.tls.key" => server.tls.key = Some(text(value)?),
        "auth.secret" => auth.secret = Some(secret(value)?),
        "auth.previous_secrets" => {
            auth.previous_secrets = list(value, "texts", secret)?;
        }
        "auth.admin_user_ids" => auth.admin_user_ids = texts(value)?,
        "auth.token_ttl_days" => auth.token_ttl_days = count(value)?,
        "auth.introspection.url" => auth.introspection.url = Some(text(value)?),
        "auth.introspection.client_id" => auth.introspection.client_id = Some(text(value)?),
        "auth.introspection.client_secret" => auth.introspection.client_secret = Some(secret(value)?),
        "auth.introspection.cache_seconds" => auth.introspection.cache_seconds = count(value)?,
        "presence.multi_login_policy" => presence.multi_login_policy = whole(value)?,
        "presence.max_tokens_per_platform" => presence.max_tokens_per_platform = count(value)?,
        "presence.max_connections_per_user" => presence.max_connections_per_user = count(value)?,
        "presence.grace_seconds" => presence.grace_seconds = Some(count(value)?),
        "presence.lease_seconds" => presence.lease_seconds = count(value)?,
        "presence.directory_shards" => presence.directory_shards = count(value)?,
        "presence.audit_seconds" => presence.audit_seconds = count(value)?,
        "presence.max_records_per_user" => presence.max_records_per_user = count(value)?,
        "limits.handshakes_per_minute" => limits.handshakes_per_minute = Some(count(value)?),
        "limits.token_requests_per_minute" => limits.token_requests_per_minute = Some(count(value)?),
        "openim.errdlt_style" => {
            openim.errdlt_style = choice(value, ["seed", "v38"], [DetailStyle::Seed, DetailStyle::V38])?;
        }
        "openim.max_user_ids" => openim.max_user_ids = count(value)?,
        "message_center.profile" => {
            message_center.profile = choice(value, ["secure", "open"], [Profile::Secure, Profile::Open])?;
        }
        "message_center.receive_types" => {
            let types = [ReceiveTypes::Extended, ReceiveTypes::Strict];
            message_center.receive_types = choice(value, ["extended", "strict"], types)?;
        }
        "message_center.off_status" => {
            message_center.off_status = u16::try_from(count(value)?).unwrap_or(u16::MAX);
        }
        "message_center.time_zone" => message_center.time_zone = text(value)?,
        "message_center.retention_days" => message_center.retention_days = count(value)?,
        "message_center.resolver_url" => message_center.resolver_url = Some(text(value)?),
        "message_center.permission_read" => message_center.permission_read = text(value)?,
        "message_center.permission_off" => message_center.permission_off = text(value)?,
        "message_center.operator_client_id" => message_center.operator_client_id = text(value)?,
        "message_center.revoke_pat" => message_center.revoke_pat = flag(value)?,
        // A test sets every key.
        _ => return Err("is not read".to_owned()),
    }
    Ok(())
}

fn static_tokens(settings: &mut Settings, value: &Value, faults: &mut Vec<Fault>) {
    let Value::Array(items) = value else {
        faults.push(("auth.tokens".to_owned(), "expected a list of tables".to_owned()));
        return;
    };
    settings.auth.tokens.clear();
    for (index, item) in items.iter().enumerate() {
        match static_token(item) {
            Ok(token) => settings.auth.tokens.push(token),
            Err(problem) => faults.push((format!("auth.tokens.{index}"), problem)),
        }
    }
}

fn static_token(item: &Value) -> Result<StaticToken, String> {
    let Value::Object(fields) = item else { return Err("expected a table".to_owned()) };
    let required = |name: &str| fields.get(name).ok_or_else(|| format!("missing field `{name}`"));
    let hash = text(required("sha256")?)?.parse().map_err(|error: HexError| format!("sha256: {error}"))?;
    let user = number(required("user_id")?).map_err(|problem| format!("user_id: {problem}"))?;
    let tenant = number(required("tenant_id")?).map_err(|problem| format!("tenant_id: {problem}"))?;
    let mut token = StaticToken::new(hash, user, tenant);
    for (name, value) in fields {
        set_of_token(&mut token, name, value).map_err(|problem| format!("{name}: {problem}"))?;
    }
    Ok(token)
}

fn set_of_token(token: &mut StaticToken, name: &str, value: &Value) -> Result<(), String> {
    match name {
        "sha256" | "user_id" | "tenant_id" => {}
        "username" => token.username = Some(text(value)?),
        "full_name" => token.full_name = Some(text(value)?),
        "client_id" => token.client_id = Some(text(value)?),
        "sys_admin" => token.sys_admin = flag(value)?,
        "permissions" => token.permissions = texts(value)?,
        "avatar" => token.avatar = Some(text(value)?),
        "device_id" => token.device_id = Some(text(value)?),
        "dept_ids" => token.dept_ids = list(value, "numbers", number)?,
        "group_ids" => token.group_ids = list(value, "numbers", number)?,
        "active" => token.active = flag(value)?,
        _ => return Err("there is no such field".to_owned()),
    }
    Ok(())
}

fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| "expected text".to_owned())
}

fn secret(value: &Value) -> Result<Secret<String>, String> {
    text(value).map(Secret::new)
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "expected true or false".to_owned())
}

fn whole(value: &Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| "expected a whole number".to_owned())
}

fn count(value: &Value) -> Result<u32, String> {
    u32::try_from(whole(value)?).map_err(|_| format!("expected 0 to {}", u32::MAX))
}

/// A 64-bit number, which may be written as text.
fn number(value: &Value) -> Result<i64, String> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    number.ok_or_else(|| "expected a 64-bit integer or its decimal text".to_owned())
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    list(value, "texts", text)
}

fn list<T>(value: &Value, of: &str, item: fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    let items = value.as_array().and_then(|items| items.iter().map(|value| item(value).ok()).collect());
    items.ok_or_else(|| format!("expected {of} in a list"))
}

fn choice<T: Copy>(value: &Value, names: [&str; 2], choices: [T; 2]) -> Result<T, String> {
    let name = text(value)?;
    let chosen = names.iter().zip(choices).find(|(known, _)| **known == name);
    let [one, other] = names;
    chosen
        .map(|(_, choice)| choice)
        .ok_or_else(|| format!("unknown variant `{name}`, expected `{one}` or `{other}`"))
}
