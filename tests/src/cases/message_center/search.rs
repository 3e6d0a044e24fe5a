//! Differences between search and list, and what both have in common.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        fixture::{Row, crowd},
        naive::{Key, Op, Value, passes},
        spelling::{item, plain},
    },
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        each_of_several_matches_counts,
        a_search_by_device_looks_at_the_device_alone,
        a_search_for_equality_looks_at_one_field,
        a_search_without_matches_is_the_list,
    ]
}

async fn found(api: &Api, path: &str, query: &str) -> Result<Vec<String>> {
    Ok(api.page("crowd", path, &format!("pageSize=100&{query}")).await?.ids())
}

fn ids(passes: impl Fn(&Row) -> bool) -> Vec<String> {
    crowd().iter().rev().filter(|row| passes(row)).map(|row| row.id.to_string()).collect()
}

/// The original used one match filter and dropped the others.
async fn each_of_several_matches_counts(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let text = |text: &str| vec![Value::Text(text.to_owned())];
    let query = format!(
        "{}&{}&{}",
        item(0, "fullName", "MATCH", &["0".to_owned()], false),
        item(1, "remoteAddress", "MATCH_END", &["10".to_owned()], false),
        item(2, "fullName", "NOT_MATCH", &["%".to_owned()], false),
    );
    let wanted = ids(|row| {
        passes(row, Key::FullName, Op::Match, &text("0"), true)
            && passes(row, Key::RemoteAddress, Op::MatchEnd, &text("10"), true)
            && passes(row, Key::FullName, Op::NotMatch, &text("%"), true)
    });
    same(wanted.is_empty(), false, "whether nobody is looked for")?;
    same(found(&api, SEARCH, &query).await?, wanted, "what the search finds")
}

async fn a_search_by_device_looks_at_the_device_alone(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let query = plain("deviceId", "NOT_MATCH", Some("10."));
    same(found(&api, SEARCH, &query).await?, ids(|_| true), "what the search finds")
}

async fn a_search_for_equality_looks_at_one_field(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let by_name = plain("fullName", "EQUAL", Some("10.0.0.7"));
    same(found(&api, SEARCH, &by_name).await?, ids(|row| row.name == "10.0.0.7"), "by name")?;
    let by_address = plain("remoteAddress", "IN", Some("10.0.0.7"));
    same(found(&api, SEARCH, &by_address).await?, ids(|row| row.address == "10.0.0.7"), "by address")
}

async fn a_search_without_matches_is_the_list(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in ["", "online=true", "pageNo=2&pageSize=7&orderBy=userId&orderSort=ASC", "userId=1"] {
        let list = api.page("crowd", LIST, query).await?;
        same(api.page("crowd", SEARCH, query).await?, list, query)?;
    }
    Ok(())
}
