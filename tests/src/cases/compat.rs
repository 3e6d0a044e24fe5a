//! Routes that stock clients call around their connection. They answer that there is nothing, which logs no client out.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{check::same, world::World};

/// Questions about what there is none of, with the bodies that clients send.
const NOTHING: [(&str, &str); 8] = [
    ("/friend/get_incremental_friends", r#"{"userID":"u","version":0,"versionID":""}"#),
    ("/group/get_incremental_join_groups", r#"{"userID":"u","version":0,"versionID":""}"#),
    ("/conversation/get_incremental_conversations", r#"{"userID":"u","version":0,"versionID":""}"#),
    ("/friend/get_black_list", r#"{"userID":"u","pagination":{"pageNumber":1,"showNumber":200}}"#),
    ("/friend/get_full_friend_user_ids", r#"{"idHash":0,"userID":"u"}"#),
    ("/group/get_full_join_group_ids", r#"{"idHash":0,"userID":"u"}"#),
    ("/conversation/get_not_notify_conversation_ids", r#"{"userID":"u"}"#),
    // Protobuf, in an answer to which JSON is expected.
    ("/jssdk/get_active_conversations", "\n\u{1}u\u{10}d"),
];

const USERS_INFO: &str = "/user/get_users_info";

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_good_token_finds_no_friends_groups_or_conversations,
        a_profile_is_the_userid_and_nothing_else,
        profiles_need_ids_within_the_bounds_of_every_question,
        who_calls_is_checked_as_everywhere,
        what_clients_call_besides_is_not_found,
    ]
}

async fn a_good_token_finds_no_friends_groups_or_conversations(world: World) -> Result<()> {
    let user = world.issue(&world.user("a"), 5).await?;
    let admin = world.admin_token().await?;
    for (path, body) in NOTHING {
        for token in [&user, &admin] {
            let answer = world.post_text(path, Some(token), body).await?;
            same(answer.response.status, 200, &format!("the status of {path}"))?;
            same(answer.text()?, r#"{"errCode":0,"errMsg":"","errDlt":"","data":{}}"#, path)?;
        }
    }
    Ok(())
}

async fn a_profile_is_the_userid_and_nothing_else(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let body = json!({"userIDs": [user, "nobody", user]});
    let answer = world.post(USERS_INFO, Some(&token), &body).await?;
    let profile = |id: &str| json!({"userID": id, "nickname": id, "faceURL": "", "ex": ""});
    let wanted: Vec<Value> = [user.as_str(), "nobody", &user].map(profile).to_vec();
    let wanted = json!({"errCode": 0, "errMsg": "", "errDlt": "", "data": {"usersInfo": wanted}});
    same(answer.json()?, wanted, "the answer")?;
    let nobody = world.post(USERS_INFO, Some(&token), &json!({"userIDs": []})).await?;
    let text = r#"{"errCode":0,"errMsg":"","errDlt":"","data":{"usersInfo":[]}}"#;
    same(nobody.text()?, text, "the answer to no ids")
}

async fn profiles_need_ids_within_the_bounds_of_every_question(world: World) -> Result<()> {
    let token = world.issue(&world.user("a"), 5).await?;
    for body in [json!({}), json!({"userIDs": null}), json!({"userIDs": vec!["u"; 1_001]})] {
        let answer = world.post(USERS_INFO, Some(&token), &body).await?;
        same(answer.code()?, 1001, "errCode")?;
    }
    Ok(())
}

async fn who_calls_is_checked_as_everywhere(world: World) -> Result<()> {
    let user = world.user("a");
    let kicked = world.issue(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    let forged = world.forged(&user, 5)?;
    let paths = NOTHING.iter().map(|(path, _)| *path).chain([USERS_INFO]);
    for path in paths {
        for (token, code) in
            [(None, 1001), (Some("abc"), 1503), (Some(&*kicked), 1506), (Some(&*forged), 1507)]
        {
            let answer = world.post_text(path, token, r#"{"userIDs":[]}"#).await?;
            same(answer.response.status, 200, &format!("the status of {path}"))?;
            same(answer.code()?, code, &format!("errCode of {path}"))?;
        }
    }
    Ok(())
}

async fn what_clients_call_besides_is_not_found(world: World) -> Result<()> {
    let token = world.issue(&world.user("a"), 5).await?;
    for path in ["/friend/get_friend_list", "/msg/send_msg", "/group/create_group", "/user/get_users_info/x"]
    {
        let answer = world.post_text(path, Some(&token), "{}").await?;
        answer.envelope_with(404)?.refused(1004, "no such route").with_context(|| path.to_owned())?;
    }
    Ok(())
}
