//! The baseline JSON handler: the request and the answer of a status query in their published forms, and nothing
//! looked up.

use axum::{Json, Router, routing::post};
use serde::{Deserialize, Serialize};

use crate::openim::STATUS;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    #[serde(rename = "userIDs")]
    user_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    err_code: i32,
    err_msg: &'static str,
    err_dlt: &'static str,
    data: Vec<User>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    #[serde(rename = "userID")]
    user_id: String,
    status: i32,
    detail_platform_status: [Connection; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    #[serde(rename = "platformID")]
    platform_id: i32,
    #[serde(rename = "connID")]
    conn_id: &'static str,
    is_background: bool,
    token: &'static str,
}

/// As long as a real one.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiIyODkwNzEzMjI1IiwiUGxhdGZvcm1JRCI6MiwiZXhwIjoxODAzMDg1MDE4LCJuYmYiOjE3OTUzMDg3MTMsImlhdCI6MTc5NTMwOTAxM30.dVFjwUzG3Hgqd_Pl6YS4oZtHsQDQt-e0Y8KOWyqVEJo";

pub(super) fn routes() -> Router {
    Router::new().route(STATUS, post(answer))
}

async fn answer(Json(question): Json<Question>) -> Json<Answer> {
    let user = |user_id| User {
        user_id,
        status: 1,
        detail_platform_status: [Connection {
            platform_id: 2,
            conn_id: "f18b67b5f57f01604b9f7c338238f43d",
            is_background: false,
            token: TOKEN,
        }],
    };
    let data = question.user_ids.into_iter().map(user).collect();
    Json(Answer { err_code: 0, err_msg: "", err_dlt: "", data })
}
