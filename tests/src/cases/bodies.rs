//! Request bodies of the two published endpoints.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    check::{at, same},
    world::{ADMIN_TOKEN, DETAIL, FORCE_LOGOUT, PARSE_TOKEN, STATUS, USER_TOKEN, World},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_missing_or_null_list_is_refused,
        an_empty_list_is_a_legal_question,
        an_empty_id_reads_as_an_unknown_user,
        unknown_keys_are_ignored,
        the_key_is_matched_exactly,
        elements_that_are_not_text_are_refused,
        the_error_names_the_value_and_the_form_that_is_expected,
        a_byte_order_mark_is_skipped,
        bodies_that_are_not_an_object_are_refused,
        empty_and_cut_bodies_are_refused,
        trailing_bytes_are_refused,
        white_space_around_the_body_is_no_trailing_byte,
        text_that_is_not_utf8_is_refused,
        deep_nesting_is_refused,
        as_many_ids_as_configured_are_answered within 150,
        one_id_too_many_is_refused,
        every_other_route_refuses_a_malformed_body,
    ]
}

const BOTH: [&str; 2] = [STATUS, DETAIL];

async fn refused(world: &World, body: &str) -> Result<()> {
    let token = world.admin_token().await?;
    for path in BOTH {
        let answer = world.post_text(path, Some(&token), body).await?;
        answer.envelope()?.refusal(1001).with_context(|| format!("{path} with {body:.80}"))?;
    }
    Ok(())
}

async fn a_missing_or_null_list_is_refused(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in BOTH {
        for body in ["{}", r#"{"userIDs":null}"#] {
            let answer = world.post_text(path, Some(&token), body).await?;
            answer.refused(1001, "UserIDs is empty").with_context(|| format!("{path} with {body}"))?;
        }
    }
    Ok(())
}

async fn an_empty_list_is_a_legal_question(world: World) -> Result<()> {
    for path in BOTH {
        let answer = world.as_admin(path, &json!({"userIDs": []})).await?;
        same(answer.data()?, json!([]), path)?;
    }
    Ok(())
}

async fn an_empty_id_reads_as_an_unknown_user(world: World) -> Result<()> {
    let answer = world.as_admin(STATUS, &json!({"userIDs": [""]})).await?;
    let offline = json!([{"userID": "", "status": 0, "detailPlatformStatus": []}]);
    same(answer.data()?, offline, STATUS)?;
    let answer = world.as_admin(DETAIL, &json!({"userIDs": [""]})).await?;
    same(answer.data()?, json!([]), DETAIL)
}

async fn unknown_keys_are_ignored(world: World) -> Result<()> {
    let body = json!({"userIDs": [], "pagination": {"pageNumber": 1}, "x": [null, 1.5, "y"]});
    for path in BOTH {
        same(world.as_admin(path, &body).await?.code()?, 0, path)?;
    }
    Ok(())
}

async fn the_key_is_matched_exactly(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in BOTH {
        for key in ["userids", "UserIDs", "user_ids"] {
            let body = json!({key: ["x"]}).to_string();
            world.post_text(path, Some(&token), &body).await?.refused(1001, "UserIDs is empty")?;
        }
    }
    Ok(())
}

async fn elements_that_are_not_text_are_refused(world: World) -> Result<()> {
    for element in ["1", "null", "true", "{}", "[]", "[\"x\"]", "1e400"] {
        refused(&world, &format!(r#"{{"userIDs":["a",{element}]}}"#)).await?;
    }
    for list in [r#""x""#, "1", "{}", "true"] {
        refused(&world, &format!(r#"{{"userIDs":{list}}}"#)).await?;
    }
    Ok(())
}

async fn the_error_names_the_value_and_the_form_that_is_expected(world: World) -> Result<()> {
    let admin = world.admin_token().await?;
    for (path, body, wanted) in [
        (STATUS, r#"{"userIDs":[1]}"#, "userIDs[0]: expected text"),
        (DETAIL, r#"{"userIDs":["a","b",null]}"#, "userIDs[2]: expected text"),
        (STATUS, r#"{"userIDs":"a"}"#, "userIDs: expected a list"),
        (STATUS, r#"["a"]"#, "expected an object"),
        (USER_TOKEN, r#"{"userID":7,"platformID":5}"#, "userID: expected text"),
        (FORCE_LOGOUT, r#"{"userID":"a","platformID":"Web"}"#, "platformID: expected a whole number"),
        (PARSE_TOKEN, r#"{"token":true}"#, "token: expected text"),
    ] {
        let answer = world.post_text(path, Some(&admin), body).await?;
        let detail = format!("the body is not the JSON object that this takes ({wanted})");
        answer.refused(1001, &detail).with_context(|| format!("{path} with {body}"))?;
    }
    Ok(())
}

async fn a_byte_order_mark_is_skipped(world: World) -> Result<()> {
    let admin = world.admin_token().await?;
    for path in BOTH {
        let answer = world.post_text(path, Some(&admin), "\u{feff}{\"userIDs\":[]}").await?;
        same(answer.code()?, 0, path)?;
    }
    refused(&world, "\u{feff}\u{feff}{\"userIDs\":[]}").await?;
    refused(&world, "\u{feff}").await
}

async fn bodies_that_are_not_an_object_are_refused(world: World) -> Result<()> {
    for body in ["null", "1", r#""x""#, "true", "[]", r#"["x"]"#, r#"[["x"]]"#] {
        refused(&world, body).await?;
    }
    Ok(())
}

async fn empty_and_cut_bodies_are_refused(world: World) -> Result<()> {
    let whole = r#"{"userIDs":["x"]}"#;
    for length in [0, 1, 5, 11, 14, whole.len() - 1] {
        refused(&world, whole.get(..length).unwrap_or_default()).await?;
    }
    refused(&world, "userIDs=x").await?;
    refused(&world, "{'userIDs':['x']}").await?;
    refused(&world, r#"{"userIDs":["x",]}"#).await
}

async fn trailing_bytes_are_refused(world: World) -> Result<()> {
    for tail in ["x", "{}", ",", "\0", "]"] {
        refused(&world, &format!(r#"{{"userIDs":[]}}{tail}"#)).await?;
    }
    Ok(())
}

async fn white_space_around_the_body_is_no_trailing_byte(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in BOTH {
        let answer = world.post_text(path, Some(&token), " \r\n\t{ \"userIDs\" : [ ] }\n ").await?;
        same(answer.data()?, json!([]), path)?;
    }
    Ok(())
}

async fn text_that_is_not_utf8_is_refused(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in BOTH {
        let mut request = crate::world::post(path, Some(&token), "");
        request.body = b"{\"userIDs\":[\"\xff\xfe\"]}".to_vec();
        world.send(&request).await?.envelope()?.refusal(1001).with_context(|| path.to_owned())?;
    }
    Ok(())
}

async fn deep_nesting_is_refused(world: World) -> Result<()> {
    let depth = 100_000;
    refused(&world, &format!(r#"{{"userIDs":{}"#, "[".repeat(depth))).await?;
    refused(&world, &format!(r#"{{"x":{}1{},"userIDs":[1]}}"#, "[".repeat(depth), "]".repeat(depth))).await
}

fn many(world: &World, count: i64) -> Value {
    let user = world.user("u");
    let ids: Vec<String> = (0..count).map(|n| format!("{user}{n}")).collect();
    json!({"userIDs": ids})
}

async fn as_many_ids_as_configured_are_answered(world: World) -> Result<()> {
    let most = world.settings().max_user_ids;
    let body = many(&world, most);
    let answer = world.as_admin(STATUS, &body).await?.data()?;
    same(answer.as_array().map(Vec::len), usize::try_from(most).ok(), "the number of elements")?;
    let last = most - 1;
    same(at(&answer, &format!("/{last}/userID"))?, at(&body, &format!("/userIDs/{last}"))?, "the last id")?;
    same(world.as_admin(DETAIL, &body).await?.data()?, json!([]), DETAIL)
}

async fn one_id_too_many_is_refused(world: World) -> Result<()> {
    let body = many(&world, world.settings().max_user_ids + 1);
    for path in BOTH {
        world.as_admin(path, &body).await?.refused(1001, "too many userIDs")?;
    }
    Ok(())
}

async fn every_other_route_refuses_a_malformed_body(world: World) -> Result<()> {
    let token = world.admin_token().await?;
    for path in [ADMIN_TOKEN, USER_TOKEN, PARSE_TOKEN, FORCE_LOGOUT] {
        for body in
            ["", "{", "[]", "null", "1", r#"{"userID":1,"platformID":"2","token":3,"secret":4}"#, "{} {}"]
        {
            let answer = world.post_text(path, Some(&token), body).await?;
            answer.envelope()?.refusal(1001).with_context(|| format!("{path} with {body:?}"))?;
        }
    }
    Ok(())
}
