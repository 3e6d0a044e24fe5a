//! `/auth/*`: issuing, parsing and revoking tokens.

use axum::extract::State;
use rollcall_core::{
    audit::{Operation, Selection},
    deny,
    id::UserId,
    openim::{Code, OpenImError},
    platform::Platform,
    token::TokenHash,
    user::{
        ForceOff, Issued,
        request::{Audited, IssueToken},
    },
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    RouteError,
    caller::{Caller, good_token, not_admin},
    envelope::{Done, Failures, Success},
    input::{Body, OpenBody, OperationId},
};
use crate::Backend;

/// The credentials of a back end.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AdminTokenRequest {
    /// The value of `auth.secret`
    #[serde(default)]
    secret: String,
    /// A userID from `auth.admin_user_ids`
    #[serde(rename = "userID", default)]
    user_id: String,
}

/// A user and a platform.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"platformID": 2, "userID": "2890713225"}))]
pub(crate) struct Login {
    /// The platform, 1 to 11
    #[serde(rename = "platformID", default)]
    platform: i64,
    /// The user
    #[serde(rename = "userID", default)]
    user_id: String,
}

/// The logins to take back: those of a platform, or one of them.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"platformID": 2, "userID": "2890713225"}))]
pub(crate) struct Logout {
    /// The platform, 1 to 11
    #[serde(rename = "platformID", default)]
    platform: i64,
    /// The user
    #[serde(rename = "userID", default)]
    user_id: String,
    /// Only this token and its connections
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    token: Option<String>,
    /// Only the token of this connection, and its connections. With `token` both must be of one login
    #[serde(rename = "connID", default, deserialize_with = "given")]
    #[schema(nullable = false)]
    connection: Option<String>,
}

/// A member that is there. `null` is none of its values: it must not widen the order to the platform.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// A token to parse.
#[derive(Deserialize, ToSchema)]
pub(crate) struct TokenRequest {
    /// The token's text
    #[serde(default)]
    token: String,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// The token's text
    token: String,
    /// The token's lifetime, in seconds
    #[serde(rename = "expireTimeSeconds")]
    lifetime: i64,
}

/// The claims of a good token.
#[derive(Serialize, ToSchema)]
pub(crate) struct ParsedToken {
    /// The token's user
    #[serde(rename = "userID")]
    user_id: String,
    /// The token's platform, 1 to 11
    #[serde(rename = "platformID")]
    platform: u8,
    /// The token's expiry, in seconds since 1970-01-01T00:00:00Z
    #[serde(rename = "expireTimeSeconds")]
    expires: i64,
}

/// Make an administrator's token
///
/// The route takes the shared secret in place of a token. Earlier tokens of the administrator stay valid. One who is denied gets none.
#[utoipa::path(
    post, path = "/auth/get_admin_token", tag = "auth", request_body = AdminTokenRequest,
    params(("operationID" = String, Header, description = "For tracing; required")),
    responses(
        Failures,
        (status = 413, description = "1001: the body is larger than 8 KiB", body = Done),
        (status = 200, description = "A token on platform 10, or the error in the envelope: 1001, 1002 (`secret invalid`, `user X is denied until …`)", body = Success<NewToken>),
        (status = 500, description = "500: the token could not be stored", body = Done),
    )
)]
pub(crate) async fn admin_token<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    Body(asked): OpenBody<AdminTokenRequest>,
) -> Result<Success<NewToken>, RouteError> {
    let user = user_id(&asked.user_id)?;
    let settings = backend.settings();
    if !settings.auth.secret.as_ref().is_some_and(|secret| secret.matches(&asked.secret)) {
        return Err(OpenImError::new(Code::NoPermission, "secret invalid").into());
    }
    if !settings.is_admin(&user) {
        return Err(OpenImError::new(Code::Args, format!("userID is error., userID={user}")).into());
    }
    issue(&backend, &user, Platform::Admin).await
}

/// Make a user's token
///
/// The login policy kicks the tokens that the new one excludes. Their connections stay until the new token connects. A user who is denied
/// gets none: 1002 `user X is denied until …`.
#[utoipa::path(
    post, path = "/auth/get_user_token", tag = "auth", request_body = Login,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token"),
    ),
    responses(
        Failures,
        (status = 200, description = "A token, or the error in the envelope: 1001, 1002, 1501, 1503 to 1507", body = Success<NewToken>),
        (status = 500, description = "500: the token could not be stored", body = Done),
    )
)]
pub(crate) async fn user_token<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<Login>,
) -> Result<Success<NewToken>, RouteError> {
    let user = user_id(&asked.user_id)?;
    let platform = Platform::from_number(asked.platform)
        .ok_or_else(|| OpenImError::new(Code::Args, "platformID is invalid"))?;
    caller.must_be_admin(not_admin)?;
    if platform == Platform::Admin {
        let detail = "platformID invalid. platformID must not be adminPlatformID";
        return Err(OpenImError::new(Code::NoPermission, detail).into());
    }
    if backend.settings().is_admin(&user) {
        return Err(OpenImError::new(Code::NoPermission, "don't get Admin token").into());
    }
    issue(&backend, &user, platform).await
}

/// Read a token
///
/// The answer holds the token's user, platform and expiry. The error of an invalid token names the reason.
#[utoipa::path(
    post, path = "/auth/parse_token", tag = "auth", request_body = TokenRequest,
    params(("operationID" = String, Header, description = "For tracing; required")),
    responses(
        Failures,
        (status = 413, description = "1001: the body is larger than 8 KiB", body = Done),
        (status = 200, description = "The claims, or the error in the envelope: 1001, 1501, 1503 to 1507", body = Success<ParsedToken>),
    )
)]
pub(crate) async fn parse_token<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    Body(asked): OpenBody<TokenRequest>,
) -> Result<Success<ParsedToken>, RouteError> {
    if asked.token.is_empty() {
        return Err(OpenImError::new(Code::Args, "token is empty").into());
    }
    let token = good_token(&backend, &asked.token).await?;
    Ok(Success::of(ParsedToken {
        user_id: token.user.to_string(),
        platform: token.platform.number(),
        expires: token.expires.secs(),
    }))
}

/// Force a user's platform, or one of its logins, off
///
/// When the answer arrives, the platform's tokens are kicked and its connections have ended, each with a 2002 message and a
/// close. With `token` or `connID` that is one token and the connections that live on it. A user, token or connection that is
/// unknown, offline or of another platform is a success without effect, and so is a repetition.
#[utoipa::path(
    post, path = "/auth/force_logout", tag = "auth", request_body = Logout,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token"),
    ),
    responses(
        Failures,
        (status = 200, description = "Done, or the error in the envelope: 1001, 1002, 1501, 1503 to 1507", body = Done),
        (status = 500, description = "500: not everything could be done; repeating it is safe", body = Done),
    )
)]
pub(crate) async fn force_logout<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<Logout>,
) -> Result<Done, RouteError> {
    let user = user_id(&asked.user_id)?;
    let platform = Platform::from_number(asked.platform)
        .ok_or_else(|| OpenImError::new(Code::Args, "platformID is invalidate"))?;
    caller.must_be_admin(not_admin)?;
    let token = asked.token.map(|text| TokenHash::of(&text));
    let order = match (token, asked.connection) {
        (None, None) => ForceOff::Platform(platform),
        (token, None) => ForceOff::Login { platform, token, connection: None },
        (token, Some(text)) => match text.parse() {
            Ok(connection) => ForceOff::Login { platform, token, connection: Some(connection) },
            // No connection has that name, so the order names no login.
            Err(_) => ForceOff::Login { platform, token: None, connection: None },
        },
    };
    let selection = Selection { platform: Some(platform), ..Selection::user(&user) };
    let selection = match &order {
        ForceOff::Login { connection, .. } => {
            Selection { connection: *connection, ..selection.tokens(token.as_slice()) }
        }
        _ => selection,
    };
    // OpenIM knows no tenants: the entry is of the user's.
    let entry = caller.giver().entry(&backend, None, Operation::ForceLogout, selection);
    backend.run(&user, Audited { order, entry }).await?;
    if platform == Platform::Admin {
        backend.outlive_caches().await;
    }
    Ok(Done::SUCCESS)
}

fn user_id(text: &str) -> Result<UserId, RouteError> {
    UserId::new(text).map_err(|error| OpenImError::new(Code::Args, error.to_string()).into())
}

async fn issue<B: Backend>(
    backend: &B,
    user: &UserId,
    platform: Platform,
) -> Result<Success<NewToken>, RouteError> {
    let issued = backend.run(user, IssueToken { platform }).await?;
    // No code of tokens: the back end that asks would take its own for bad.
    let denied =
        |until| OpenImError::new(Code::NoPermission, format!("user {user} is {}", deny::told(until)));
    let Issued { token, lifetime_secs } = issued.map_err(denied)?;
    Ok(Success::of(NewToken { token: token.expose().clone(), lifetime: lifetime_secs }))
}
