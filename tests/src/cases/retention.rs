//! Records that are due for deletion.

use anyhow::Result;
use serde_json::Value;

use super::{Case, cases};
use crate::{
    check::{same, text_at},
    console::{
        api::{IMPORT, LIST},
        fixture::Row,
    },
    http::Request,
    world::{World, unix_time},
};

/// The users of this case alone.
const OFTEN: i64 = 7_310_000_000_000_001;
const ONCE: i64 = 7_310_000_000_000_002;
/// `message_center.retention_days`, in seconds.
const RETENTION: i64 = 30 * 86_400;
const MINUTE: i64 = 60;

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base": a_record_that_is_due_for_deletion_is_in_no_answer]
}

async fn a_record_that_is_due_for_deletion_is_in_no_answer(world: World) -> Result<()> {
    let world = world.unrecorded();
    let now = unix_time();
    let row = |id: i64, user: i64, offline_at: i64| Row {
        id,
        tenant: 0,
        user,
        name: "Long Gone".to_owned(),
        avatar: None,
        agent: "agent".to_owned(),
        device: "device".to_owned(),
        address: "192.0.2.1".to_owned(),
        online_at: offline_at - MINUTE,
        offline_at: Some(offline_at),
    };
    let (due, kept) = (now - RETENTION - MINUTE, now - RETENTION + 60 * MINUTE);
    let rows = [row(OFTEN, OFTEN, due), row(OFTEN + 10, OFTEN, kept), row(ONCE, ONCE, due)];
    let lines: Vec<String> = rows.iter().map(|row| row.line().to_string()).collect();
    let request = authorized(&world, "POST", IMPORT).await?;
    let request = request.header("Content-Type", "application/x-ndjson").body(lines.join("\n"));
    same(world.send(&request).await?.response.status, 200, "the status of the import")?;

    for (user, shown) in [(OFTEN, "1"), (ONCE, "0")] {
        for rest in
            ["", "&online=false", "&orderBy=offlineDate", "&orderBy=onlineDate", "&fullName=Long%20Gone"]
        {
            let page = get(&world, &format!("{LIST}?userId={user}{rest}"), 200).await?;
            same(text_at(&page, "/data/total")?, shown.to_owned(), rest)?;
            let listed = page.pointer("/data/list").and_then(Value::as_array).map(Vec::len);
            same(listed.map(|count| count.to_string()), Some(shown.to_owned()), rest)?;
        }
    }
    let detail = get(&world, &format!("{LIST}/{OFTEN}"), 200).await?;
    same(text_at(&detail, "/data/id")?, (OFTEN + 10).to_string(), "the record in a detail")?;
    get(&world, &format!("{LIST}/{ONCE}"), 404).await.map(drop)
}

async fn authorized(world: &World, method: &str, target: &str) -> Result<Request> {
    let token = world.admin_token().await?;
    Ok(Request::new(method, target).header("Authorization", &format!("Bearer {token}")))
}

async fn get(world: &World, target: &str, status: u16) -> Result<Value> {
    let answer = world.send(&authorized(world, "GET", target).await?).await?;
    same(answer.response.status, status, "the status of a list or detail")?;
    answer.json()
}
