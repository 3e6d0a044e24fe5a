//! Introspection answers of token issuers: RFC 7662 (`docs/rules/message-center.md#authentication`).

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::Principal;
use crate::{
    id::{TenantId, UserId},
    json::{self, JsonError, Keyed, Number},
    time::Timestamp,
};

/// How long an inactive answer is cached.
pub const NEGATIVE_CACHE: Duration = Duration::from_secs(5);

/// An issuer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introspected {
    /// The token is good; its holder.
    Active(Box<Principal>),
    /// The token is not good, or its holder has no user number or tenant.
    Inactive,
}

impl Introspected {
    /// The instant until which the answer may be cached: never beyond the token's expiry.
    pub fn keep_until(&self, now: Timestamp, at_most: Duration) -> Timestamp {
        match self {
            Self::Inactive => now + NEGATIVE_CACHE,
            Self::Active(principal) => {
                let until = now + at_most;
                principal.expires.map_or(until, |expires| expires.min(until))
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    active: bool,
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    iat: Option<i64>,
    #[serde(default, deserialize_with = "seconds")]
    exp: Option<i64>,
    #[serde(default)]
    permissions: Option<Vec<String>>,
    #[serde(default)]
    principal: Option<Keyed<Holder>>,
}

#[derive(Deserialize)]
struct Holder {
    #[serde(default, deserialize_with = "id")]
    id: Option<i64>,
    #[serde(default, deserialize_with = "id")]
    tenant_id: Option<i64>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    full_name: Option<String>,
    #[serde(default)]
    sys_admin: Option<bool>,
    #[serde(default)]
    user_token: Option<bool>,
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    avatar: Option<String>,
    #[serde(default, deserialize_with = "id")]
    main_dept_id: Option<i64>,
    #[serde(default, deserialize_with = "ids")]
    dept_ids: Vec<i64>,
    #[serde(default, deserialize_with = "ids")]
    group_ids: Vec<i64>,
}

/// Parses the body of an issuer's answer.
///
/// # Errors
/// When it is no answer of RFC 7662. Then the issuer counts as down, and the token as unknown rather than invalid.
pub fn read(body: &[u8], now: Timestamp) -> Result<Introspected, JsonError> {
    let answer: Answer = json::object(body)?;
    let expires = answer.exp.map(Timestamp::from_secs);
    if !answer.active || expires.is_some_and(|expires| expires <= now) {
        return Ok(Introspected::Inactive);
    }
    let Some(Keyed(holder)) = answer.principal else { return Ok(Introspected::Inactive) };
    let (Some(user), Some(tenant)) = (holder.id, holder.tenant_id) else {
        return Ok(Introspected::Inactive);
    };
    let username = holder.username.unwrap_or_else(|| user.to_string());
    let departments =
        if holder.dept_ids.is_empty() { holder.main_dept_id.into_iter().collect() } else { holder.dept_ids };
    Ok(Introspected::Active(Box::new(Principal {
        user: UserId::from(user),
        full_name: holder.full_name.filter(|name| !name.is_empty()),
        username,
        tenant: TenantId(tenant),
        client: answer.client_id,
        sys_admin: holder.sys_admin.unwrap_or_default(),
        permissions: answer.permissions.unwrap_or_default(),
        personal: holder.user_token.unwrap_or_default(),
        avatar: holder.avatar,
        device_id: holder.device_id,
        issued_at: answer.iat.map(Timestamp::from_secs),
        expires,
        departments,
        groups: holder.group_ids,
    })))
}

/// Issuers write numbers and instants as integers, floats or texts.
#[allow(clippy::cast_possible_truncation, reason = "`as` saturates, and times that far away are alike")]
fn whole(number: Number) -> Option<i64> {
    match number {
        Number::Whole(number) => Some(number),
        Number::Fraction(number) => Some(number as i64),
        Number::Text(number) => number,
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.and_then(whole))
}

/// An id written as a float may have lost digits, and would name another user.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let exact = |number| if matches!(number, Number::Fraction(_)) { None } else { whole(number) };
    Ok(Option::<Number>::deserialize(deserializer)?.and_then(exact))
}

fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    let all = Option::<Vec<Number>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(all.into_iter().filter_map(whole).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn read_text(body: &str) -> Introspected {
        read(body.as_bytes(), NOW).unwrap()
    }

    fn active(body: &str) -> Principal {
        match read_text(body) {
            Introspected::Active(principal) => *principal,
            Introspected::Inactive => panic!("inactive"),
        }
    }

    #[test]
    fn an_active_answer_names_its_holder() {
        let body = r#"{"active":true,"client_id":"xcan_tp","iat":900,"exp":"2000","scope":"x",
            "permissions":["OnlineUser"],"principal":{"id":"101","username":"zs","full_name":"Zhang San",
            "tenant_id":1,"sys_admin":false,"user_token":true,"main_dept_id":11,"device_id":"d"}}"#;
        let principal = active(body);
        assert_eq!((principal.user.as_str(), principal.tenant), ("101", TenantId(1)));
        assert_eq!((principal.name(), principal.personal), ("Zhang San", true));
        assert_eq!(principal.departments, [11]);
        assert_eq!(principal.issued_at, Some(Timestamp::from_secs(900)));
        assert_eq!(principal.expires, Some(Timestamp::from_secs(2_000)));
    }

    #[test]
    fn a_holder_without_number_or_tenant_is_nobody() {
        for principal in ["null", "{}", r#"{"id":1}"#, r#"{"tenant_id":1}"#, r#"{"id":1.5,"tenant_id":1}"#] {
            let body = format!(r#"{{"active":true,"principal":{principal}}}"#);
            assert_eq!(read_text(&body), Introspected::Inactive, "{principal}");
        }
        assert_eq!(read_text(r#"{"active":true}"#), Introspected::Inactive);
        assert_eq!(read_text(r#"{"active":false}"#), Introspected::Inactive);
        let expired = r#"{"active":true,"exp":1000,"principal":{"id":1,"tenant_id":1}}"#;
        assert_eq!(read_text(expired), Introspected::Inactive);
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_not_a_no() {
        for body in
            ["", "[]", "{}", "<html>", r#"{"active":"true"}"#, r#"{"active":true,"principal":["1","1"]}"#]
        {
            assert!(read(body.as_bytes(), NOW).is_err(), "{body}");
        }
    }

    #[test]
    fn an_answer_is_not_remembered_beyond_the_tokens_end() {
        let keep = |exp: &str| {
            let body = format!(r#"{{"active":true{exp},"principal":{{"id":1,"tenant_id":1}}}}"#);
            read_text(&body).keep_until(NOW, Duration::from_secs(30)).secs()
        };
        assert_eq!(keep(""), 1_030);
        assert_eq!(keep(",\"exp\":1010"), 1_010);
        assert_eq!(keep(",\"exp\":9999"), 1_030);
        assert_eq!(Introspected::Inactive.keep_until(NOW, Duration::from_secs(30)).secs(), 1_005);
    }
}
