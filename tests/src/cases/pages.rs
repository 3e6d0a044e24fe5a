//! The two published pages, literally: path, headers, request body, and the fields of the samples.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    check::{at, same},
    http::Request,
    jwt,
    world::World,
    ws::Handshake,
};

pub(super) fn cases() -> Vec<Case> {
    let list: Vec<Case> = cases![Base, "base":
        the_token_detail_page_holds sharing "the published users",
        the_online_status_page_holds sharing "the published users",
        the_failure_sample_of_both_pages_has_our_fields,
        the_published_status_tokens_verify_as_expired,
    ];
    list.into_iter().map(Case::with_literal_tokens).collect()
}

const DETAIL_REQUEST: &str = r#"{
  "userIDs": ["2621568666", "2621568663"]
}"#;

const DETAIL_SAMPLE: &str = r#"{
  "errCode": 0,
  "errMsg": "",
  "errDlt": "",
  "data": [
    {
      "userID": "2621568666",
      "status": 1,
      "singlePlatformToken": [
        {
          "platformID": 4,
          "total": 1,
          "token": ["<token>"]
        }
      ]
    }
  ]
}"#;

const STATUS_REQUEST: &str = r#"{
"userIDs": ["2890713225"]
}"#;

const STATUS_SAMPLE: &str = r#"{
"errCode": 0,
"errMsg": "",
"errDlt": "",
"data": [
{
"userID": "2890713225",
"status": 1,
"detailPlatformStatus": [
{
"platformID": 2,
"connID": "bbb7c4da159b1ec6beb81c9e4129b075",
"isBackground": false,
"token": "<token>"
},
{
"platformID": 3,
"connID": "f18b67b5f57f01604b9f7c338238f43d",
"isBackground": false,
"token": "<token>"
}
]
}
]
}"#;

const FAILURE_SAMPLE: &str = r#"{
  "errCode": 1004,
  "errMsg": "RecordNotFoundError",
  "errDlt": ": [1004]RecordNotFoundError"
}"#;

/// The request as the pages print it, sent with the administrator's token.
async fn ask(world: &World, path: &str, body: &str) -> Result<crate::answer::Answer> {
    let token = world.admin_token().await?;
    let request = Request::new("POST", path).header("operationID", "1646445464564").header("token", &token);
    world.send(&request.body(body)).await
}

async fn the_token_detail_page_holds(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    for platform in [4, 5] {
        quiet.force_logout("2621568666", platform).await?;
    }
    let (token, _socket) = world.login("2621568666", 4).await?;
    let answer = ask(&world, "/user/get_users_online_token_detail", DETAIL_REQUEST).await?;
    let mut sample: Value = serde_json::from_str(DETAIL_SAMPLE)?;
    put(&mut sample, "/data/0/singlePlatformToken/0/token/0", &token)?;
    answer.envelope()?;
    same(answer.json()?, sample, "the answer")
}

async fn the_online_status_page_holds(world: World) -> Result<()> {
    let quiet = world.unrecorded();
    for platform in [2, 3] {
        quiet.force_logout("2890713225", platform).await?;
    }
    let (android, _first) = world.login("2890713225", 2).await?;
    let windows = world.issue("2890713225", 3).await?;
    let _second = world.enter(&Handshake::new("2890713225", 3, &windows)).await?;
    let answer = ask(&world, "/user/get_users_online_status", STATUS_REQUEST).await?;
    answer.envelope()?;
    let got = answer.json()?;
    let mut sample: Value = serde_json::from_str(STATUS_SAMPLE)?;
    for (index, token) in [android, windows].iter().enumerate() {
        let element = format!("/data/0/detailPlatformStatus/{index}");
        put(&mut sample, &format!("{element}/token"), token)?;
        let id = at(&got, &format!("{element}/connID"))?.as_str().context("connID is not text")?;
        put(&mut sample, &format!("{element}/connID"), id)?;
    }
    same(got, sample, "the answer")
}

async fn the_failure_sample_of_both_pages_has_our_fields(world: World) -> Result<()> {
    let sample: Value = serde_json::from_str(FAILURE_SAMPLE)?;
    let names = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    for path in ["/user/get_users_online_token_detail", "/user/get_users_online_status"] {
        let request = Request::new("POST", path).header("operationID", "1646445464564");
        let request = request.header("token", "eyJhbxxxx3Xs");
        let answer = world.send(&request.body(STATUS_REQUEST)).await?;
        // The header's example value on the pages is no token.
        answer.refused(1503, "")?;
        let got = answer.json()?;
        same(names(&got), names(&sample), "the fields of a failure")?;
        let form = json!({
            "errCode": 1503,
            "errMsg": "TokenMalformedError",
            "errDlt": ": [1503]TokenMalformedError",
        });
        same(got, form, "the form of a failure")?;
    }
    Ok(())
}

/// The samples of the status page carry signatures of the vectors' secret, and the server has not stored them.
async fn the_published_status_tokens_verify_as_expired(world: World) -> Result<()> {
    let secret = world.secret()?;
    for claims in [
        r#"{"UserID":"2890713225","PlatformID":3,"exp":1704695724,"nbf":1696919424,"iat":1696919724}"#,
        r#"{"UserID":"2890713225","PlatformID":2,"exp":1704509888,"nbf":1696733588,"iat":1696733888}"#,
    ] {
        world.expect_verdict(&jwt::mint(claims, secret)?, 1501, "a published sample").await?;
    }
    let first = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiIyODkwNzEzMjI1IiwiUGxhdGZvcm1JRCI6MywiZXhwIjoxNzA0Njk1NzI0LCJuYmYiOjE2OTY5MTk0MjQsImlhdCI6MTY5NjkxOTcyNH0.-TBNT0YKn_8YH9oO8A8SYEpNzOg1-EQD8O23R0MsVLE";
    world.expect_verdict(first, 1501, "the first published token").await?;
    // The token of the other page was signed with another secret, which is found before its age.
    let other = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiIyNjIxNTY4NjY2IiwiUGxhdGZvcm1JRCI6NSwiZXhwIjoxNjk1OTAyOTI1LCJuYmYiOjE2ODgxMjY2MjUsImlhdCI6MTY4ODEyNjkyNX0.ulWW0Fr9n0__1pT9qxWJw9ym8zwosveYYPyyLaUVkU4";
    world.expect_verdict(other, 1505, "the token of the other page").await
}

fn put(value: &mut Value, pointer: &str, text: &str) -> Result<()> {
    let place = value.pointer_mut(pointer).with_context(|| format!("the sample has no {pointer}"))?;
    *place = json!(text);
    Ok(())
}
