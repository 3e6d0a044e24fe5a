//! Names of variables that tests configure the edge with. Their keys change what no client sees.

/// The number of shards that a directory is laid out with. One shard is the whole directory.
pub(super) const SHARDS: &str = "ROLLCALL__PRESENCE__DIRECTORY_SHARDS";
/// How long a round of the audit may take, in seconds.
pub(super) const AUDIT: &str = "ROLLCALL__PRESENCE__AUDIT_SECONDS";
/// How long the end of a user's last connection is held back, in seconds.
pub(super) const GRACE: &str = "ROLLCALL__PRESENCE__GRACE_SECONDS";
/// How many records of a user are kept.
pub(super) const MOST_RECORDS: &str = "ROLLCALL__PRESENCE__MAX_RECORDS_PER_USER";
/// How many days ended records are kept.
pub(super) const RETENTION: &str = "ROLLCALL__MESSAGE_CENTER__RETENTION_DAYS";
/// How many days a token is good.
pub(super) const TTL: &str = "ROLLCALL__AUTH__TOKEN_TTL_DAYS";
