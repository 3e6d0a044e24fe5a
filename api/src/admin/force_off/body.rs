//! The documentation of the body of an order; `rollcall_core::order::Request` reads it.
#![allow(dead_code, reason = "what is documented here is read elsewhere")]

/// An order to a selection.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ForceOffRequest {
    /// The caller's tenant where it is left out. Only callers above tenants may name another
    #[schema(nullable = false)]
    tenant_id: Option<String>,
    select: ForceOffSelect,
    /// `user`: everything of each selected user. `connection`: the connections that match, the tokens that they live on and what else
    /// lives on those
    #[schema(default = "user", nullable = false)]
    scope: Option<String>,
    /// At most 500 bytes, for the audit
    #[schema(example = "left the company", nullable = false)]
    reason: Option<String>,
    /// For how many seconds its users get no token and may not connect, 1 to 31,536,000 (365 days); for administrators
    #[schema(minimum = 1, maximum = 31_536_000, nullable = false)]
    deny_seconds: Option<u32>,
    /// Whether only to say what the order would take
    #[schema(default = false, nullable = false)]
    dry_run: Option<bool>,
    /// Of the dry run whose selection the order carries out; everything else in the body is as it was
    #[schema(nullable = false)]
    receipt: Option<String>,
}

/// What an order selects: at least one of these, all of them joined by AND.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ForceOffSelect {
    #[schema(nullable = false)]
    user_id: Option<String>,
    #[schema(nullable = false)]
    full_name: Option<String>,
    #[schema(nullable = false)]
    device_id: Option<String>,
    #[schema(nullable = false)]
    remote_address: Option<String>,
    #[schema(nullable = false)]
    online: Option<bool>,
    #[schema(nullable = false)]
    online_date: Option<String>,
    #[schema(nullable = false)]
    offline_date: Option<String>,
    /// At most 20, as those of the list
    #[schema(nullable = false)]
    filters: Option<Vec<ForceOffFilter>>,
    /// Numbers or numeric texts, 1 to 10,000. Alone they also select users without any record
    #[schema(nullable = false)]
    user_ids: Option<Vec<String>>,
    /// Platforms of connections, 1 to 11
    #[schema(nullable = false)]
    platforms: Option<Vec<u8>>,
    /// Ids of connections, 1 to 1,000
    #[schema(nullable = false)]
    conn_ids: Option<Vec<String>>,
    /// 1 to 1,000
    #[schema(nullable = false)]
    device_ids: Option<Vec<String>>,
}

/// A filter of the list.
#[derive(utoipa::ToSchema)]
pub(crate) struct ForceOffFilter {
    #[schema(example = "fullName")]
    key: String,
    #[schema(example = "MATCH")]
    op: String,
    /// A text, number or boolean, or a list of them for `IN` and `NOT_IN`; none for `IS_NULL` and `IS_NOT_NULL`
    #[schema(example = "zhang", nullable = false)]
    value: Option<String>,
}
