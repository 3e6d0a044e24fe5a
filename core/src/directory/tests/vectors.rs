//! The golden pairs of `tests/vectors/message-center.json` that ask the directory, without HTTP.

use serde_json::Value;

use super::support::Database;
use crate::{
    directory::{
        filter::{Kind, QueryError},
        query::{ListQuery, Listed, detail, list, read_list, read_records},
        record::{Record, Source},
        view::View,
        zone::{self, Zone},
    },
    id::{RecordId, TenantId},
    serial::Serial,
};

const TENANT: TenantId = TenantId(1);
const PATH: &str = "/api/v1/message/center/online";

struct Fixture {
    zone: Zone,
    view: View,
    database: Database,
    pairs: Vec<Value>,
}

fn fixture() -> Fixture {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/message-center.json")).unwrap();
    let zone = zone::iana::zone(text(&vectors["timeZone"])).unwrap();
    let view = View::at(zone.parse(text(&vectors["clock"])).unwrap());
    let records: Vec<_> =
        vectors["fixture"].as_array().unwrap().iter().map(|row| record(row, &zone)).collect();
    let pairs = vectors["pairs"].as_array().unwrap().clone();
    Fixture { database: Database::holding(&records), zone, view, pairs }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn record(row: &Value, zone: &Zone) -> Record {
    let number = |name: &str| text(&row[name]).parse::<i64>().unwrap();
    Record {
        id: RecordId::from_number(number("id")).unwrap(),
        tenant: TenantId(number("tenantId")),
        user: number("userId"),
        full_name: text(&row["fullName"]).into(),
        avatar: row["avatar"].as_str().map(str::to_owned),
        user_agent: text(&row["userAgent"]).into(),
        device_id: text(&row["deviceId"]).into(),
        remote_address: text(&row["remoteAddress"]).into(),
        online_at: zone.parse(text(&row["onlineDate"])).unwrap(),
        offline_at: row["offlineDate"].as_str().map(|date| zone.parse(date).unwrap()),
        lease_until: None,
        source: Source::Live,
        member_of: None,
        under: Serial::NONE,
        generation: 1,
    }
}

/// A record as the answer shows it.
fn shown(record: &Record, fixture: &Fixture) -> Value {
    let end = fixture.view.ended_at(record);
    let mut shown = serde_json::json!({
        "id": record.id.to_string(),
        "userId": record.user.to_string(),
        "fullName": record.full_name,
        "userAgent": record.user_agent,
        "deviceId": record.device_id,
        "remoteAddress": record.remote_address,
        "online": end.is_none(),
        "onlineDate": fixture.zone.format(record.online_at),
    });
    let fields = shown.as_object_mut().unwrap();
    if let Some(avatar) = &record.avatar {
        fields.insert("avatar".into(), avatar.clone().into());
    }
    if let Some(end) = end {
        fields.insert("offlineDate".into(), fixture.zone.format(end).into());
    }
    shown
}

/// `a=1&b=%5B`, decoded.
fn decoded(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn ask(fixture: &Fixture, kind: Kind, query: &str) -> Result<Listed, QueryError> {
    let query = ListQuery::parse(kind, &decoded(query), &fixture.zone)?;
    let rows = fixture.database.run(&list(&query, TENANT, &fixture.view));
    Ok(read_list(&rows).unwrap())
}

#[test]
fn lists_searches_and_details_answer_as_the_golden_pairs_do() {
    let fixture = fixture();
    let (mut lists, mut details, mut refusals) = (0, 0, 0);
    for pair in &fixture.pairs {
        let (id, request, response) = (text(&pair["id"]), &pair["request"], &pair["response"]);
        if request["method"] != "GET" || response["status"] == 401 {
            continue;
        }
        let target = text(&request["target"]).strip_prefix(PATH).unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let body = &response["body"];
        let kind = match path {
            "" => Kind::List,
            "/search" => Kind::Search,
            user => {
                // The path is parsed by the route; G06 has no number in it.
                let Ok(user) = user.trim_start_matches('/').parse() else { continue };
                let rows = fixture.database.run(&detail(TENANT, user, &fixture.view));
                let found = read_records(&rows).unwrap();
                let expected = if response["status"] == 404 { None } else { Some(&body["data"]) };
                assert_eq!(found.first().map(|record| shown(record, &fixture)).as_ref(), expected, "{id}");
                details += 1;
                continue;
            }
        };
        match ask(&fixture, kind, query) {
            Ok(listed) => {
                assert_eq!(body["data"]["total"], listed.total.to_string(), "{id}");
                let rows: Vec<_> = listed.records.iter().map(|record| shown(record, &fixture)).collect();
                assert_eq!(body["data"]["list"], Value::from(rows), "{id}");
                lists += 1;
            }
            Err(error) => {
                assert_eq!(response["status"], 400, "{id}");
                assert_eq!(body["ext"]["eKey"], error.key(), "{id}");
                assert_eq!(body["msg"], error.to_string(), "{id}");
                refusals += 1;
            }
        }
    }
    assert_eq!((lists, details, refusals), (18, 2, 5));
}

#[test]
fn both_forms_of_a_date_find_the_same_records() {
    let fixture = fixture();
    let local = ask(&fixture, Kind::List, "onlineDate=2025-07-16%2010:00:00").unwrap();
    assert_eq!(ask(&fixture, Kind::List, "onlineDate=2025-07-16T02:00:00Z").unwrap(), local);
    assert_eq!(local.total, 1);
}
