//! Permissions in the secure profile: route by role.

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        reply::Reply,
        spelling::{item, plain},
    },
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        each_role_may_do_what_the_table_says,
        everybody_may_read_their_own_detail,
        everybody_may_list_their_own_records,
        a_list_that_only_seems_to_be_the_own_is_refused,
        orders_that_are_refused_have_no_effect,
        an_order_for_oneself_and_another_is_refused_as_a_whole,
        an_order_to_all_is_for_system_administrators,
    ]
}

/// May read, may take off.
const TABLE: [(&str, bool, bool); 7] = [
    ("admin-t1", true, true),
    ("user-101", false, false),
    ("reader", true, false),
    ("kicker", false, true),
    ("reader-by-operation", true, false),
    ("kicker-by-operation", false, true),
    // Names that are nearly right are others.
    ("stranger", false, false),
];

fn allowed(reply: &Reply, allowed: bool) -> Result<()> {
    if allowed { reply.data().map(drop) } else { reply.refused(403, "forbidden") }
}

async fn each_role_may_do_what_the_table_says(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (role, reads, kicks) in TABLE {
        for target in
            [LIST.to_owned(), SEARCH.to_owned(), format!("{LIST}/103"), format!("{LIST}?userId=103")]
        {
            let reply = api.get(role, &target).await?;
            allowed(&reply, reads).with_context(|| format!("{role}: {target}"))?;
        }
        // User 998 does not exist, so an order that is allowed takes no user offline.
        allowed(&api.off(role, "USER", &[998]).await?, kicks).with_context(|| format!("{role}: off"))?;
    }
    Ok(())
}

async fn everybody_may_read_their_own_detail(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let own = api.detail("user-101", 101).await?.record()?;
    same(own, api.detail("admin-t1", 101).await?.record()?, "the own record")?;
    api.detail("user-101", 102).await?.refused(403, "forbidden")?;
    // Whether there is such a user is not told either.
    api.detail("user-101", 999).await?.refused(403, "forbidden")
}

async fn everybody_may_list_their_own_records(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        for query in [
            "userId=101".to_owned(),
            plain("userId", "EQUAL", Some("101")),
            "userId=101&online=true".to_owned(),
        ] {
            let own = api.page("user-101", path, &query).await?;
            same(own.ids(), vec!["9002".to_owned(), "9001".to_owned()], &format!("{path}?{query}"))?;
        }
    }
    Ok(())
}

/// The question counts, not the first mention of the own number.
async fn a_list_that_only_seems_to_be_the_own_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let filter = |index: usize, op: &str, value: &str| item(index, "userId", op, &[value.to_owned()], false);
    for query in [
        String::new(),
        "userId=".to_owned(),
        "userId=103".to_owned(),
        "userId=103&userId=101".to_owned(),
        "deviceId=dev-a1".to_owned(),
        "fullName=Zhang%20San".to_owned(),
        // A filter with EQUAL overrules the parameter.
        format!("userId=101&{}", filter(0, "EQUAL", "103")),
        format!("{}&{}", filter(0, "EQUAL", "103"), filter(1, "EQUAL", "101")),
        format!("{}&{}", filter(5, "EQUAL", "101"), filter(4, "EQUAL", "103")),
        filter(0, "IN", "101,103"),
        filter(0, "NOT_EQUAL", "103"),
        filter(0, "GREATER_THAN_EQUAL", "101"),
        // Dropped, for it has no operator.
        "filters[0].key=userId&filters[0].value=101".to_owned(),
    ] {
        for path in [LIST, SEARCH] {
            api.refused("user-101", &format!("{path}?{query}"), 403, "forbidden").await?;
        }
    }
    // The same number in another tenant is another user.
    for target in [format!("{LIST}?userId=121"), format!("{LIST}/121")] {
        let request = api.request("GET", &target, &api.bearer("operator-user"));
        api.ask(&request.header("XC-Opt-Tenant-Id", "1")).await?.refused(403, "forbidden")?;
    }
    Ok(())
}

async fn orders_that_are_refused_have_no_effect(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for role in ["user-101", "reader", "stranger"] {
        for (kind, id) in [("USER", 103), ("TENANT", 1), ("DEPT", 11), ("GROUP", 21), ("ALL", 1)] {
            let reply = api.off(role, kind, &[id]).await?;
            reply.refused(403, "forbidden").with_context(|| format!("{role}: {kind}"))?;
        }
    }
    everybody_is_there(&api).await
}

async fn an_order_for_oneself_and_another_is_refused_as_a_whole(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.off("user-101", "USER", &[101, 103]).await?.refused(403, "forbidden")?;
    api.off("user-101", "USER", &[103, 101]).await?.refused(403, "forbidden")?;
    everybody_is_there(&api).await
}

async fn an_order_to_all_is_for_system_administrators(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.off("kicker", "ALL", &[]).await?.refused(403, "forbidden")?;
    everybody_is_there(&api).await
}

async fn everybody_is_there(api: &Api) -> Result<()> {
    let online = api.list("admin-t1", "online=true").await?.ids();
    let wanted = ["9004", "9002", "9001"].map(str::to_owned).to_vec();
    same(online, wanted, "who is online in tenant 1")
}
