//! Lists, search and one user's record.

use axum::{extract::State, response::Response};
use http::Uri;
use rollcall_core::{
    directory::{
        filter::Kind,
        query::{self, ListQuery},
    },
    message_center::{CallerAction, MessageCenterError},
};

use super::{
    BASE, Caller, RouteError,
    envelope::{Empty, Envelope, Refusals, success},
    record::{RecordPage, Shown},
};
use crate::Backend;

/// The parameters of both lists.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query, style = Form)]
#[allow(dead_code, non_snake_case, reason = "its fields are the documentation of the parameters")]
pub(crate) struct ListParameters {
    /// The page, 1 to 100,000
    #[param(default = 1, minimum = 1, maximum = 100_000)]
    pageNo: Option<i32>,
    /// The page's size, 1 to 2,000
    #[param(default = 10, minimum = 1, maximum = 2_000)]
    pageSize: Option<i32>,
    /// The sort key: `id`, `userId`, `fullName`, `onlineDate` or `offlineDate`
    #[param(default = "id", max_length = 100)]
    orderBy: Option<String>,
    /// The direction: `ASC` or `DESC`
    #[param(default = "DESC")]
    orderSort: Option<String>,
    /// `BASIC` or `DETAIL`, with the same answer
    infoScope: Option<String>,
    /// The user's number
    userId: Option<i64>,
    /// The user's name at the opening of the connection
    fullName: Option<String>,
    /// The client's device id
    deviceId: Option<String>,
    /// The client's address
    remoteAddress: Option<String>,
    /// Whether the connection is live
    online: Option<bool>,
    /// The opening of the connection, to the second
    onlineDate: Option<String>,
    /// The end of the connection, to the second
    offlineDate: Option<String>,
    /// A filter's key: `userId`, `fullName`, `deviceId`, `remoteAddress`, `online`, `onlineDate` or `offlineDate`. Up to
    /// 20 filters, joined by AND; also written `filters[0][key]` or `filters.0.key`, in one form for all members of a filter
    #[param(rename = "filters[0].key")]
    key: Option<String>,
    /// A filter's operator
    #[param(rename = "filters[0].op")]
    op: Option<String>,
    /// A filter's value; repeated, `a,b`, `[a,b]`, or as `filters[0].value[0]` and so on, for `IN` and `NOT_IN`
    #[param(rename = "filters[0].value")]
    value: Option<String>,
}

/// List connections
///
/// The connections of the caller's tenant, newest first. The caller needs the permission to read, or a filter on its own
/// `userId`.
#[utoipa::path(
    get, path = BASE, tag = "message center", params(ListParameters),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "A page, and the number of all matching records", body = Envelope<RecordPage>),
        (status = 400, description = "A parameter or filter is not as documented; `ext.eKey` says how", body = Envelope<Empty>),
    )
)]
pub(crate) async fn list<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, RouteError> {
    page(&backend, &caller, &uri, Kind::List, CallerAction::List).await
}

/// Search connections
///
/// The list, with match operators on `fullName` and `remoteAddress` that search both fields.
#[utoipa::path(
    get, path = "/api/v1/message/center/online/search", tag = "message center", params(ListParameters),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "A page, and the number of all matching records", body = Envelope<RecordPage>),
        (status = 400, description = "A parameter or filter is not as documented; `ext.eKey` says how", body = Envelope<Empty>),
    )
)]
pub(crate) async fn search<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, RouteError> {
    page(&backend, &caller, &uri, Kind::Search, CallerAction::Search).await
}

/// Show one user
///
/// The live connection that opened last, else the connection that ended last.
#[utoipa::path(
    get, path = "/api/v1/message/center/online/{userId}", tag = "message center",
    params(("userId" = i64, Path, description = "The user's number")),
    security(("bearer" = [])),
    responses(
        Refusals,
        (status = 200, description = "The record", body = Envelope<Shown>),
        (status = 400, description = "The path holds no number", body = Envelope<Empty>),
        (status = 404, description = "No record of that user in the caller's tenant", body = Envelope<Empty>),
    )
)]
pub(crate) async fn detail<B: Backend>(
    State(backend): State<B>,
    caller: Caller,
    uri: Uri,
) -> Result<Response, RouteError> {
    let user = user_of(&uri)?;
    caller.require(&backend, CallerAction::Detail, caller.number() == Some(user))?;
    let view = backend.view(caller.tenant).await?;
    let record =
        backend.detail(caller.tenant, user, &view).await?.ok_or(MessageCenterError::NoRecord(user))?;
    Ok(success(&backend, Shown::new(record, &view, backend.zone())))
}

async fn page<B: Backend>(
    backend: &B,
    caller: &Caller,
    uri: &Uri,
    kind: Kind,
    action: CallerAction,
) -> Result<Response, RouteError> {
    let pairs = query::pairs(uri.query().unwrap_or_default());
    let asked = ListQuery::parse(kind, &pairs, backend.zone())?;
    caller.require(backend, action, caller.number().is_some_and(|own| asked.is_about(own)))?;
    let (listed, view) = backend.list(&caller.principal.user, caller.tenant, asked).await?;
    Ok(success(backend, RecordPage::new(listed.total, listed.records, &view, backend.zone())))
}

/// The number at the end of a path.
pub(crate) fn user_of(uri: &Uri) -> Result<i64, MessageCenterError> {
    let segment = uri.path().rsplit('/').next().unwrap_or_default();
    segment.parse().map_err(|_| MessageCenterError::Binding { field: "userId", rejected: segment.to_owned() })
}
