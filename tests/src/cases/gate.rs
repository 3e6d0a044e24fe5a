//! Upgrades that are refused, in both deliveries: HTTP 200 with the envelope, or a text frame when the
//! client asked for the result that way.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::{holds, same},
    jwt,
    world::{Delivery, World, unix_time},
    ws::{Handshake, Opening},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        a_missing_parameter_is_named,
        an_empty_parameter_is_a_missing_one,
        a_platform_that_is_no_integer_is_told,
        an_unknown_platform_is_told,
        an_unknown_sdk_type_is_told,
        a_result_flag_that_is_no_flag_is_told,
        a_background_flag_that_is_no_flag_is_refused,
        a_packed_parameter_that_is_no_base64_is_told,
        a_packed_parameter_that_is_no_json_is_told,
        a_packed_parameter_is_judged_like_the_others,
        a_refused_token_gets_its_own_code,
        a_token_of_another_user_is_invalid_here,
        a_token_of_another_platform_is_invalid_here,
        a_refusal_by_http_is_plain_json,
        a_refused_handshake_leaves_no_trace,
        a_plain_get_is_told_the_refusal_that_the_upgrade_would_get,
    ]
}

async fn whole(world: &World) -> Result<Handshake> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    Ok(Handshake::new(&user, 5, &token))
}

const NAMED: [(&str, &str); 4] = [
    ("sendID", "sendID is empty"),
    ("token", "token is empty"),
    ("platformID", "platformID is not int"),
    ("operationID", "operationID is empty"),
];

async fn a_missing_parameter_is_named(world: World) -> Result<()> {
    let whole = whole(&world).await?;
    for (name, detail) in NAMED {
        world.refused_both_ways(&whole.clone().without(name), 1602, detail).await.context(name)?;
    }
    Ok(())
}

async fn an_empty_parameter_is_a_missing_one(world: World) -> Result<()> {
    let whole = whole(&world).await?;
    for (name, detail) in NAMED {
        world.refused_both_ways(&whole.clone().set(name, ""), 1602, detail).await.context(name)?;
    }
    Ok(())
}

async fn a_platform_that_is_no_integer_is_told(world: World) -> Result<()> {
    let whole = whole(&world).await?;
    for platform in ["web", "5.0", "5x", "0x5", "1e1", " 5", "99999999999999999999"] {
        let handshake = whole.clone().set("platformID", platform);
        world.refused_both_ways(&handshake, 1602, "platformID is not int").await.context(platform)?;
    }
    Ok(())
}

async fn an_unknown_platform_is_told(world: World) -> Result<()> {
    let whole = whole(&world).await?;
    for platform in ["0", "12", "-1", "2147483647"] {
        let handshake = whole.clone().set("platformID", platform);
        world.refused_both_ways(&handshake, 1602, "platformID is invalid").await.context(platform)?;
    }
    Ok(())
}

async fn an_unknown_sdk_type_is_told(world: World) -> Result<()> {
    let whole = whole(&world).await?;
    for kind in ["rust", "JS", "json"] {
        let handshake = whole.clone().set("sdkType", kind);
        world.refused_both_ways(&handshake, 1602, "sdkType is invalid").await.context(kind)?;
    }
    Ok(())
}

/// A flag that does not read leaves the refusal to HTTP.
async fn a_result_flag_that_is_no_flag_is_told(world: World) -> Result<()> {
    for flag in ["perhaps", "yes", "2", "tRUE"] {
        let handshake = whole(&world).await?.set("isMsgResp", flag);
        let (delivery, envelope) = world.refusal(&handshake).await?;
        same(delivery, Delivery::Http, "the delivery")?;
        envelope.refused(1602, "isMsgResp is not bool").context(flag)?;
    }
    Ok(())
}

async fn a_background_flag_that_is_no_flag_is_refused(world: World) -> Result<()> {
    for flag in ["perhaps", "yes", "2", "tRUE"] {
        let handshake = whole(&world).await?.set("isBackground", flag);
        for (handshake, delivery) in
            [(handshake.clone().silent(), Delivery::Http), (handshake.clone(), Delivery::Frame)]
        {
            let (came, envelope) = world.refusal(&handshake).await?;
            same(came, delivery, "the delivery")?;
            envelope.refusal(1602).context(flag)?;
        }
    }
    Ok(())
}

async fn a_packed_parameter_that_is_no_base64_is_told(world: World) -> Result<()> {
    for v in ["!!!", "a b", "ä"] {
        let (delivery, envelope) = world.refusal(&Handshake::empty().set("v", v)).await?;
        same(delivery, Delivery::Http, "the delivery")?;
        envelope.refused(1602, "data is not base64").context(v)?;
    }
    Ok(())
}

async fn a_packed_parameter_that_is_no_json_is_told(world: World) -> Result<()> {
    for text in ["no json", r#"{"token":"#, r#"{"platformID":"5"}"#] {
        let handshake = Handshake::empty().set("v", &jwt::base64url(text));
        let (delivery, envelope) = world.refusal(&handshake).await?;
        same(delivery, Delivery::Http, "the delivery")?;
        let detail = envelope.refusal(1602).context(text)?;
        holds(detail.starts_with("data is not json, info="), || format!("the detail {detail:?}"))?;
    }
    Ok(())
}

async fn a_packed_parameter_is_judged_like_the_others(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let good = json!({
        "token": token,
        "userID": user,
        "platformID": 5,
        "operationID": "op",
        "sdkType": "js",
    });
    for (name, value, detail) in [
        ("token", json!(""), "token is empty"),
        ("userID", json!(""), "sendID is empty"),
        ("operationID", json!(""), "operationID is empty"),
        ("platformID", json!(12), "platformID is invalid"),
        ("sdkType", json!("rust"), "sdkType is invalid"),
    ] {
        for (ask, delivery) in [(false, Delivery::Http), (true, Delivery::Frame)] {
            let mut fields = good.clone();
            if let Some(fields) = fields.as_object_mut() {
                fields.insert(name.to_owned(), value.clone());
                fields.insert("sendResponse".to_owned(), json!(ask));
            }
            let v = jwt::base64url(fields.to_string());
            if name != "token" {
                world.forbid(&v);
            }
            let (came, envelope) = world.refusal(&Handshake::empty().set("v", &v)).await?;
            same(came, delivery, &format!("the delivery for {name}"))?;
            envelope.refused(1602, detail)?;
        }
    }
    Ok(())
}

async fn a_refused_token_gets_its_own_code(world: World) -> Result<()> {
    let user = world.user("a");
    let now = unix_time();
    let kicked = world.issue(&user, 5).await?;
    world.force_logout(&user, 5).await?;
    let claims = world.claims(&user, 5);
    let secret = world.secret()?;
    let expired = jwt::Claims { exp: now - 10, ..claims.clone() };
    let early = jwt::Claims { nbf: now + 600, ..claims.clone() };
    let none = format!("{}.{}.", jwt::base64url(r#"{"alg":"none"}"#), jwt::base64url(claims.to_text()));
    for (token, code, detail) in [
        (jwt::mint(&expired.to_text(), secret)?, 1501, ""),
        ("abc".to_owned(), 1503, ""),
        (jwt::mint(&early.to_text(), secret)?, 1504, ""),
        (jwt::mint(&claims.to_text(), "a wrong secret")?, 1505, "signature is invalid"),
        (none, 1505, "signing method is unavailable"),
        (kicked, 1506, ""),
        (jwt::mint(&claims.to_text(), secret)?, 1507, ""),
    ] {
        let handshake = Handshake::new(&user, 5, &token);
        world.refused_both_ways(&handshake, code, detail).await.with_context(|| code.to_string())?;
    }
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")
}

async fn a_token_of_another_user_is_invalid_here(world: World) -> Result<()> {
    let (owner, thief) = (world.user("owner"), world.user("thief"));
    let token = world.issue(&owner, 5).await?;
    let detail = format!("token uid {owner} != userID {thief}");
    world.refused_both_ways(&Handshake::new(&thief, 5, &token), 1502, &detail).await?;
    for user in [&owner, &thief] {
        same(world.platforms(user).await?, Vec::<i64>::new(), "platforms online")?;
    }
    Ok(())
}

async fn a_token_of_another_platform_is_invalid_here(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    for platform in [2, 10, 11] {
        let detail = format!("token platform 5 != platformID {platform}");
        world.refused_both_ways(&Handshake::new(&user, platform, &token), 1502, &detail).await?;
    }
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")
}

async fn a_refusal_by_http_is_plain_json(world: World) -> Result<()> {
    let handshake = whole(&world).await?.silent().without("platformID");
    let Opening::Refused(response) = world.try_upgrade(&handshake).await? else {
        anyhow::bail!("the connection was upgraded");
    };
    same(response.header("upgrade"), None, "the header upgrade")?;
    let answer = Answer::new(response, world.settings().style);
    answer.refused(1602, "platformID is not int")
}

/// No socket, and no token dies: the same token connects afterwards.
async fn a_refused_handshake_leaves_no_trace(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let whole = Handshake::new(&user, 5, &token);
    for refused in [
        whole.clone().set("platformID", "2"),
        whole.clone().set("sendID", "somebody-else"),
        whole.clone().without("operationID"),
        whole.clone().set("token", "abc"),
    ] {
        world.refusal(&refused).await?;
        world.refusal(&refused.silent()).await?;
    }
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")?;
    world.expect_verdict(&token, 0, "the token").await?;
    world.enter(&whole).await?.alive().await
}

/// What clients ask once more after a refused upgrade, of which browsers show a page nothing.
async fn a_plain_get_is_told_the_refusal_that_the_upgrade_would_get(world: World) -> Result<()> {
    let user = world.user("a");
    let kicked = world.issue(&user, 2).await?;
    world.force_logout(&user, 2).await?;
    let token = world.issue(&user, 5).await?;
    let whole = Handshake::new(&user, 5, &token);
    for (handshake, code, detail) in [
        (whole.clone().without("operationID"), 1602, "operationID is empty".to_owned()),
        (whole.clone().set("platformID", "12"), 1602, "platformID is invalid".to_owned()),
        (whole.clone().set("token", "abc"), 1503, String::new()),
        (whole.clone().set("platformID", "2"), 1502, "token platform 5 != platformID 2".to_owned()),
        (Handshake::new(&user, 2, &kicked), 1506, String::new()),
        (Handshake::new(&user, 5, &world.forged(&user, 5)?), 1507, String::new()),
        (Handshake::empty().path("/msg_gateway/").set("v", "!!!"), 1602, "data is not base64".to_owned()),
    ] {
        world.send(&handshake.plain()).await?.refused(code, &detail)?;
    }
    for handshake in
        [whole.clone(), whole.path("/ws"), Handshake::empty(), Handshake::empty().set("utm", "1")]
    {
        let answer = world.send(&handshake.plain()).await?;
        same(answer.response.status, 426, "the status of a GET that could be an upgrade, or says nothing")?;
    }
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")
}
