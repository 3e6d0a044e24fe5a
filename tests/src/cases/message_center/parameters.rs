//! The parameters beside `filters`.

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        fixture::{CROWD_BEGAN, Row, crowd},
        spelling::date,
    },
    world::World,
    ws::escape,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        every_parameter_asks_for_equality,
        several_parameters_are_joined,
        empty_parameters_are_absent,
        of_a_repeated_parameter_the_first_counts,
        parameters_that_cannot_be_read_are_refused,
        dates_are_taken_in_every_form_and_compared_by_the_second,
        a_plus_that_was_not_encoded_still_means_an_offset,
        info_scope_changes_nothing,
        an_unknown_info_scope_is_refused,
    ]
}

async fn shows(api: &Api, query: &str, passes: impl Fn(&Row) -> bool) -> Result<()> {
    let mut ids: Vec<String> =
        crowd().iter().filter(|row| passes(row)).map(|row| row.id.to_string()).collect();
    ids.reverse();
    for path in [LIST, SEARCH] {
        let page = api.page("crowd", path, &format!("{query}&pageSize=100")).await?;
        same((page.ids(), page.total), (ids.clone(), ids.len()), "ids and total")
            .with_context(|| format!("{path}?{query}"))?;
    }
    Ok(())
}

async fn every_parameter_asks_for_equality(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    shows(&api, "userId=305", |row| row.user == 305).await?;
    for name in ["Ada Lovelace", "ada lovelace", "100% sure", "Zoë \"Zo\" Ω", "true", "Ada", "A%"] {
        shows(&api, &format!("fullName={}", escape(name)), |row| row.name == name).await?;
    }
    for device in ["dev-a", "DEV-A", "dev", "dev-%"] {
        shows(&api, &format!("deviceId={}", escape(device)), |row| row.device == device).await?;
    }
    for address in ["10.0.0.7", "10.0.0.0/8", "2001:db8::7"] {
        shows(&api, &format!("remoteAddress={}", escape(address)), |row| row.address == address).await?;
    }
    shows(&api, "online=false", |row| !row.online()).await
}

async fn several_parameters_are_joined(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let crowd = crowd();
    let one = crowd.iter().find(|row| !row.online()).context("nobody has left")?;
    let query = format!(
        "userId={}&fullName={}&deviceId={}&remoteAddress={}&online=false&onlineDate={}&offlineDate={}",
        one.user,
        escape(&one.name),
        escape(&one.device),
        escape(&one.address),
        escape(&date(one.online_at, api.zone(), 0)),
        escape(&date(one.offline_at.unwrap_or_default(), api.zone(), 2)),
    );
    shows(&api, &query, |row| row == one).await?;
    shows(&api, &query.replace("online=false", "online=true"), |_| false).await
}

async fn empty_parameters_are_absent(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let query = "userId=&fullName=&deviceId=&remoteAddress=&online=&onlineDate=&offlineDate=";
    shows(&api, query, |_| true).await
}

async fn of_a_repeated_parameter_the_first_counts(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    shows(&api, "userId=301&userId=302", |row| row.user == 301).await
}

async fn parameters_that_cannot_be_read_are_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in [
        "userId=abc",
        "userId=1.0",
        "userId=9223372036854775808",
        "online=maybe",
        "online=2",
        "onlineDate=2025-07",
        "onlineDate=2025-07-16T25:00",
        "onlineDate=16.07.2025%2010:00:00",
        "onlineDate=2025-13-01%2010:00:00",
        "offlineDate=now",
        "offlineDate=1752631200000",
    ] {
        for path in [LIST, SEARCH] {
            api.refused("crowd", &format!("{path}?{query}"), 400, "param_validation_error").await?;
        }
    }
    Ok(())
}

async fn dates_are_taken_in_every_form_and_compared_by_the_second(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let at = CROWD_BEGAN + 420;
    for form in 0..4 {
        let text = date(at, api.zone(), form);
        shows(&api, &format!("onlineDate={}", escape(&text)), |row| row.online_at == at).await?;
        let text = date(at + 30, api.zone(), form);
        shows(&api, &format!("offlineDate={}", escape(&text)), |row| row.offline_at == Some(at + 30)).await?;
        let off_by_one = date(at + 1, api.zone(), form);
        shows(&api, &format!("onlineDate={}", escape(&off_by_one)), |_| false).await?;
    }
    for fraction in ["2025-07-16T02:07:00.999Z", "2025-07-15T22:07:00.5-04:00"] {
        shows(&api, &format!("onlineDate={fraction}"), |row| row.online_at == at).await?;
    }
    Ok(())
}

async fn a_plus_that_was_not_encoded_still_means_an_offset(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let at = CROWD_BEGAN + 420;
    shows(&api, "onlineDate=2025-07-16T10:07:00+08:00", |row| row.online_at == at).await?;
    shows(&api, "onlineDate=2025-07-16+10:07:00", |row| row.online_at == at).await
}

async fn info_scope_changes_nothing(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        let plain = api.page("admin-t1", path, "").await?;
        for scope in ["BASIC", "DETAIL", ""] {
            let scoped = api.page("admin-t1", path, &format!("infoScope={scope}")).await?;
            same(&scoped, &plain, &format!("{path} with infoScope {scope:?}"))?;
        }
    }
    Ok(())
}

async fn an_unknown_info_scope_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for scope in ["basic", "FULL", "Detail", "0"] {
        for path in [LIST, SEARCH] {
            api.refused("crowd", &format!("{path}?infoScope={scope}"), 400, "param_validation_error").await?;
        }
    }
    Ok(())
}
