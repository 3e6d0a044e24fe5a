//! The envelope around every answer of the message center, and the records inside.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, json};

use super::date::Zone;
use crate::{
    check::{at, holds, same, shorten, text_at},
    http::Response,
    world::unix_time,
};

/// The allowed distance between a server's clock and ours, in seconds.
const TOLERANCE: i64 = 5;

/// Fails unless a date has the printed form and lies between `since` and now, give or take 5 s.
pub(super) fn recent(zone: Zone, since: i64, date: &str, what: &str) -> Result<()> {
    let date = zone.read(date).with_context(|| what.to_owned())?;
    let within = (since - TOLERANCE..=unix_time() + TOLERANCE).contains(&date);
    holds(within, || {
        format!("{what} is {} s after the case began, and it is {} s old", date - since, unix_time() - since)
    })
}

/// The members of an envelope, in the documented order.
const MEMBERS: [&str; 5] = ["code", "msg", "data", "datetime", "ext"];

/// The members of a record, in the documented order.
pub const FIELDS: [&str; 10] = [
    "id",
    "userId",
    "fullName",
    "avatar",
    "userAgent",
    "deviceId",
    "remoteAddress",
    "online",
    "onlineDate",
    "offlineDate",
];

/// One record of an answer, with exactly the documented fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The record.
    pub id: String,
    /// The user.
    pub user_id: String,
    /// The name at the time of connecting.
    pub full_name: String,
    /// A picture's address, where one is known.
    pub avatar: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// The device.
    pub device_id: String,
    /// The client's address.
    pub remote_address: String,
    /// Whether it is live.
    pub online: bool,
    /// The time of its opening.
    pub online_date: String,
    /// The time of its end.
    pub offline_date: Option<String>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number of all matching records.
    pub total: usize,
    /// Those of this page.
    pub records: Vec<Record>,
}

impl Page {
    /// The ids, in the order of the answer.
    pub fn ids(&self) -> Vec<String> {
        self.records.iter().map(|record| record.id.clone()).collect()
    }
}

/// An answer of the message center.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The response.
    pub response: Response,
    zone: Zone,
    since: i64,
}

impl Reply {
    /// Wraps a response; `zone` is that of the server's dates, and none of them is from before `since`.
    pub fn new(response: Response, zone: Zone, since: i64) -> Self {
        Self { response, zone, since }
    }

    /// The body as text.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.response.body).context("the body is not UTF-8")
    }

    /// The body of an answer with this status, once the shape that all answers share was checked.
    pub fn envelope(&self, status: u16) -> Result<Value> {
        let text = self.text()?;
        if self.response.status != status {
            bail!("expected HTTP {status}, got {} with {}", self.response.status, shorten(text));
        }
        let kind = self.response.header("content-type").unwrap_or_default();
        same(kind.split(';').next().unwrap_or_default().trim(), "application/json", "content-type")?;
        let Names(names) =
            serde_json::from_str(text).with_context(|| format!("not an object: {}", shorten(text)))?;
        same(names, MEMBERS.map(str::to_owned).to_vec(), "the members of the envelope, in order")?;
        let body: Value = serde_json::from_str(text)?;
        text_at(&body, "/msg")?;
        holds(at(&body, "/data")?.is_object(), || format!("data is no object: {}", shorten(text)))?;
        recent(self.zone, self.since, &text_at(&body, "/datetime")?, "datetime")?;
        let request_id = self.response.header("xc-request-id").unwrap_or_default();
        holds(!request_id.is_empty(), || "no XC-Request-Id in the answer".to_owned())?;
        Ok(body)
    }

    /// The payload of a success.
    pub fn data(&self) -> Result<Value> {
        let body = self.envelope(200)?;
        for (pointer, wanted) in [("/code", json!("S")), ("/msg", json!("Success")), ("/ext", json!({}))] {
            same(at(&body, pointer)?, &wanted, pointer)?;
        }
        at(&body, "/data").cloned()
    }

    /// A success without payload.
    pub fn empty(&self) -> Result<()> {
        same(self.data()?, json!({}), "data")
    }

    /// A success without body, as `off_status = 204` has it.
    pub fn bodiless(&self) -> Result<()> {
        same(self.response.status, 204, "the status")?;
        same(self.response.body.len(), 0, "the length of the body")
    }

    /// A refusal with this status and machine key; `code` and headers follow from them.
    pub fn refused(&self, status: u16, key: &str) -> Result<()> {
        let body = self.envelope(status)?;
        let found = at(&body, "/ext")?;
        same(found, &json!({"eKey": key}), "ext")?;
        let code = if status >= 500 { "E2" } else { "E0" };
        same(at(&body, "/code")?, &json!(code), "code")?;
        same(at(&body, "/data")?, &json!({}), "data")?;
        for name in ["xc-e-key", "x-e-key"] {
            same(self.response.header(name).as_deref(), Some(key), name)?;
        }
        Ok(())
    }

    /// A refusal with 401 and the headers that belong to it.
    pub fn unauthorized(&self, key: &str) -> Result<()> {
        self.refused(401, key)?;
        let challenge = match key {
            "unauthorized" => "Bearer",
            _ => "Bearer error=\"invalid_token\"",
        };
        for (name, wanted) in
            [("www-authenticate", challenge), ("cache-control", "no-store"), ("pragma", "no-cache")]
        {
            same(self.response.header(name).as_deref(), Some(wanted), name)?;
        }
        Ok(())
    }

    /// The page of a list.
    pub fn page(&self) -> Result<Page> {
        let data = self.data()?;
        let Names(names) = serde_json::from_value(data.clone())?;
        same(names.len(), 2, "the members of a list's data")?;
        let total = text_at(&data, "/total")?.parse().context("total")?;
        let records: Vec<Record> =
            serde_json::from_value(at(&data, "/list")?.clone()).context("the shape of a record")?;
        records.iter().try_for_each(|record| self.sound(record))?;
        Ok(Page { total, records })
    }

    /// The record of a detail answer.
    pub fn record(&self) -> Result<Record> {
        let record = serde_json::from_value(self.data()?).context("the shape of a record")?;
        self.sound(&record)?;
        Ok(record)
    }

    /// The invariants of every record.
    fn sound(&self, record: &Record) -> Result<()> {
        for id in [&record.id, &record.user_id] {
            id.parse::<i64>().with_context(|| format!("{id} is no 64-bit integer"))?;
        }
        self.zone.read(&record.online_date).context("onlineDate")?;
        record
            .offline_date
            .iter()
            .try_for_each(|date| self.zone.read(date).map(drop))
            .context("offlineDate")?;
        same(record.offline_date.is_none(), record.online, "online against offlineDate")
    }

    /// The names of the first record's fields, in the order in which they were sent.
    pub fn field_order(&self) -> Result<Vec<String>> {
        let text = self.text()?;
        let start = text.find("[{").context("no record in the answer")?;
        let record = text.get(start + 1..).unwrap_or_default();
        let mut records = serde_json::Deserializer::from_str(record).into_iter::<Names>();
        let Names(names) = records.next().context("no record in the answer")??;
        Ok(names)
    }
}

/// The names of an object's members, in the order in which they stand.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        from.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str, headers: &[(&str, &str)]) -> Reply {
        let mut all = vec![("content-type", "application/json"), ("xc-request-id", "1")];
        all.extend_from_slice(headers);
        let headers = all.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let now = Zone::named("UTC").unwrap().print(unix_time());
        let body = body.replace("NOW", &now).into_bytes();
        Reply::new(Response { status, headers, body }, Zone::named("UTC").unwrap(), unix_time())
    }

    #[test]
    fn a_success_has_five_members_in_order() {
        let good = r#"{"code":"S","msg":"Success","data":{},"datetime":"NOW","ext":{}}"#;
        assert!(reply(200, good, &[]).empty().is_ok());
        for bad in [
            r#"{"msg":"Success","code":"S","data":{},"datetime":"NOW","ext":{}}"#,
            r#"{"code":"S","msg":"Success","data":null,"datetime":"NOW","ext":{}}"#,
            r#"{"code":"S","msg":"Success","data":{},"datetime":"2020-01-01 00:00:00","ext":{}}"#,
            r#"{"code":"S","msg":"Success","data":{},"datetime":"NOW","ext":{"a":1}}"#,
            r#"{"code":"S","msg":"Success","data":{},"datetime":"NOW"}"#,
        ] {
            assert!(reply(200, bad, &[]).empty().is_err(), "{bad}");
        }
        assert!(reply(201, good, &[]).empty().is_err());
    }

    #[test]
    fn a_refusal_needs_its_key_in_the_body_and_in_both_headers() {
        let body = r#"{"code":"E0","msg":"x","data":{},"datetime":"NOW","ext":{"eKey":"forbidden"}}"#;
        let headers = [("xc-e-key", "forbidden"), ("x-e-key", "forbidden")];
        assert!(reply(403, body, &headers).refused(403, "forbidden").is_ok());
        assert!(reply(403, body, &headers).refused(403, "fatal_exit").is_err());
        assert!(reply(403, body, &headers[..1]).refused(403, "forbidden").is_err());
        assert!(reply(400, body, &headers).refused(403, "forbidden").is_err());
    }

    #[test]
    fn a_page_is_read_and_an_unknown_field_is_told() {
        let page = |extra: &str| {
            let record = format!(
                r#"{{"id":"1","userId":"2","fullName":"n","userAgent":"a","deviceId":"d","remoteAddress":"r","online":true,"onlineDate":"NOW"{extra}}}"#
            );
            let body = format!(
                r#"{{"code":"S","msg":"Success","data":{{"total":"1","list":[{record}]}},"datetime":"NOW","ext":{{}}}}"#
            );
            reply(200, &body, &[])
        };
        assert_eq!(page("").page().unwrap().ids(), ["1"]);
        assert_eq!(page("").field_order().unwrap().len(), 8);
        assert!(page(r#","tenantId":"1""#).page().is_err());
        assert!(page(r#","offlineDate":"NOW""#).page().is_err(), "online with an end");
    }
}
