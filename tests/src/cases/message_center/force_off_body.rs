//! Bodies of a force-off. None of these orders takes a user offline.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{
    cases::{Case, cases},
    check::same,
    console::api::Api,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        a_body_that_cannot_be_read_is_refused,
        a_type_that_is_not_allowed_is_refused,
        a_type_may_have_any_case,
        ids_may_be_numbers_or_texts_and_nulls_are_dropped,
        ten_thousand_ids_are_taken_and_one_more_is_not,
        a_broadcast_without_ids_is_refused,
        without_broadcast_and_ids_nothing_happens,
        unknown_members_are_ignored,
    ]
}

async fn refused(api: &Api, body: &str, key: &str) -> Result<()> {
    let reply = api.off_text(&api.bearer("admin-t1"), body).await?;
    reply.refused(400, key).with_context(|| crate::check::shorten(body))?;
    everybody_is_there(api).await
}

async fn taken(api: &Api, body: &Value) -> Result<()> {
    let reply = api.off_text(&api.bearer("admin-t1"), &body.to_string()).await?;
    reply.empty().with_context(|| crate::check::shorten(&body.to_string()))?;
    everybody_is_there(api).await
}

async fn everybody_is_there(api: &Api) -> Result<()> {
    let online = api.unrecorded().list("admin-t1", "online=true").await?;
    same(online.total, 3, "records online in tenant 1")
}

async fn a_body_that_cannot_be_read_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for body in [
        "",
        "null",
        "[]",
        "\"USER\"",
        "7",
        "{\"receiveObjectType\":\"USER\",\"receiveObjectIds\":[998]",
        "{\"receiveObjectType\":\"USER\",\"receiveObjectIds\":[998]}x",
        r#"{"receiveObjectType":"USER","receiveObjectIds":998}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":["abc"]}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":[998,"10x"]}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":[1.5]}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":[9223372036854775808]}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":["9223372036854775808"]}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":[[998]]}"#,
        r#"{"receiveObjectType":"USER","receiveObjectIds":[{"id":998}]}"#,
        r#"{"receiveObjectType":["USER"],"receiveObjectIds":[998]}"#,
        r#"{"receiveObjectType":"USERS","receiveObjectIds":[998]}"#,
        r#"{"receiveObjectType":" USER","receiveObjectIds":[998]}"#,
        r#"{"broadcast":"perhaps","receiveObjectType":"USER","receiveObjectIds":[998]}"#,
        r#"{"broadcast":[],"receiveObjectType":"USER","receiveObjectIds":[998]}"#,
    ] {
        refused(&api, body, "param_parsing_error").await?;
    }
    Ok(())
}

async fn a_type_that_is_not_allowed_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for kind in ["POLICY", "TO_POLICY", "policy"] {
        let body = json!({"receiveObjectType": kind, "receiveObjectIds": [998]});
        refused(&api, &body.to_string(), "param_validation_error").await?;
    }
    for body in
        [json!({"receiveObjectIds": [998]}), json!({"receiveObjectType": null, "receiveObjectIds": [998]})]
    {
        refused(&api, &body.to_string(), "param_validation_error").await?;
    }
    refused(&api, "{}", "param_validation_error").await
}

async fn a_type_may_have_any_case(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for kind in ["user", "User", "uSER"] {
        taken(&api, &json!({"receiveObjectType": kind, "receiveObjectIds": [998]})).await?;
    }
    // This tenant has no user of that number.
    taken(&api, &json!({"receiveObjectType": "tenant", "receiveObjectIds": [998]})).await
}

async fn ids_may_be_numbers_or_texts_and_nulls_are_dropped(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    taken(&api, &json!({"receiveObjectType": "USER", "receiveObjectIds": [998, "998", null, 998, i64::MAX]}))
        .await?;
    let body = json!({"receiveObjectType": "USER", "receiveObjectIds": [null, null]});
    refused(&api, &body.to_string(), "protocol_error").await
}

async fn ten_thousand_ids_are_taken_and_one_more_is_not(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let body = |count: usize| json!({"receiveObjectType": "USER", "receiveObjectIds": vec![998; count]});
    taken(&api, &body(10_000)).await?;
    refused(&api, &body(10_001).to_string(), "param_validation_error").await
}

/// An empty selection never means all users.
async fn a_broadcast_without_ids_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for kind in ["USER", "TENANT", "DEPT", "GROUP"] {
        for body in [
            json!({"receiveObjectType": kind}),
            json!({"receiveObjectType": kind, "receiveObjectIds": []}),
            json!({"receiveObjectType": kind, "receiveObjectIds": null}),
            json!({"receiveObjectType": kind, "receiveObjectIds": [], "broadcast": true}),
        ] {
            refused(&api, &body.to_string(), "protocol_error").await?;
        }
    }
    Ok(())
}

async fn without_broadcast_and_ids_nothing_happens(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for kind in ["USER", "TENANT", "DEPT", "GROUP"] {
        taken(&api, &json!({"receiveObjectType": kind, "broadcast": false})).await?;
        taken(&api, &json!({"receiveObjectType": kind, "broadcast": false, "receiveObjectIds": []})).await?;
    }
    Ok(())
}

async fn unknown_members_are_ignored(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let body = json!({"receiveObjectType": "USER", "receiveObjectIds": [998], "all": true, "userIds": [103], "x": {}});
    taken(&api, &body).await
}
