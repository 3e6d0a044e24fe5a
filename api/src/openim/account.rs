//! `/user/*` for back ends: registering users with the names that records show (`docs/rules/openim.md#accounts`).

use std::collections::BTreeMap;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use rollcall_core::{
    id::UserId,
    json::{self, Keyed},
    openim::{Code, OpenImError},
    ordered::{self, distinct},
    user::{
        Account, AccountUpdate,
        request::{ReadAccount, Register, UpdateAccount},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    RouteError,
    caller::{Caller, not_admin},
    envelope::{Done, Failures, Success},
    input::{Body, OperationId, unreadable},
    user::{most_ids, read_ids},
};
use crate::Backend;

/// Users to register.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Registration {
    /// The users. At most `openim.max_user_ids` (1,000).
    #[schema(required, nullable = false, value_type = Option<Vec<UserInfoToSet>>)]
    users: Option<Box<RawValue>>,
}

/// A user's name and picture.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"userID": "2890713225", "nickname": "Ada", "faceURL": "https://cdn.example/ada.png"}))]
pub(crate) struct UserInfoToSet {
    /// The user
    #[serde(rename = "userID", default)]
    user_id: String,
    /// The name in the user's records, at most 512 bytes
    nickname: Option<String>,
    /// The address of the picture in the user's records, at most 2,048 bytes
    #[serde(rename = "faceURL")]
    face_url: Option<String>,
}

/// Users to look for.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"checkUserIDs": ["2890713225"]}))]
pub(crate) struct AccountCheck {
    /// The users, each once. At most `openim.max_user_ids` (1,000).
    #[serde(rename = "checkUserIDs")]
    #[schema(required, nullable = false, value_type = Option<Vec<String>>)]
    ids: Option<Box<RawValue>>,
}

/// Which users are registered.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountStatuses<'a> {
    /// One element for each requested user, in request order
    results: Vec<AccountStatus<'a>>,
}

/// Whether a user is registered.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountStatus<'a> {
    /// The requested userID
    #[serde(rename = "userID")]
    user_id: &'a str,
    /// 1 for registered, else 0
    #[serde(rename = "accountStatus")]
    status: u8,
}

/// A user's new name and picture.
#[derive(Deserialize, ToSchema)]
pub(crate) struct UserInfoUpdate {
    /// What changes
    #[serde(rename = "userInfo")]
    #[schema(required, nullable = false, value_type = Option<UserInfoToSet>)]
    info: Option<Keyed<UserInfoToSet>>,
}

/// Register users
///
/// Names and pictures become `fullName` and `avatar` of the records of later connections. A user needs no registration: tokens
/// are issued to others as well. If one of the users is registered already, none is registered; a call that failed halfway can be
/// repeated.
#[utoipa::path(
    post, path = "/user/user_register", tag = "user", request_body = Registration,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token"),
    ),
    responses(
        Failures,
        (status = 200, description = "Done, or the error in the envelope: 1001, 1002, 1102, 1501, 1503 to 1507", body = Done),
        (status = 500, description = "500: not all users could be registered", body = Done),
    )
)]
pub(crate) async fn user_register<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<Registration>,
) -> Result<Done, RouteError> {
    let most = most_ids(&backend);
    let (users, length) = match &asked.users {
        Some(users) => json::list::<Keyed<UserInfoToSet>>(users.get(), most)
            .map_err(|error| unreadable(error.within("users")))?,
        None => (Vec::new(), 0),
    };
    match length {
        0 => return Err(args("users is empty")),
        length if length > most => return Err(args("too many users")),
        _ => {}
    }
    caller.must_be_admin(not_admin)?;
    let missing = missing(&backend, accounts_of(&users)?).await?;
    let registrations = missing.into_iter().map(|(user, account)| (user, Register(account)));
    let were_registered = backend.run_many(registrations).await?;
    // Another call was between the two.
    if were_registered.contains(&true) { Err(registered_already()) } else { Ok(Done::SUCCESS) }
}

/// Those of the accounts that are still to be registered. An account that is there just as it is asked for is what an earlier call
/// left that failed halfway: the repetition registers the others.
///
/// # Errors
/// When a user has another account, or there is nothing to register.
async fn missing<B: Backend>(
    backend: &B,
    mut accounts: BTreeMap<UserId, Account>,
) -> Result<BTreeMap<UserId, Account>, RouteError> {
    // A single user says by itself whether it is known.
    if accounts.len() > 1 {
        let known = read_accounts(backend, accounts.keys().cloned()).await?;
        for (user, account) in known.iter().filter_map(|(user, account)| Some((user, account.as_ref()?))) {
            let asked = accounts.remove(user);
            if asked.as_ref() != Some(account) || backend.settings().is_admin(user) {
                return Err(registered_already());
            }
        }
    }
    if accounts.is_empty() { Err(registered_already()) } else { Ok(accounts) }
}

/// Check for registered users
///
/// A caller who is no administrator gets 1002.
#[utoipa::path(
    post, path = "/user/account_check", tag = "user", request_body = AccountCheck,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token"),
    ),
    responses(
        Failures,
        (status = 200, description = "Who is registered, or the error in the envelope: 1001, 1002, 1501, 1503 to 1507", body = Success<AccountStatuses<'_>>),
    )
)]
pub(crate) async fn account_check<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<AccountCheck>,
) -> Result<Response, RouteError> {
    let ids = asked.ids.ok_or_else(|| args("CheckUserIDs is empty"))?;
    let ids = read_ids("checkUserIDs", &ids, most_ids(&backend))?;
    if distinct(ids.iter().map(String::as_str)).len() < ids.len() {
        return Err(repeated());
    }
    caller.must_be_admin(not_admin)?;
    let accounts = accounts(&backend, &ids).await?;
    let results = ids
        .iter()
        .map(|id| AccountStatus { user_id: id, status: account(&accounts, id).is_some().into() })
        .collect();
    Ok(Success::of(AccountStatuses { results }).into_response())
}

/// Rename a registered user
///
/// An empty name or picture stays as it was. The caller is an administrator or the user itself.
#[utoipa::path(
    post, path = "/user/update_user_info", tag = "user", request_body = UserInfoUpdate,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token, or the user's own"),
    ),
    responses(
        Failures,
        (status = 200, description = "Done, or the error in the envelope: 1001, 1002, 1004, 1501, 1503 to 1507", body = Done),
        (status = 500, description = "500: the change could not be stored", body = Done),
    )
)]
pub(crate) async fn update_user_info<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<UserInfoUpdate>,
) -> Result<Done, RouteError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let info = asked.info()?;
    let info = UserInfoToSet { nickname: given(&info.nickname), face_url: given(&info.face_url), ..info };
    update(&backend, &caller, &info).await
}

/// Rename a registered user, or take its name away
///
/// A name or picture that is left out stays as it was; an empty one is removed. The caller is an administrator or the user
/// itself.
#[utoipa::path(
    post, path = "/user/update_user_info_ex", tag = "user", request_body = UserInfoUpdate,
    params(
        ("operationID" = String, Header, description = "For tracing; required"),
        ("token" = String, Header, description = "An administrator's token, or the user's own"),
    ),
    responses(
        Failures,
        (status = 200, description = "Done, or the error in the envelope: 1001, 1002, 1004, 1501, 1503 to 1507", body = Done),
        (status = 500, description = "500: the change could not be stored", body = Done),
    )
)]
pub(crate) async fn update_user_info_ex<B: Backend>(
    State(backend): State<B>,
    _: OperationId,
    caller: Caller,
    Body(asked): Body<UserInfoUpdate>,
) -> Result<Done, RouteError> {
    update(&backend, &caller, &asked.info()?).await
}

impl UserInfoUpdate {
    fn info(self) -> Result<UserInfoToSet, RouteError> {
        self.info.map(|Keyed(info)| info).ok_or_else(|| args("UserInfo is empty"))
    }
}

async fn update<B: Backend>(backend: &B, caller: &Caller, info: &UserInfoToSet) -> Result<Done, RouteError> {
    let user = UserId::new(info.user_id.as_str()).map_err(|error| args(error.to_string()))?;
    let update = AccountUpdate::new(info.nickname.as_deref(), info.face_url.as_deref())
        .map_err(|error| args(error.to_string()))?;
    if caller.user != user {
        caller.must_be_admin(not_admin)?;
    }
    let was_registered = backend.run(&user, UpdateAccount(update)).await?;
    if was_registered { Ok(Done::SUCCESS) } else { Err(OpenImError::from(Code::RecordNotFound).into()) }
}

/// The accounts to register, by user; the checks in the order of stock servers.
fn accounts_of(users: &[Keyed<UserInfoToSet>]) -> Result<BTreeMap<UserId, Account>, RouteError> {
    let ids = distinct(users.iter().map(|Keyed(user)| user.user_id.as_str()));
    if ids.len() < users.len() {
        return Err(repeated());
    }
    let account = |Keyed(info): &Keyed<UserInfoToSet>| {
        let user = UserId::new(info.user_id.as_str()).map_err(|error| args(error.to_string()))?;
        if info.user_id.contains(':') {
            return Err(args("userID contains ':' is invalid userID"));
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let account = Account::new(&text(&info.nickname), &text(&info.face_url));
        Ok((user, account.map_err(|error| args(error.to_string()))?))
    };
    Ok(ordered::map(users.iter().map(account).collect::<Result<Vec<_>, RouteError>>()?))
}

/// The accounts of some users; `None` for one that is not registered.
pub(super) type Accounts = BTreeMap<UserId, Option<Account>>;

/// The accounts of the users among `ids`. A text that cannot be a userID has none, and a repeated id is asked for once.
pub(super) async fn accounts<B: Backend>(backend: &B, ids: &[String]) -> Result<Accounts, RouteError> {
    read_accounts(backend, ids.iter().filter_map(|id| UserId::new(id.as_str()).ok())).await
}

/// What [`accounts`] found of an id.
pub(super) fn account<'a>(accounts: &'a Accounts, id: &str) -> Option<&'a Account> {
    accounts.get(&UserId::new(id).ok()?)?.as_ref()
}

async fn read_accounts<B: Backend>(
    backend: &B,
    users: impl Iterator<Item = UserId>,
) -> Result<Accounts, RouteError> {
    let users = distinct(users);
    let accounts = backend.run_many(users.iter().map(|user| (user.clone(), ReadAccount))).await?;
    Ok(ordered::map(users.into_iter().zip(accounts)))
}

fn args(detail: impl Into<std::borrow::Cow<'static, str>>) -> RouteError {
    OpenImError::new(Code::Args, detail).into()
}

fn repeated() -> RouteError {
    args("userID repeated")
}

fn registered_already() -> RouteError {
    OpenImError::new(Code::RegisteredAlready, "userID registered already").into()
}
