//! The SQL of every step. A text that was ever run on a store is frozen: `tests.rs` holds its hash.
//!
//! Times are milliseconds. The first two versions may meet tables that are there already: stores that were written before
//! stores had a version.

/// Users, their tokens, and ends that the directory is to hear of later.
pub(super) const USERS: &str = "\
CREATE TABLE IF NOT EXISTS user (\
  id TEXT PRIMARY KEY, tenant INTEGER, last_order INTEGER NOT NULL DEFAULT 0,\
  issue_clock TEXT NOT NULL DEFAULT '', revoked_at INTEGER, unlocked_at INTEGER,\
  revoked_in TEXT NOT NULL DEFAULT ''\
) STRICT, WITHOUT ROWID;\
CREATE TABLE IF NOT EXISTS token (\
  user TEXT NOT NULL, hash TEXT NOT NULL, platform INTEGER NOT NULL, ord INTEGER NOT NULL,\
  issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, state INTEGER NOT NULL,\
  PRIMARY KEY (user, hash)\
) STRICT, WITHOUT ROWID;\
CREATE TABLE IF NOT EXISTS held_end (\
  user TEXT NOT NULL, record INTEGER NOT NULL, ended_at INTEGER NOT NULL, until INTEGER NOT NULL,\
  PRIMARY KEY (user, record)\
) STRICT, WITHOUT ROWID;";

// `member_of` is JSON; `source` is 0 for live and 1 for import; `published` is the generation that the directory acknowledged,
// in a user's object, and NULL elsewhere.
macro_rules! record {
    () => {
        "\
CREATE TABLE IF NOT EXISTS record (\
  id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, user INTEGER NOT NULL, full_name TEXT NOT NULL, avatar TEXT,\
  user_agent TEXT NOT NULL, device_id TEXT NOT NULL, remote_address TEXT NOT NULL, online_at INTEGER NOT NULL,\
  offline_at INTEGER, lease_until INTEGER, source INTEGER NOT NULL, generation INTEGER NOT NULL, published INTEGER,\
  member_of TEXT\
) STRICT;CREATE INDEX IF NOT EXISTS record_by_user ON record (tenant, user, device_id);"
    };
}

/// The records of a user's object. Each index entry is a billed row at the edge, and details are all that is asked there.
pub(super) const RECORDS_OF_A_USER: &str = record!();

/// The records of a directory, which answers lists.
///
/// Every index leads with the tenant, because every question is asked within one; a rowid table carries `id` at the end of each
/// index, so that each of them also ends in the tie-breaker of its order.
///
/// A search for a substring has to look at every text of the tenant: the narrower the index that it reads, the sooner it is done.
/// So the address stands beside the name (a search looks into both) and the device beside the user; indexes of their own would
/// answer a question for an exact address or device within microseconds, and would halve the rate at which records are written.
/// `record_open` has every column that liveness asks of a row without an end, in the order of the default list. Only imported
/// rows are leased.
pub(super) const RECORDS: &str = concat!(
    record!(),
    "\
CREATE INDEX IF NOT EXISTS record_by_tenant ON record (tenant);\
CREATE INDEX IF NOT EXISTS record_by_name ON record (tenant, full_name, remote_address);\
CREATE INDEX IF NOT EXISTS record_by_online ON record (tenant, online_at);\
CREATE INDEX IF NOT EXISTS record_ended ON record (tenant, offline_at) WHERE offline_at IS NOT NULL;\
CREATE INDEX IF NOT EXISTS record_open ON record (tenant, id, online_at, user, lease_until, offline_at) \
  WHERE offline_at IS NULL;\
CREATE INDEX IF NOT EXISTS record_leased ON record (lease_until) \
  WHERE offline_at IS NULL AND lease_until IS NOT NULL;"
);

/// One row a tenant: its latest order to all of its users.
pub(super) const TENANT_ORDERS: &str = "\
CREATE TABLE IF NOT EXISTS tenant_mark (\
  tenant INTEGER PRIMARY KEY, at INTEGER NOT NULL, sequence INTEGER NOT NULL, exempt TEXT NOT NULL, \
  lifted INTEGER NOT NULL\
) STRICT;";

/// One row: when the process last renewed its lease. Records that a crash left open end at that moment.
pub(super) const LEASE: &str =
    "CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), renewed_at INTEGER NOT NULL) STRICT;";

/// One row: the number of shards that the tenant's directory was laid out with.
pub(super) const LAYOUT: &str = "\
CREATE TABLE IF NOT EXISTS layout (\
  id INTEGER PRIMARY KEY CHECK (id = 1), shards INTEGER NOT NULL\
) STRICT;";

/// One row: the progress of a shard's own work.
pub(super) const PROGRESS: &str = "\
CREATE TABLE IF NOT EXISTS progress (\
  id INTEGER PRIMARY KEY CHECK (id = 1), audited INTEGER NOT NULL, audit_at INTEGER NOT NULL, \
  sweep_at INTEGER NOT NULL\
) STRICT;";

/// One row while an order to the tenant is being delivered.
pub(super) const DELIVERY: &str = "\
CREATE TABLE IF NOT EXISTS wave (\
  id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, exempt TEXT NOT NULL, notice TEXT NOT NULL, \
  is_spread INTEGER NOT NULL, visited INTEGER NOT NULL, missed INTEGER NOT NULL, rounds INTEGER NOT NULL, \
  next_at INTEGER NOT NULL\
) STRICT;";

/// One row: the shard's own name. An alarm after a restart may come without it.
pub(super) const NAME: &str =
    "CREATE TABLE IF NOT EXISTS name (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL) STRICT;";

/// Subscriptions to other users' presence, and what a user keeps about them.
pub(super) const SUBSCRIPTIONS: &str = "\
CREATE TABLE IF NOT EXISTS subscription (\
  user TEXT NOT NULL, connection TEXT NOT NULL, watched TEXT NOT NULL, stamp INTEGER NOT NULL,\
  sequence INTEGER NOT NULL DEFAULT 0, platforms INTEGER NOT NULL DEFAULT 0,\
  PRIMARY KEY (user, connection, watched)\
) STRICT, WITHOUT ROWID;\
CREATE TABLE IF NOT EXISTS watcher (\
  user TEXT NOT NULL, watcher TEXT NOT NULL, stamp INTEGER NOT NULL, PRIMARY KEY (user, watcher)\
) STRICT, WITHOUT ROWID;\
CREATE TABLE IF NOT EXISTS ties (\
  user TEXT PRIMARY KEY, sequence INTEGER NOT NULL, told INTEGER, due INTEGER NOT NULL,\
  after TEXT NOT NULL, wave TEXT NOT NULL, release_at INTEGER\
) STRICT, WITHOUT ROWID;";

/// One row: the version of the store.
pub(super) const SCHEMA: &str =
    "CREATE TABLE schema (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT;";

/// Programs that knew only this number refuse the file. It stays as it is: the version stands in `schema` from here on.
pub(super) const LAST_USER_VERSION: &str = "PRAGMA user_version = 3;";

/// What tokens began under. Those of earlier programs are of no known serial. `home` is the tenant whose orders the user's
/// tokens are under; `unlocked_in` is JSON: serials by tenant.
pub(super) const SERIALS_OF_USERS: &str = "\
ALTER TABLE token ADD COLUMN under INTEGER NOT NULL DEFAULT -1;\
ALTER TABLE user ADD COLUMN home INTEGER;\
ALTER TABLE user ADD COLUMN unlocked_in TEXT NOT NULL DEFAULT '';";

/// What records began under.
pub(super) const SERIALS_OF_RECORDS: &str =
    "ALTER TABLE record ADD COLUMN under INTEGER NOT NULL DEFAULT -1;";

/// `sequence` is the order's serial from here on. Orders of earlier programs have none and go by time.
pub(super) const SERIALS_OF_ORDERS: &str = "UPDATE tenant_mark SET sequence = 0;";

/// The columns that liveness asks of a row without an end.
pub(super) const OPEN_RECORDS_WITH_SERIALS: &str = "\
DROP INDEX IF EXISTS record_open;\
CREATE INDEX record_open ON record (tenant, id, online_at, user, lease_until, offline_at, under, source) \
  WHERE offline_at IS NULL;";

/// The order that is being delivered, and from when on.
pub(super) const SERIAL_OF_DELIVERY: &str = "\
ALTER TABLE wave ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;\
ALTER TABLE wave ADD COLUMN begun_at INTEGER NOT NULL DEFAULT 0;";

/// The greatest version of a registration that the user has given as a follower.
pub(super) const REGISTERED: &str = "ALTER TABLE ties ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;";

/// A user's ended records by their end: only the latest are kept.
pub(super) const ENDED_RECORDS_OF_USERS: &str =
    "CREATE INDEX record_ended_by_user ON record (tenant, user, offline_at) WHERE offline_at IS NOT NULL;";

/// Tokens of all users by their expiry, after which their rows are deleted. A user's object reads its few rows.
pub(super) const TOKENS_BY_EXPIRY: &str = "CREATE INDEX token_by_expiry ON token (expires_at);";

/// When a user was last named by an order, as long as nothing else is known of it.
pub(super) const UNSEEN_USERS: &str = "ALTER TABLE user ADD COLUMN unseen_at INTEGER;";

/// Users with a date in `unseen_at`, the oldest first: a store keeps a limited number of them.
pub(super) const UNSEEN_USERS_BY_DATE: &str =
    "CREATE INDEX user_unseen ON user (unseen_at) WHERE unseen_at IS NOT NULL;";

/// Imported records that may be online, by user: an order about a user looks for them in every tenant. Every column that it asks of
/// them is there.
pub(super) const IMPORTED_RECORDS_BY_USER: &str = "\
CREATE INDEX record_imported ON record (user, tenant, offline_at, source) WHERE offline_at IS NULL AND source = 1;";

/// Users that a back end registered, with what records show of them.
pub(super) const ACCOUNTS: &str = "\
CREATE TABLE IF NOT EXISTS account (\
  user TEXT PRIMARY KEY, nickname TEXT NOT NULL, face_url TEXT NOT NULL\
) STRICT, WITHOUT ROWID;";

/// The first expiry of a user's tokens. Only a user's object keeps it up, for its alarm.
pub(super) const FIRST_EXPIRY: &str = "ALTER TABLE user ADD COLUMN first_expiry INTEGER;";

/// The same of the tokens that are there.
pub(super) const FIRST_EXPIRY_OF_STORED: &str =
    "UPDATE user SET first_expiry = (SELECT min(expires_at) FROM token WHERE token.user = user.id);";

/// In a user's object kicked tokens may be many beside valid ones, which commands ask for: the key keeps them apart.
pub(super) const TOKENS_BY_STATE: &str = "\
CREATE TABLE token_by_state (\
  user TEXT NOT NULL, hash TEXT NOT NULL, platform INTEGER NOT NULL, ord INTEGER NOT NULL,\
  issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, state INTEGER NOT NULL,\
  under INTEGER NOT NULL DEFAULT -1, PRIMARY KEY (user, state, hash)\
) STRICT, WITHOUT ROWID;\
INSERT INTO token_by_state SELECT user, hash, platform, ord, issued_at, expires_at, state, under FROM token;\
DROP TABLE token;\
ALTER TABLE token_by_state RENAME TO token;";

/// A user's object, where each row and index entry is billed: `held_until` is when the directory may hear of a record's end, and
/// `unpublished` is 1 when it could not be told of the opening.
pub(super) const HELD_RECORDS: &str = "\
DROP INDEX IF EXISTS record_by_user;\
ALTER TABLE record ADD COLUMN held_until INTEGER;\
ALTER TABLE record ADD COLUMN unpublished INTEGER NOT NULL DEFAULT 0;\
UPDATE record SET unpublished = 1 WHERE offline_at IS NULL AND published IS NOT generation;\
UPDATE record SET generation = generation + 1, \
  offline_at = max(online_at, (SELECT ended_at FROM held_end WHERE held_end.record = record.id)), \
  held_until = (SELECT until FROM held_end WHERE held_end.record = record.id) \
  WHERE offline_at IS NULL AND id IN (SELECT record FROM held_end);\
DROP TABLE held_end;\
ALTER TABLE record DROP COLUMN published;";

/// Which tables beside those of every user are there, as bits of [`super::Extra`]. An object of an earlier version has them all.
pub(super) const EXTRAS: &str = "ALTER TABLE schema ADD COLUMN extras INTEGER NOT NULL DEFAULT 3;";

/// The bucket of a record's user, in the directory. NULL where an earlier program wrote the record, and at the origin where the
/// record is of a connection.
pub(super) const BUCKETS_OF_RECORDS: &str = "ALTER TABLE record ADD COLUMN bucket INTEGER;";

/// The number of a shard's records in each bucket.
pub(super) const COUNTERS: &str =
    "CREATE TABLE counter (bucket INTEGER PRIMARY KEY, records INTEGER NOT NULL) STRICT;";

/// A shard holds one tenant, so its rows lie in the order of `record_by_tenant` anyway. What is asked by date is answered from
/// `record_open` and `record_ended`.
pub(super) const INDEXES_OF_ONE_TENANT: &str = "\
DROP INDEX IF EXISTS record_by_tenant;\
DROP INDEX IF EXISTS record_by_online;\
DROP INDEX IF EXISTS record_ended;\
CREATE INDEX record_ended ON record (tenant, offline_at, online_at) WHERE offline_at IS NOT NULL;";

/// A layout has a version. `target` is the number of shards that it changes to, `moved` the first bucket that did not move yet, and
/// `copying` the number of buckets from there on that are being copied. `since_copy` is 1 if one of their records was changed since by
/// other means than a publication, and 2 if none may be. `counted` says that records have buckets and counters.
pub(super) const VERSIONED_LAYOUT: &str = "\
ALTER TABLE layout ADD COLUMN version INTEGER NOT NULL DEFAULT 1;\
ALTER TABLE layout ADD COLUMN target INTEGER;\
ALTER TABLE layout ADD COLUMN moved INTEGER NOT NULL DEFAULT 0;\
ALTER TABLE layout ADD COLUMN copying INTEGER NOT NULL DEFAULT 0;\
ALTER TABLE layout ADD COLUMN since_copy INTEGER NOT NULL DEFAULT 0;\
ALTER TABLE layout ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;";

/// Orders to sets of users under delivery, and the users that it has not reached. One row says the serial of the latest of them.
pub(super) const SCOPED_CUTOFFS: &str = "\
CREATE TABLE scoped_cutoff (\
  serial INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, at INTEGER NOT NULL, notice TEXT NOT NULL, users INTEGER NOT NULL\
) STRICT;\
CREATE TABLE scoped_user (\
  user TEXT NOT NULL, serial INTEGER NOT NULL, PRIMARY KEY (user, serial)\
) STRICT, WITHOUT ROWID;\
CREATE INDEX scoped_user_by_serial ON scoped_user (serial, user);\
CREATE TABLE last_serial (id INTEGER PRIMARY KEY CHECK (id = 1), serial INTEGER NOT NULL) STRICT;";

/// The object of a tenant's orders. `telling` has a row while a shard has not heard of the order to the whole tenant; a set of users
/// lies in parts, and a part is JSON.
pub(super) const ORDERS_OF_A_TENANT: &str = "\
CREATE TABLE schema (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT;\
CREATE TABLE name (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL) STRICT;\
CREATE TABLE tenant_mark (\
  tenant INTEGER PRIMARY KEY, at INTEGER NOT NULL, sequence INTEGER NOT NULL, exempt TEXT NOT NULL, \
  lifted INTEGER NOT NULL\
) STRICT;\
CREATE TABLE telling (\
  id INTEGER PRIMARY KEY CHECK (id = 1), notice TEXT NOT NULL, next_at INTEGER NOT NULL\
) STRICT;\
CREATE TABLE last_serial (id INTEGER PRIMARY KEY CHECK (id = 1), serial INTEGER NOT NULL) STRICT;\
CREATE TABLE scoped_delivery (\
  serial INTEGER PRIMARY KEY, at INTEGER NOT NULL, notice TEXT NOT NULL, users INTEGER NOT NULL, \
  reached INTEGER NOT NULL, has_ended_imports INTEGER NOT NULL, visited INTEGER NOT NULL, rounds INTEGER NOT NULL, \
  next_at INTEGER NOT NULL\
) STRICT;\
CREATE TABLE scoped_part (\
  serial INTEGER NOT NULL, part INTEGER NOT NULL, users TEXT NOT NULL, PRIMARY KEY (serial, part)\
) STRICT, WITHOUT ROWID;";

/// The object of the tenant's orders tells all shards of them. A delivery counts the users that it has reached.
pub(super) const REACHED_BY_DELIVERY: &str = "\
ALTER TABLE wave DROP COLUMN is_spread;\
ALTER TABLE wave ADD COLUMN reached INTEGER NOT NULL DEFAULT 0;";

/// Where the walk over users with too many records goes on.
pub(super) const WALK_OVER_CROWDED_USERS: &str = "\
ALTER TABLE progress ADD COLUMN crowded_tenant INTEGER;\
ALTER TABLE progress ADD COLUMN crowded_user INTEGER;";

/// Imported records that may be online, by tenant: an order to a whole tenant ends them.
pub(super) const IMPORTED_RECORDS_OF_TENANTS: &str = "\
CREATE INDEX record_imported_of_tenant ON record (tenant, user, online_at, offline_at, source) \
  WHERE offline_at IS NULL AND source = 1;";

macro_rules! audit {
    ($rows:literal) => {
        concat!(
            "\
CREATE TABLE audit (\
  id TEXT NOT NULL, target TEXT NOT NULL, tenant INTEGER NOT NULL, given_by TEXT NOT NULL, operation TEXT NOT NULL, \
  progress TEXT NOT NULL, users INTEGER, connections INTEGER, details TEXT NOT NULL, PRIMARY KEY (id, target)\
) ",
            $rows,
            ";"
        )
    };
}

/// The audit: the parts of its entries. `target` is the user of a part, or empty; `details` is JSON, which nothing here reads.
pub(super) const AUDIT: &str = concat!(
    audit!("STRICT"),
    "\
CREATE INDEX audit_by_tenant ON audit (tenant, id);\
CREATE INDEX audit_by_target ON audit (tenant, target, id);\
CREATE INDEX audit_by_giver ON audit (tenant, given_by, id);"
);

/// The same in an object, which is of one tenant: a part is one billed row.
pub(super) const AUDIT_OF_ONE_TENANT: &str = audit!("STRICT, WITHOUT ROWID");

/// When the object of a tenant's orders next looks for entries that are over.
pub(super) const SWEEP_OF_AUDIT: &str = "\
CREATE TABLE audit_sweep (id INTEGER PRIMARY KEY CHECK (id = 1), next_at INTEGER NOT NULL) STRICT;";

/// The most shards that the directory ever had. Entries stay in the shard that they were written to.
pub(super) const WIDEST_LAYOUT: &str = "ALTER TABLE layout ADD COLUMN widest INTEGER NOT NULL DEFAULT 0;";

/// A part of the audit that the directory has not taken in yet, as JSON: of the order that ended the record, or alone in a row of an
/// id below -1.
pub(super) const UNTOLD_AUDIT: &str = "ALTER TABLE record ADD COLUMN audit TEXT;";

/// `settled_in` is JSON: of the tenants that the user has left, the last serial of orders to sets of users that it took along.
pub(super) const SETTLED_ORDERS: &str = "ALTER TABLE user ADD COLUMN settled_in TEXT NOT NULL DEFAULT '';";

/// Orders to selections and dry runs of them. A selection lies in parts, and a part is JSON; `selection` is the id that it is kept under.
/// `ordered` is the order that carries a dry run out, `serial` that of the scoped cutoff that the order is.
pub(super) const ORDERS_TO_SELECTIONS: &str = "\
CREATE TABLE force_off (\
  id TEXT PRIMARY KEY, tenant INTEGER NOT NULL, scope TEXT NOT NULL, state TEXT NOT NULL, users INTEGER NOT NULL, \
  connections INTEGER NOT NULL, reached INTEGER NOT NULL, serial INTEGER, selection TEXT NOT NULL, next_at INTEGER NOT NULL, \
  notice TEXT NOT NULL, entry TEXT NOT NULL, reason TEXT NOT NULL\
) STRICT;\
CREATE INDEX force_off_by_tenant ON force_off (tenant, id);\
CREATE INDEX force_off_open ON force_off (next_at, id) WHERE state = 'ordered';\
CREATE TABLE dry_run (\
  id TEXT PRIMARY KEY, tenant INTEGER NOT NULL, body TEXT NOT NULL, until INTEGER NOT NULL, users INTEGER NOT NULL, \
  connections INTEGER NOT NULL, ordered TEXT\
) STRICT;\
CREATE TABLE selected (\
  id TEXT NOT NULL, part INTEGER NOT NULL, users TEXT NOT NULL, PRIMARY KEY (id, part)\
) STRICT, WITHOUT ROWID;";

/// `denied` is JSON: the user's deny windows, one a tenant.
pub(super) const DENY_WINDOWS: &str = "ALTER TABLE user ADD COLUMN denied TEXT NOT NULL DEFAULT '';";

/// For how many seconds the users of an order are denied.
pub(super) const DENYING_ORDERS: &str = "ALTER TABLE force_off ADD COLUMN deny INTEGER;";

/// The deny window that a scoped cutoff opens for each of its users, as JSON; blank without one.
pub(super) const DENYING_CUTOFFS: &str =
    "ALTER TABLE scoped_cutoff ADD COLUMN deny TEXT NOT NULL DEFAULT '';";

/// The same of an order under delivery, in the object of a tenant's orders.
pub(super) const DENYING_DELIVERIES: &str =
    "ALTER TABLE scoped_delivery ADD COLUMN deny TEXT NOT NULL DEFAULT '';";
