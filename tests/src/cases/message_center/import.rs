//! Records that are brought in from elsewhere.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    cases::{Case, cases},
    check::{at, same},
    console::{
        api::{Api, IMPORT},
        fixture::Row,
    },
    world::{World, unix_time},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        an_import_is_counted_and_may_be_repeated,
        of_two_lines_with_one_id_the_last_wins,
        bad_lines_are_named_and_good_ones_are_taken,
        empty_lines_are_skipped_and_counted,
        a_byte_order_mark_is_skipped,
        dates_are_taken_in_the_configured_zone_with_and_without_a_time,
        a_line_above_16_kib_is_refused,
        many_bad_lines_are_counted_and_a_thousand_are_named,
        an_import_never_changes_a_live_record,
        a_record_whose_lease_ran_out_reads_as_ended_then,
        ids_may_be_numbers_or_texts_of_the_whole_range,
        what_a_line_leaves_out_is_unknown,
        a_system_administrator_may_import,
        ten_thousand_lines_are_taken_in_one_request within 90,
    ]
}

fn row(api: &Api, record: i64) -> Result<Row> {
    let rows = api.fixture().rows()?;
    let template =
        rows.into_iter().find(|row| row.id == api.fixture().record(9004)).context("no record 9004")?;
    Ok(Row { id: api.fixture().record(record), ..template })
}

fn counts(answer: &Value) -> Result<(u64, u64, usize)> {
    let count = |pointer: &str| at(answer, pointer)?.as_u64().with_context(|| format!("{pointer}: {answer}"));
    let rejected = at(answer, "/rejected")?.as_array().context("rejected")?.len();
    Ok((count("/imported")?, count("/updated")?, rejected))
}

async fn an_import_is_counted_and_may_be_repeated(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let rows = [row(&api, 9001)?, row(&api, 9002)?];
    let lines = rows.each_ref().map(|row| row.line().to_string()).join("\n");
    same(counts(&api.import_text(&lines).await?)?, (2, 0, 0), "imported, updated, rejected")?;
    let records = api.list("admin-t1", "").await?.records;
    for text in [lines.clone(), format!("{lines}\n")] {
        same(counts(&api.import_text(&text).await?)?, (0, 2, 0), "imported, updated, rejected again")?;
        same(&api.list("admin-t1", "").await?.records, &records, "the records")?;
    }
    let wanted: Vec<_> = rows.iter().rev().map(|row| row.record(api.zone())).collect();
    same(records, wanted, "the records")?;
    same(counts(&api.import_text("").await?)?, (0, 0, 0), "an empty import")
}

async fn of_two_lines_with_one_id_the_last_wins(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let first = row(&api, 9001)?;
    let last = Row { name: "Renamed".to_owned(), offline_at: Some(first.online_at + 60), ..first.clone() };
    let lines = [&first, &last].map(|row| row.line().to_string()).join("\n");
    let (imported, updated, rejected) = counts(&api.import_text(&lines).await?)?;
    same((imported + updated, rejected), (2, 0), "taken and rejected")?;
    same(api.list("admin-t1", "").await?.records, vec![last.record(api.zone())], "the records")?;
    // And it may come back to life.
    api.import(std::slice::from_ref(&first)).await?;
    same(api.list("admin-t1", "").await?.records, vec![first.record(api.zone())], "the records")
}

async fn bad_lines_are_named_and_good_ones_are_taken(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (one, two) = (row(&api, 9001)?, row(&api, 9002)?);
    let with = |name: &str, value: Value| {
        let mut line = two.line();
        line.as_object_mut().and_then(|fields| fields.insert(name.to_owned(), value));
        line.to_string()
    };
    let without = |name: &str| {
        let mut line = two.line();
        line.as_object_mut().and_then(|fields| fields.remove(name));
        line.to_string()
    };
    let bad = [
        "{".to_owned(),
        "no JSON at all".to_owned(),
        "[]".to_owned(),
        without("id"),
        without("tenantId"),
        without("userId"),
        without("onlineDate"),
        with("id", json!("x")),
        with("id", json!(1.5)),
        with("userId", json!("9223372036854775808")),
        with("tenantId", json!(null)),
        with("fullName", json!(7)),
        with("onlineDate", json!("yesterday")),
        with("offlineDate", json!("2025-02-30T00:00:00Z")),
        with("leaseUntil", json!(12)),
    ];
    let mut lines = vec![one.line().to_string()];
    lines.extend(bad.iter().cloned());
    lines.push(two.line().to_string());
    let answer = api.import_text(&lines.join("\n")).await?;
    same(counts(&answer)?, (2, 0, bad.len()), "imported, updated, rejected")?;
    let rejected = at(&answer, "/rejected")?.as_array().cloned().unwrap_or_default();
    for (index, rejection) in rejected.iter().enumerate() {
        same(at(rejection, "/line")?, &json!(index + 2), "line")?;
        let why = at(rejection, "/error")?.as_str().unwrap_or_default();
        same(why.is_empty(), false, &format!("whether line {} has no error", index + 2))?;
    }
    for (index, wanted) in [
        (8, "id: expected a 64-bit integer or its decimal text"),
        (11, "fullName: expected text"),
        (12, "onlineDate: expected a date, such as "),
        (14, "leaseUntil: expected text"),
    ] {
        let why = at(&answer, &format!("/rejected/{index}/error"))?.as_str().unwrap_or_default();
        same(why.get(..wanted.len()), Some(wanted), &format!("the error of line {}", index + 2))?;
    }
    same(at(&answer, "/rejectedTotal")?, &json!(bad.len()), "rejectedTotal")?;
    let ids = [9002, 9001].map(|id| api.fixture().record(id).to_string()).to_vec();
    same(api.list("admin-t1", "").await?.ids(), ids, "the records")
}

async fn empty_lines_are_skipped_and_counted(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let text = format!("\n{}\r\n\r\n\nx\n", row(&api, 9001)?.line());
    let answer = api.import_text(&text).await?;
    same(counts(&answer)?, (1, 0, 1), "imported, updated, rejected")?;
    same(at(&answer, "/rejected/0/line")?, &json!(5), "line")
}

async fn a_byte_order_mark_is_skipped(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (one, two) = (row(&api, 9001)?, row(&api, 9002)?);
    // At the beginning, and where two files were put together.
    let text = format!("\u{feff}{}\n\u{feff}{}\n\u{feff}\n", one.line(), two.line());
    same(counts(&api.import_text(&text).await?)?, (2, 0, 0), "imported, updated, rejected")
}

async fn dates_are_taken_in_the_configured_zone_with_and_without_a_time(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let template = row(&api, 9001)?;
    let dated = |id: i64, online: &str, offline: &str| {
        let mut line = template.line();
        if let Some(members) = line.as_object_mut() {
            members.insert("id".to_owned(), json!(api.fixture().record(id).to_string()));
            members.insert("onlineDate".to_owned(), json!(online));
            members.insert("offlineDate".to_owned(), json!(offline));
        }
        line.to_string()
    };
    let lines = [
        dated(9001, "2026-01-02", "2026-01-02T09:30"),
        dated(9002, "2026-01-01T16:00+0000", "2026-01-02 09:30"),
        dated(9003, "2026-01-01T16:00Z", "2026-01-02T01:30:00+0000"),
    ];
    same(counts(&api.import_text(&lines.join("\n")).await?)?, (3, 0, 0), "imported, updated, rejected")?;
    for record in api.list("admin-t1", "").await?.records {
        same(record.online_date.as_str(), "2026-01-02 00:00:00", "onlineDate")?;
        same(record.offline_date.as_deref(), Some("2026-01-02 09:30:00"), "offlineDate")?;
    }
    let filter = |op: &str, date: &str| {
        format!("filters[0].key=onlineDate&filters[0].op={op}&filters[0].value={date}")
    };
    for (query, found) in [
        ("onlineDate=2026-01-02".to_owned(), 3),
        ("onlineDate=2026-01-02T00:00".to_owned(), 3),
        ("onlineDate=2026-01-01T16:00%2B0000".to_owned(), 3),
        // A plus that was not encoded.
        ("onlineDate=2026-01-01T16:00:00+0000".to_owned(), 3),
        ("offlineDate=2026-01-02%2009:30".to_owned(), 3),
        ("offlineDate=2026-01-02".to_owned(), 0),
        (filter("LESS_THAN_EQUAL", "2026-01-02"), 3),
        (filter("LESS_THAN", "2026-01-02"), 0),
        (filter("GREATER_THAN", "2026-01-01"), 3),
        (filter("IN", "2025-01-01,2026-01-02T00:00"), 3),
    ] {
        same(api.list("admin-t1", &query).await?.total, found, &query)?;
    }
    Ok(())
}

async fn a_line_above_16_kib_is_refused(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let (long, short) = (Row { name: "x".repeat(17 << 10), ..row(&api, 9001)? }, row(&api, 9002)?);
    let answer = api.import_text(&format!("{}\n{}", long.line(), short.line())).await?;
    same(counts(&answer)?, (1, 0, 1), "imported, updated, rejected")?;
    same(at(&answer, "/rejected/0/line")?, &json!(1), "line")?;
    same(api.list("admin-t1", "").await?.ids(), vec![short.id.to_string()], "the records")
}

async fn many_bad_lines_are_counted_and_a_thousand_are_named(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let text = format!("{}{}", "x\n".repeat(1_500), row(&api, 9001)?.line());
    let answer = api.import_text(&text).await?;
    same(counts(&answer)?, (1, 0, 1_000), "imported, updated, named as rejected")?;
    same(at(&answer, "/rejectedTotal")?, &json!(1_500), "rejectedTotal")?;
    same(at(&answer, "/rejected/999/line")?, &json!(1_000), "the last line that is named")
}

async fn an_import_never_changes_a_live_record(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    let live = api.records(user).await?;
    let id = live.first().context("no record")?.id.parse()?;
    let forged = Row {
        id,
        user,
        name: "Somebody Else".to_owned(),
        online_at: unix_time() - 60,
        offline_at: Some(unix_time() - 30),
        ..row(&api, 9001)?
    };
    let (imported, _, _) = counts(&api.import_text(&forged.line().to_string()).await?)?;
    same(imported, 0, "imported")?;
    same(api.records(user).await?, live, "the live record")?;
    socket.control_ping(b"still").await?;
    // Nor once it has ended.
    socket.close().await?;
    api.until_online(user, &[] as &[&str]).await?;
    let ended = api.records(user).await?;
    api.import_text(&forged.line().to_string()).await?;
    same(api.records(user).await?, ended, "the ended record")
}

async fn a_record_whose_lease_ran_out_reads_as_ended_then(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let row = row(&api, 9001)?;
    let (over, soon) = (unix_time() - 3600, unix_time() + 5);
    let mut line = row.line();
    for (until, online) in [(over, false), (soon, true)] {
        let date = crate::console::date::Zone::named("UTC").map(|zone| zone.rfc3339(until));
        line.as_object_mut().and_then(|fields| fields.insert("leaseUntil".into(), json!(date)));
        api.import_text(&line.to_string()).await?;
        same(api.detail("admin-t1", row.user).await?.record()?.online, online, "online")?;
    }
    // Nothing tells that a lease ends but the clock.
    let after = UNIX_EPOCH + Duration::from_secs((soon + 1).try_into()?);
    sleep(after.duration_since(SystemTime::now()).unwrap_or_default()).await;
    let record = api.detail("admin-t1", row.user).await?.record()?;
    same(
        (record.online, record.offline_date),
        (false, Some(api.zone().print(soon))),
        "online and offlineDate",
    )?;
    same(api.list("admin-t1", "online=true").await?.total, 0, "records online")
}

async fn ids_may_be_numbers_or_texts_of_the_whole_range(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let greatest = i64::MAX - api.fixture().record(0);
    let mut line = Row { id: greatest, ..row(&api, 9001)? }.line();
    same(counts(&api.import_text(&line.to_string()).await?)?, (1, 0, 0), "imported, updated, rejected")?;
    line.as_object_mut().and_then(|fields| fields.insert("id".into(), json!(greatest)));
    same(counts(&api.import_text(&line.to_string()).await?)?, (0, 1, 0), "imported, updated, rejected")?;
    same(api.list("admin-t1", "").await?.ids(), vec![greatest.to_string()], "the records")
}

async fn what_a_line_leaves_out_is_unknown(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let row = row(&api, 9001)?;
    let mut line = row.line();
    for name in ["avatar", "userAgent", "deviceId", "remoteAddress"] {
        line.as_object_mut().and_then(|fields| fields.remove(name));
    }
    api.import_text(&line.to_string()).await?;
    let record = api.detail("admin-t1", row.user).await?.record()?;
    for found in [&record.user_agent, &record.device_id, &record.remote_address] {
        same(found.as_str(), "unknown", "what was left out")?;
    }
    same(record.avatar, None, "avatar")
}

async fn a_system_administrator_may_import(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let row = row(&api, 9001)?;
    let request = api
        .request("POST", IMPORT, &api.bearer("admin-t1"))
        .header("Content-Type", "application/x-ndjson")
        .body(row.line().to_string());
    same(counts(&world.send(&request).await?.json()?)?, (1, 0, 0), "imported, updated, rejected")?;
    same(api.list("admin-t1", "").await?.records, vec![row.record(api.zone())], "the records")
}

async fn ten_thousand_lines_are_taken_in_one_request(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let template = row(&api, 9001)?;
    // Beyond every number of the fixtures.
    let first = 1_000_000_000_000 + api.fixture().record(0) * 100_000;
    let text: String = (0..10_000)
        .map(|number| {
            let row = Row { id: first + number, user: first + number % 700, ..template.clone() };
            format!("{}\n", row.line())
        })
        .collect();
    same(counts(&api.import_text(&text).await?)?, (10_000, 0, 0), "imported, updated, rejected")?;
    same(api.list("admin-t1", "pageSize=1").await?.total, 10_000, "the total")?;
    let last = api.list("admin-t1", "pageNo=5&pageSize=2000&orderSort=DESC").await?;
    same(last.ids().last().cloned(), Some(first.to_string()), "the last of the last page")?;
    same(last.records.len(), 2_000, "records on the last page")
}
