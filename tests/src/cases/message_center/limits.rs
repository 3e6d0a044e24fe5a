//! Limits of a query: exactly at each limit, and one beyond it.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        fixture::crowd,
        spelling::{item, plain},
    },
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        twenty_filters_are_taken_and_21_are_not,
        items_that_are_dropped_count_as_well,
        a_thousand_members_are_taken_and_1001_are_not,
        page_sizes_end_at_2000,
        page_numbers_end_at_100000,
        numbers_of_pages_have_to_be_numbers,
        words_of_the_order_are_checked,
        the_order_is_checked_without_any_filter,
    ]
}

async fn refused(api: &Api, query: &str, key: &str) -> Result<()> {
    for path in [LIST, SEARCH] {
        api.refused("crowd", &format!("{path}?{query}"), 400, key).await?;
    }
    Ok(())
}

fn filters(count: usize) -> String {
    let items: Vec<String> = (0..count)
        .map(|index| item(index, "userId", "NOT_EQUAL", &["301".to_owned()], index % 2 == 0))
        .collect();
    items.join("&")
}

async fn twenty_filters_are_taken_and_21_are_not(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let page = api.list("crowd", &filters(20)).await?;
    same(page.total, crowd().iter().filter(|row| row.user != 301).count(), "the total")?;
    refused(&api, &filters(21), "param_validation_error").await
}

async fn items_that_are_dropped_count_as_well(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let dropped = |index: usize| format!("filters[{index}].op=EQUAL");
    api.list("crowd", &format!("{}&{}", filters(19), dropped(30))).await?;
    refused(&api, &format!("{}&{}", filters(20), dropped(30)), "param_validation_error").await
}

async fn a_thousand_members_are_taken_and_1001_are_not(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let list = |count: i64| (0..count).map(|n| (300 + n).to_string()).collect::<Vec<_>>().join(",");
    let page = api.list("crowd", &plain("userId", "IN", Some(&list(1000)))).await?;
    same(page.total, crowd().len(), "the total")?;
    let page = api.list("crowd", &plain("userId", "NOT_IN", Some(&list(1000)))).await?;
    same(page.total, 0, "the total")?;
    for (key, op) in [("userId", "IN"), ("userId", "NOT_IN"), ("fullName", "IN"), ("deviceId", "NOT_IN")] {
        refused(&api, &plain(key, op, Some(&list(1001))), "param_validation_error").await?;
    }
    Ok(())
}

async fn page_sizes_end_at_2000(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for size in [1, 2000] {
        let page = api.list("crowd", &format!("pageSize={size}")).await?;
        same(page.records.len(), crowd().len().min(size), "records")?;
    }
    for size in ["0", "-1", "2001", "4294967297", "9223372036854775808"] {
        refused(&api, &format!("pageSize={size}"), "param_validation_error").await?;
    }
    Ok(())
}

async fn page_numbers_end_at_100000(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let page = api.list("crowd", "pageNo=100000&pageSize=2000").await?;
    same((page.total, page.records.len()), (crowd().len(), 0), "total and records past the end")?;
    for number in ["0", "-1", "100001", "4294967297"] {
        refused(&api, &format!("pageNo={number}"), "param_validation_error").await?;
    }
    Ok(())
}

async fn numbers_of_pages_have_to_be_numbers(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for value in ["abc", "1.5", "1e1", "%22one%22"] {
        refused(&api, &format!("pageNo={value}"), "param_validation_error").await?;
        refused(&api, &format!("pageSize={value}"), "param_validation_error").await?;
    }
    // An empty one is none.
    let page = api.list("crowd", "pageNo=&pageSize=&orderBy=&orderSort=&infoScope=").await?;
    same(page.records.len(), 10, "records on a page by default")
}

async fn words_of_the_order_are_checked(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for word in ["asc", "Desc", "ASCENDING", "1"] {
        refused(&api, &format!("orderSort={word}"), "param_validation_error").await?;
    }
    let long = "x".repeat(101);
    for name in ["ID", "userid", "deviceId", "remoteAddress", "online", "userAgent", "id,userId", "id%20desc"]
    {
        refused(&api, &format!("orderBy={name}"), "unsupported_order_by").await?;
    }
    let reply = api.get("crowd", &format!("{LIST}?orderBy={long}")).await?;
    same(reply.response.status, 400, "the status of an orderBy of 101 characters")
}

/// The original looked at it inside the loop over the filters.
async fn the_order_is_checked_without_any_filter(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    refused(&api, "orderBy=avatar", "unsupported_order_by").await?;
    let filter = plain("userId", "EQUAL", Some("301"));
    refused(&api, &format!("orderBy=avatar&{filter}"), "unsupported_order_by").await
}
