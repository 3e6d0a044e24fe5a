//! One user's record.

use anyhow::Result;

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST},
        fixture::{Row, crowd},
    },
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        the_best_record_of_each_user_is_shown,
        a_record_id_is_no_user_id,
        paths_that_are_no_number_are_refused,
        a_user_of_another_tenant_looks_like_nobody,
        the_word_search_is_not_a_user,
        parameters_do_not_matter_for_a_detail,
    ]
}

/// The online one that opened last; else the one that ended last; among equals the highest id.
async fn the_best_record_of_each_user_is_shown(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let crowd = crowd();
    let mut users: Vec<i64> = crowd.iter().map(|row| row.user).collect();
    users.sort_unstable();
    users.dedup();
    for user in users {
        let of = |row: &&Row| row.user == user;
        let live =
            crowd.iter().filter(of).filter(|row| row.online()).max_by_key(|row| (row.online_at, row.id));
        let ended = crowd.iter().filter(of).max_by_key(|row| (row.offline_at, row.id));
        let wanted = live.or(ended).map(|row| row.record(api.zone()));
        let shown = api.detail("crowd", user).await?.record()?;
        same(Some(shown), wanted, &format!("the record of user {user}"))?;
    }
    let ended = api.detail("admin-t1", 102).await?.record()?;
    same(ended.id.as_str(), "9003", "the record of a user who left")
}

/// The original looked it up as one.
async fn a_record_id_is_no_user_id(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.detail("admin-t1", 9001).await?.refused(404, "resource_not_found")
}

async fn paths_that_are_no_number_are_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in ["abc", "1.5", "9223372036854775808", "101x", "0x65", "%20", "Search", "1e2"] {
        api.refused("admin-t1", &format!("{LIST}/{path}"), 400, "param_binding_error").await?;
    }
    for path in ["-1", "0", "9223372036854775807", "-9223372036854775808"] {
        api.refused("admin-t1", &format!("{LIST}/{path}"), 404, "resource_not_found").await?;
    }
    Ok(())
}

async fn a_user_of_another_tenant_looks_like_nobody(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let foreign = api.detail("admin-t1", 201).await?;
    let nobody = api.detail("admin-t1", 999).await?;
    foreign.refused(404, "resource_not_found")?;
    nobody.refused(404, "resource_not_found")?;
    let text = |reply: &crate::console::reply::Reply, id: &str| -> Result<String> {
        let body = reply.envelope(404)?;
        Ok(crate::check::text_at(&body, "/msg")?.replace(id, "N"))
    };
    same(text(&foreign, "201")?, text(&nobody, "999")?, "the message")
}

async fn the_word_search_is_not_a_user(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let page = api.get("admin-t1", &format!("{LIST}/search")).await?.page()?;
    same(page.total, 5, "the total of a search")
}

async fn parameters_do_not_matter_for_a_detail(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let plain = api.detail("admin-t1", 101).await?.record()?;
    let asked = api.get("admin-t1", &format!("{LIST}/101?online=false&pageSize=abc")).await?.record()?;
    same(asked, plain, "the record")
}
