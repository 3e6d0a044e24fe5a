//! One line of an import (`docs/rules/message-center.md#import`).

use std::time::Duration;

use serde::Deserialize;

use super::{
    clean,
    record::{Record, Source, USER_AGENT_BYTES},
    zone::Zone,
};
use crate::{
    id::{RecordId, TenantId},
    json,
    serial::Serial,
    time::Timestamp,
};

/// The longest line, in bytes.
pub const LINE_BYTES: usize = 16 * 1024;

/// The longest texts of a line, in bytes. A longer one was probably meant for another column.
const TEXT_BYTES: usize = 512;
const AVATAR_BYTES: usize = 2048;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(deserialize_with = "json::integer")]
    id: i64,
    #[serde(deserialize_with = "json::integer")]
    tenant_id: i64,
    #[serde(deserialize_with = "json::integer")]
    user_id: i64,
    #[serde(default)]
    full_name: Option<String>,
    #[serde(default)]
    avatar: Option<String>,
    #[serde(default)]
    user_agent: Option<String>,
    #[serde(default)]
    device_id: Option<String>,
    #[serde(default)]
    remote_address: Option<String>,
    online_date: String,
    #[serde(default)]
    offline_date: Option<String>,
    #[serde(default)]
    lease_until: Option<String>,
}

/// Parses one line. `lease` is for an online record without a lease of its own (`presence.lease_seconds`), `zone` for dates
/// without an offset.
///
/// # Errors
/// The first problem, as a text for the author of the file.
pub fn parse_line(line: &[u8], now: Timestamp, lease: Duration, zone: &Zone) -> Result<Record, String> {
    let line: Line = json::object(line).map_err(|error| error.to_string())?;
    let id = RecordId::from_number(line.id).ok_or("id: expected a positive number")?;
    let instant = |name: &str, text: &str| {
        let wanted = "such as 2025-07-16T09:00:00Z, 2025-07-16 09:00:00 or 2025-07-16";
        zone.parse(text).ok_or_else(|| format!("{name}: expected a date, {wanted}"))
    };
    let online_at = instant("onlineDate", &line.online_date)?;
    let offline_at = line.offline_date.map(|text| instant("offlineDate", &text)).transpose()?;
    if offline_at.is_some_and(|end| end < online_at) {
        return Err("offlineDate: expected none before onlineDate".to_owned());
    }
    let lease_until = match (offline_at, line.lease_until) {
        (Some(_), _) => None,
        (None, Some(text)) => Some(instant("leaseUntil", &text)?),
        (None, None) => Some(now + lease),
    };
    let text = |name: &str, text: Option<String>, most: usize| match text {
        Some(text) if is_longer(&text, most) => Err(format!("{name}: expected at most {most} bytes")),
        Some(text) if !text.is_empty() => Ok(text),
        _ => Ok("unknown".to_owned()),
    };
    if line.avatar.as_ref().is_some_and(|avatar| is_longer(avatar, AVATAR_BYTES)) {
        return Err(format!("avatar: expected at most {AVATAR_BYTES} bytes"));
    }
    Ok(Record {
        id,
        tenant: TenantId(line.tenant_id),
        user: line.user_id,
        full_name: text("fullName", line.full_name, TEXT_BYTES)?,
        avatar: line.avatar.filter(|avatar| !avatar.is_empty()),
        user_agent: text("userAgent", line.user_agent, USER_AGENT_BYTES)?,
        device_id: text("deviceId", line.device_id, TEXT_BYTES)?,
        remote_address: text("remoteAddress", line.remote_address, TEXT_BYTES)?,
        online_at,
        offline_at,
        lease_until,
        source: Source::Import,
        member_of: None,
        under: Serial::UNKNOWN,
        generation: 1,
    })
}

/// Whether a text is longer as it is stored.
fn is_longer(text: &str, most: usize) -> bool {
    clean(text).len() > most
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);
    const LEASE: Duration = Duration::from_secs(90);

    fn read(line: &str) -> Result<Record, String> {
        parse_line(line.as_bytes(), NOW, LEASE, &crate::directory::zone::iana::zone("Asia/Shanghai").unwrap())
    }

    #[test]
    fn a_line_is_a_record() {
        let line = r#"{"id":"9003","tenantId":1,"userId":"102","fullName":"Li Si","userAgent":"curl/8.5.0",
            "deviceId":"dev-b1","remoteAddress":"192.168.1.20","onlineDate":"2025-07-15T08:00:00+08:00",
            "offlineDate":"2025-07-15T10:00:00.500Z","leaseUntil":"2025-07-15T10:00:00Z","other":1}"#;
        let record = read(line).unwrap();
        assert_eq!((record.id.number(), record.tenant, record.user), (9003, TenantId(1), 102));
        assert_eq!(record.online_at, Timestamp::from_secs(1_752_537_600));
        assert_eq!(record.offline_at, Some(Timestamp::from_secs(1_752_573_600)));
        assert_eq!((record.lease_until, record.avatar), (None, None));
    }

    #[test]
    fn what_is_online_has_a_lease_of_its_own_or_the_usual_one() {
        let line = |rest: &str| {
            let line =
                format!(r#"{{"id":1,"tenantId":1,"userId":1,"onlineDate":"2025-07-15T08:00:00Z"{rest}}}"#);
            let record = read(&line).unwrap();
            assert_eq!(record.full_name, "unknown");
            record.lease_until
        };
        assert_eq!(line(""), Some(Timestamp::from_secs(1_090)));
        let until = line(r#","leaseUntil":"2030-01-01T00:00:00Z","offlineDate":null"#);
        assert_eq!(until, Some(Timestamp::from_secs(1_893_456_000)));
    }

    #[test]
    fn a_date_without_an_offset_is_of_the_configured_zone() {
        for date in
            ["2025-07-15T00:00:00Z", "2025-07-15 08:00:00", "2025-07-15T08:00", "2025-07-15T08:00+0800"]
        {
            let line = format!(r#"{{"id":1,"tenantId":1,"userId":1,"onlineDate":"{date}"}}"#);
            assert_eq!(read(&line).unwrap().online_at, Timestamp::from_secs(1_752_537_600), "{date}");
        }
        let line = r#"{"id":1,"tenantId":1,"userId":1,"onlineDate":"2025-07-15"}"#;
        assert_eq!(read(line).unwrap().online_at, Timestamp::from_secs(1_752_508_800));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = r#"{"id":1,"tenantId":1,"userId":1,"onlineDate":"2025-07-15T08:00:00Z"}"#;
        assert!(read(good).is_ok());
        let why = |from: &str, to: &str| read(&good.replace(from, to)).unwrap_err();
        assert!(why(r#""id":1"#, r#""id":0"#).starts_with("id: "));
        assert!(why(r#""id":1"#, r#""id":1.5"#).starts_with("id: "));
        assert!(why(r#""id":1,"#, "").contains("missing field `id`"));
        assert!(
            why("2025-07-15T08:00:00Z", "yesterday").starts_with("onlineDate: expected a date, such as ")
        );
        assert_eq!(
            why(r#""userId":1"#, r#""userId":"x""#),
            "userId: expected a 64-bit integer or its decimal text"
        );
        assert_eq!(why("Z\"", "Z\",\"fullName\":7"), "fullName: expected text");
        assert!(why("Z\"", "Z\",\"offlineDate\":\"2025-07-15T07:59:59Z\"").starts_with("offlineDate: "));
        let long = format!("Z\",\"fullName\":\"{}\"", "x".repeat(TEXT_BYTES + 1));
        assert!(why("Z\"", &long).starts_with("fullName: "));
        let long_as_stored = format!("Z\",\"deviceId\":\"{}\"", "\\u0000".repeat(TEXT_BYTES / 3 + 1));
        assert!(why("Z\"", &long_as_stored).starts_with("deviceId: "));
        assert!(why(good, "[]").contains("object"));
    }
}
