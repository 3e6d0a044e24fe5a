//! The documentation of the audit's query string, and of its entries, which are stored as they are shown.
#![allow(dead_code, reason = "what is documented here is read and written elsewhere")]

/// Which entries to show.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParameters {
    /// Orders from this date on
    #[param(example = "2026-11-26 08:00:00")]
    from: Option<String>,
    /// Orders up to this date, its second included
    #[param(example = "2026-11-27 08:00:00")]
    to: Option<String>,
    /// Orders of this caller, by userID
    #[param(example = "imAdmin")]
    by: Option<String>,
    /// `off`, `tenantOff`, `forceLogout`, `tokensRevoke`, `userUnlock`, `tenantUnlock`, `recordsImport`, `populationImport`, `reshard`, `forceOff`
    /// or `forceOffDryRun`
    #[param(example = "off")]
    operation: Option<String>,
    /// Orders that were carried out user by user, this one among them; their counts are then of this user
    #[param(rename = "userId", example = "101")]
    user_id: Option<String>,
    /// Entries before this one: `next` of the page before
    before: Option<String>,
    /// The most entries of the page, 1 to 1,000
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// The entry of one order.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// 32 hexadecimal digits; later orders have greater ones
    id: String,
    /// When the order was given
    at: String,
    /// The tenant of the entry
    tenant_id: String,
    /// What the order does
    #[schema(example = "off")]
    operation: String,
    /// `done`; `inForce` of an order that is delivered to its users afterwards; `begun` of a change of shards, and of an import that is
    /// under way or broke off
    #[schema(example = "done")]
    progress: String,
    /// How many users it was given to; left out where it names a whole tenant, or no users
    users: Option<i64>,
    /// How many connections ended with it; left out where they end afterwards
    connections: Option<i64>,
    by: AuditGiver,
    /// The caller's address, where it is known
    remote_address: Option<String>,
    selection: AuditSelection,
    records: Option<AuditRecords>,
}

/// Who gave an order.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AuditGiver {
    /// The userID
    #[schema(example = "imAdmin")]
    user_id: String,
    /// The SHA-256 of the token
    token_sha256: String,
}

/// What an order names. Lists have their first 20 members.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct AuditSelection {
    /// What an order to a selection takes of each user: `user` or `connection`
    scope: Option<String>,
    /// What such an order selects
    #[schema(example = json!(["fullName MATCH zhang"]))]
    select: Option<Vec<String>>,
    /// Why it was given
    reason: Option<String>,
    /// `receiveObjectType` of a force-off
    receivers: Option<String>,
    /// The first of its `receiveObjectIds`
    ids: Option<Vec<String>>,
    /// How many there are
    ids_total: Option<u64>,
    /// The user
    user_id: Option<String>,
    /// The platform
    #[schema(rename = "platformID")]
    platform: Option<u8>,
    /// The connection
    #[schema(rename = "connID")]
    connection: Option<String>,
    /// The SHA-256 of the first tokens
    sha256: Option<Vec<String>>,
    /// How many tokens there are
    sha256_total: Option<u64>,
    /// The number of shards
    shards: Option<u32>,
}

/// What became of the lines of an import.
#[derive(utoipa::ToSchema)]
pub(crate) struct AuditRecords {
    taken: u64,
    rejected: u64,
}
