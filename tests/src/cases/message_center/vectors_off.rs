//! The vectors that take users offline, each with a fixture of its own, and the state that they leave.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::Api,
        golden::{self, play},
        reply::Record,
    },
    world::World,
    ws::Event,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        g38_a_force_off_ends_every_record_of_the_user,
        g40_a_force_off_as_the_console_sends_it_does_the_same,
        g41_a_force_off_of_a_tenant_ends_its_records_and_no_other,
        g49_each_socket_hears_the_close_message,
    ]
}

async fn g38_a_force_off_ends_every_record_of_the_user(world: World) -> Result<()> {
    ends_the_records_of_101("G38", world).await
}

async fn g40_a_force_off_as_the_console_sends_it_does_the_same(world: World) -> Result<()> {
    ends_the_records_of_101("G40", world).await
}

async fn ends_the_records_of_101(vector: &str, world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let fixture = api.fixture();
    play(&api, vector).await?;
    let records = api.records(fixture.user(101)).await?;
    let ids: Vec<String> = records.iter().map(|record| record.id.clone()).collect();
    same(ids, [9002, 9001].map(|id| fixture.record(id).to_string()).to_vec(), "the records of user 101")?;
    for record in &records {
        ended_just_now(&api, record)?;
    }
    let other = api.records(fixture.user(103)).await?;
    same(other.iter().map(|record| record.online).collect::<Vec<_>>(), vec![true], "user 103 online")?;
    api.get("user-101", golden_detail(&api, 101).as_str()).await?.unauthorized("invalid_token")
}

async fn g41_a_force_off_of_a_tenant_ends_its_records_and_no_other(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let before = api.list("admin-t1", "").await?.records;
    play(&api, "G41").await?;
    let after = api.list("admin-t1", "").await?.records;
    same(after.len(), before.len(), "records")?;
    for (was, is) in before.iter().zip(&after) {
        if was.online {
            ended_just_now(&api, is)?;
            same(
                &Record { offline_date: None, online: true, ..is.clone() },
                was,
                "what else is in the record",
            )?;
        } else {
            same(is, was, "a record that had ended before")?;
        }
    }
    let foreign = api.list("admin-t2", "online=true").await?;
    same(foreign.ids(), vec![api.fixture().record(9006).to_string()], "who is online in tenant 2")
}

async fn g49_each_socket_hears_the_close_message(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(101);
    let mut one = api.connect("user-101", user, "one").await?;
    let mut two = api.connect("user-101", user, "two").await?;
    play(&api, "G38").await?;
    let golden = golden::load()?;
    let frame = golden.pair("G49")?.frame.as_ref().context("G49 has no frame")?;
    for socket in [&mut one, &mut two] {
        let text = match socket.next().await {
            Event::Text(text) => text,
            other => anyhow::bail!("expected the CLOSE message, got {other:?}"),
        };
        let mut message: Value = serde_json::from_str(&text)?;
        api.sent_just_now(&message)?;
        for name in ["id", "sendDate"] {
            let given = frame.get(name).cloned().unwrap_or_default();
            message.as_object_mut().and_then(|fields| fields.insert(name.to_owned(), given));
        }
        let mut wanted = golden::in_fixture(frame, api.fixture());
        wanted.as_object_mut().and_then(|fields| fields.insert("id".into(), json!("<uuid>")));
        same(&message, &wanted, "the CLOSE message")?;
        same(socket.closed(4001).await?.as_str(), "forced_offline", "the reason of the Close frame")?;
    }
    api.all_gone("admin-t1", &[user]).await
}

fn golden_detail(api: &Api, user: i64) -> String {
    format!("{}/{}", crate::console::api::LIST, api.fixture().user(user))
}

fn ended_just_now(api: &Api, record: &Record) -> Result<()> {
    same(record.online, false, "online")?;
    api.recent(record.offline_date.as_deref().unwrap_or_default(), "offlineDate")
}
