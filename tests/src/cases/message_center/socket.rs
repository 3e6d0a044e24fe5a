//! The message center's own socket, and the record that each connection has.

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::{holds, same},
    console::{
        api::{AGENT, Api, SOCKET},
        reply::Record,
    },
    subject::Kind,
    world::World,
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        a_socket_with_the_token_in_the_query_has_a_record,
        a_socket_with_the_token_in_the_header_has_a_record,
        the_device_is_taken_from_header_query_or_token,
        a_long_user_agent_is_cut_between_characters,
        a_clean_close_ends_the_record_and_keeps_its_dates,
        a_reset_ends_the_record,
        the_end_of_one_socket_leaves_the_other,
        each_connection_has_a_record_of_its_own,
        the_detail_shows_the_socket_that_opened_last,
        an_openim_socket_of_a_number_has_a_record_too,
        an_openim_socket_of_a_name_has_none sharing "records of the default tenant",
        records_of_other_users_are_not_touched,
        a_ping_is_answered_and_other_texts_are_ignored,
        a_binary_message_is_not_understood,
        a_plain_get_is_told_the_refusal_that_the_upgrade_would_get,
    ]
}

/// The record of a user's only connection.
async fn only(api: &Api, user: i64) -> Result<Record> {
    let mut online: Vec<Record> =
        api.records(user).await?.into_iter().filter(|record| record.online).collect();
    same(online.len(), 1, "records online")?;
    online.pop().context("no record")
}

async fn a_socket_with_the_token_in_the_query_has_a_record(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let _socket = api.connect("user-101", user, "my device").await?;
    let record = only(&api, user).await?;
    holds(record.id.parse::<i64>()? > 1 << 60, || format!("an id of our time: {}", record.id))?;
    api.recent(&record.online_date, "onlineDate")?;
    holds(!record.remote_address.is_empty() && record.remote_address != "unknown", || {
        format!("remoteAddress {}", record.remote_address)
    })?;
    if world.kind() == Kind::Origin {
        same(record.remote_address.as_str(), "127.0.0.1", "remoteAddress")?;
    }
    let wanted = Record {
        user_id: user.to_string(),
        full_name: "Zhang San".to_owned(),
        avatar: Some("https://cdn.example.test/a/101.png".to_owned()),
        user_agent: AGENT.to_owned(),
        device_id: "my device".to_owned(),
        online: true,
        offline_date: None,
        ..record.clone()
    };
    same(record, wanted, "the record")
}

async fn a_socket_with_the_token_in_the_header_has_a_record(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(102);
    let bearer = format!("Bearer {}", api.bearer("user-102"));
    let handshake =
        Handshake::empty().path(SOCKET).header("Authorization", &bearer).header("User-Agent", AGENT);
    let mut socket = world.upgraded(&handshake).await?;
    api.until_online(user, &["unknown"]).await?;
    socket.control_ping(b"still").await?;
    let record = only(&api, user).await?;
    same((record.full_name.as_str(), record.avatar), ("Li Si", None), "name and avatar")
}

async fn the_device_is_taken_from_header_query_or_token(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(104);
    let plain = Handshake::empty().path(SOCKET).set("access_token", &api.bearer("user-104"));
    let query = plain.clone().set("deviceId", "asked");
    for (handshake, device) in [
        (plain.clone(), "claimed-device"),
        (query.clone(), "asked"),
        (plain.header("XC-Auth-Device-Id", "told"), "told"),
        (query.header("XC-Auth-Device-Id", "told"), "told"),
    ] {
        let socket = world.upgraded(&handshake).await?;
        api.until_online(user, &[device]).await?;
        socket.close().await?;
        api.until_online(user, &[] as &[&str]).await?;
    }
    Ok(())
}

async fn a_long_user_agent_is_cut_between_characters(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(102);
    let long = "a".repeat(600);
    let handshake = Handshake::empty()
        .path(SOCKET)
        .set("access_token", &api.bearer("user-102"))
        .header("User-Agent", &long);
    let _socket = world.upgraded(&handshake).await?;
    api.until_online(user, &["unknown"]).await?;
    same(only(&api, user).await?.user_agent, "a".repeat(512), "userAgent")
}

async fn a_clean_close_ends_the_record_and_keeps_its_dates(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let socket = api.connect("user-101", user, "d").await?;
    let before = only(&api, user).await?;
    socket.close().await?;
    api.until_online(user, &[] as &[&str]).await?;
    let after = api.records(user).await?.pop().context("the record is gone")?;
    api.recent(after.offline_date.as_deref().unwrap_or_default(), "offlineDate")?;
    let wanted = Record { online: false, offline_date: after.offline_date.clone(), ..before };
    same(&after, &wanted, "the record")?;
    same(api.detail("admin-t1", user).await?.record()?, after, "the detail")
}

async fn a_reset_ends_the_record(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let socket = api.connect("user-101", user, "d").await?;
    socket.reset()?;
    api.until_online(user, &[] as &[&str]).await
}

/// In the original one session's end marks the user offline.
async fn the_end_of_one_socket_leaves_the_other(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let one = api.connect("user-101", user, "one").await?;
    let mut two = api.connect("user-101", user, "two").await?;
    one.close().await?;
    api.until_online(user, &["two"]).await?;
    two.control_ping(b"still").await?;
    same(
        api.detail("admin-t1", user).await?.record()?.device_id.as_str(),
        "two",
        "the device in the detail",
    )?;
    let ended: Vec<String> =
        api.records(user).await?.into_iter().filter(|record| !record.online).map(|r| r.device_id).collect();
    same(ended, vec!["one".to_owned()], "the devices of ended records")
}

async fn each_connection_has_a_record_of_its_own(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    for _ in 0..3 {
        let socket = api.connect("user-101", user, "again").await?;
        socket.close().await?;
        api.until_online(user, &[] as &[&str]).await?;
    }
    let mut ids: Vec<i64> =
        api.records(user).await?.iter().map(|record| record.id.parse()).collect::<Result<_, _>>()?;
    same(ids.len(), 3, "records")?;
    same(ids.is_sorted_by(|a, b| a > b), true, "the newest first")?;
    ids.dedup();
    same(ids.len(), 3, "different ids")
}

async fn the_detail_shows_the_socket_that_opened_last(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let user = api.fixture().user(103);
    let socket = api.connect("user-103", user, "now").await?;
    same(
        api.detail("admin-t1", user).await?.record()?.device_id.as_str(),
        "now",
        "the device in the detail",
    )?;
    socket.close().await?;
    api.until_online(user, &["dev-c1"]).await?;
    let shown = api.detail("admin-t1", user).await?.record()?;
    same(shown.id, api.fixture().record(9004).to_string(), "the record that is still online")
}

async fn an_openim_socket_of_a_number_has_a_record_too(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let (_, socket) = world.login(&user.to_string(), 5).await?;
    api.until_online(user, &["unknown"]).await?;
    let record = only(&api, user).await?;
    // Not the name that a static token of the same user carries.
    same(record.full_name, user.to_string(), "fullName")?;
    api.recent(&record.online_date, "onlineDate")?;
    let mut beside = api.connect("user-101", user, "beside").await?;
    socket.close().await?;
    api.until_online(user, &["beside"]).await?;
    beside.control_ping(b"still").await
}

async fn an_openim_socket_of_a_name_has_none(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let token = world.admin_token().await?;
    let total = || async {
        let request = api.request("GET", crate::console::api::LIST, &token);
        Ok::<_, anyhow::Error>(api.unrecorded().ask(&request).await?.page()?.total)
    };
    let before = total().await?;
    // Leading zeros and a plus make other users, not numbers.
    let mut sockets = Vec::new();
    for user in [world.user("a"), format!("00{}", api.fixture().user(103)), "+7".to_owned()] {
        sockets.push(world.login(&user, 5).await?);
    }
    same(total().await?, before, "records of tenant 0")?;
    same(api.records(api.fixture().user(103)).await?.len(), 0, "records of the number without its zeros")
}

async fn records_of_other_users_are_not_touched(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let before = api.list("admin-t1", "").await?.records;
    let user = api.fixture().user(102);
    let socket = api.connect("user-102", user, "d").await?;
    let during = api.list("admin-t1", "").await?.records;
    same(during.get(1..).unwrap_or_default(), before.as_slice(), "the records beside the new one")?;
    socket.close().await?;
    api.until_online(user, &[] as &[&str]).await?;
    let after = api.list("admin-t1", "").await?.records;
    same(after.get(1..).unwrap_or_default(), before.as_slice(), "the records beside the ended one")
}

async fn a_ping_is_answered_and_other_texts_are_ignored(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    socket.alive().await?;
    for text in ["", "{}", "hello", r#"{"type":"CHAT","content":"x"}"#, r#"{"type":"CLOSE"}"#, "[1"] {
        socket.send_text(text).await?;
    }
    // What comes next is the answer to this one: the others have none.
    socket.alive().await?;
    same(api.online_devices(user).await?, vec!["d".to_owned()], "devices")
}

async fn a_binary_message_is_not_understood(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    let mut socket = api.connect("user-101", user, "d").await?;
    socket.send_binary(b"\x00\x01".to_vec()).await?;
    socket.closed(1002).await?;
    api.until_online(user, &[] as &[&str]).await
}

/// What clients ask once more after a refused upgrade, of which browsers show a page nothing.
async fn a_plain_get_is_told_the_refusal_that_the_upgrade_would_get(world: World) -> Result<()> {
    let api = Api::without_fixture(&world)?;
    let user = api.fixture().user(101);
    for path in ["", "/", "/websocket", "/000/abcd1234/websocket"] {
        let path = format!("{SOCKET}{path}");
        let bad = Handshake::empty().path(&path).set("access_token", "bad");
        api.ask(&bad.plain()).await?.unauthorized("invalid_token")?;
        let good = api.handshake("user-101", "d").path(&path);
        same(world.send(&good.plain()).await?.response.status, 426, "the status with a good token")?;
        let twice = good.header("Authorization", &format!("Bearer {}", api.bearer("user-101")));
        api.ask(&twice.plain()).await?.refused(400, "protocol_error")?;
        let nothing = Handshake::empty().path(&path);
        same(world.send(&nothing.plain()).await?.response.status, 426, "the status without a token")?;
    }
    same(api.records(user).await?.len(), 0, "records")?;
    api.take_off("admin-t1", "USER", &[user]).await?;
    api.ask(&api.handshake("user-101", "d").plain()).await?.unauthorized("invalid_token")
}
