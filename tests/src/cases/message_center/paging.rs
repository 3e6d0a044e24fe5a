//! Walks through whole lists: every order, several page sizes, nothing twice and nothing left out.

use std::cmp::Ordering;

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        fixture::{Row, crowd},
    },
    size::size,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        walks_by_id_repeat_and_skip_nothing,
        walks_by_user_repeat_and_skip_nothing,
        walks_by_name_repeat_and_skip_nothing,
        walks_by_online_date_repeat_and_skip_nothing,
        walks_by_offline_date_repeat_and_skip_nothing,
        a_filtered_walk_has_the_filtered_total,
        a_page_past_the_end_is_empty_and_tells_the_total,
        a_page_has_ten_records_by_default,
        an_empty_result_has_a_total_of_zero,
        the_fields_of_a_record_stand_in_the_documented_order,
    ]
}

async fn walks_by_id_repeat_and_skip_nothing(world: World) -> Result<()> {
    walks(&world, "id", |_, _| Ordering::Equal).await
}

async fn walks_by_user_repeat_and_skip_nothing(world: World) -> Result<()> {
    walks(&world, "userId", |a, b| a.user.cmp(&b.user)).await
}

/// By code points: capitals before small letters, and no language's order.
async fn walks_by_name_repeat_and_skip_nothing(world: World) -> Result<()> {
    walks(&world, "fullName", |a, b| a.name.cmp(&b.name)).await
}

async fn walks_by_online_date_repeat_and_skip_nothing(world: World) -> Result<()> {
    walks(&world, "onlineDate", |a, b| a.online_at.cmp(&b.online_at)).await
}

/// A missing date is the lowest.
async fn walks_by_offline_date_repeat_and_skip_nothing(world: World) -> Result<()> {
    walks(&world, "offlineDate", |a, b| a.offline_at.cmp(&b.offline_at)).await
}

async fn walks(world: &World, by: &str, compare: fn(&Row, &Row) -> Ordering) -> Result<()> {
    let api = Api::with_fixture(world).await?;
    for (word, ascending) in [("ASC", true), ("DESC", false)] {
        let mut wanted = crowd();
        wanted.sort_by(|a, b| {
            let order = compare(a, b);
            let order = if ascending { order } else { order.reverse() };
            // The newest comes first among equals, whatever the direction; by id itself there are none.
            let ids = if by == "id" && ascending { a.id.cmp(&b.id) } else { b.id.cmp(&a.id) };
            order.then(ids)
        });
        let wanted: Vec<String> = wanted.iter().map(|row| row.id.to_string()).collect();
        for path in [LIST, SEARCH] {
            // One record a page takes as many requests as there are records, so that in the small size one walk by each order does.
            let lengths: &[usize] =
                if size(ascending && path == LIST, true) { &[1, 7, 13, 40] } else { &[7, 13, 40] };
            for length in lengths {
                let query = format!("orderBy={by}&orderSort={word}&pageSize={length}");
                let walked = walk(&api, path, &query, wanted.len()).await?;
                same(&walked, &wanted, &format!("the walk {path}?{query}"))?;
            }
        }
    }
    Ok(())
}

/// The ids of all pages up to the first empty one.
async fn walk(api: &Api, path: &str, query: &str, total: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for number in 1.. {
        let page = api.page("crowd", path, &format!("{query}&pageNo={number}")).await?;
        same(page.total, total, &format!("the total of page {number} of {query}"))?;
        if page.records.is_empty() {
            break;
        }
        ids.extend(page.ids());
        same(ids.len() <= total, true, "no more records than the total")?;
    }
    Ok(ids)
}

async fn a_filtered_walk_has_the_filtered_total(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let wanted: Vec<String> =
        crowd().iter().rev().filter(|row| row.online()).map(|row| row.id.to_string()).collect();
    let walked = walk(&api, LIST, "online=true&pageSize=3", wanted.len()).await?;
    same(walked, wanted, "the walk")
}

/// The original's search told 0.
async fn a_page_past_the_end_is_empty_and_tells_the_total(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        for query in ["pageNo=5&pageSize=10", "pageNo=2&pageSize=2000", "pageNo=99999"] {
            let page = api.page("crowd", path, query).await?;
            same((page.total, page.records.len()), (40, 0), query)?;
        }
    }
    Ok(())
}

async fn a_page_has_ten_records_by_default(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        let newest: Vec<String> = crowd().iter().rev().take(10).map(|row| row.id.to_string()).collect();
        same(api.page("crowd", path, "").await?.ids(), newest, "ids")?;
    }
    Ok(())
}

async fn an_empty_result_has_a_total_of_zero(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        let data = api.get("crowd", &format!("{path}?userId=1")).await?.data()?;
        same(data, serde_json::json!({"total": "0", "list": []}), "data")?;
    }
    Ok(())
}

async fn the_fields_of_a_record_stand_in_the_documented_order(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (query, left_out) in [("userId=101", "offlineDate"), ("userId=102", "avatar")] {
        let order = api.get("admin-t1", &format!("{LIST}?{query}")).await?.field_order().context("fields")?;
        let wanted: Vec<&str> =
            crate::console::reply::FIELDS.into_iter().filter(|name| *name != left_out).collect();
        same(order, wanted, query)?;
    }
    Ok(())
}
