//! The schema, version by version. `user_version` says which one a file has.

use anyhow::bail;
use rusqlite::Connection;

/// Each step brings a file from its index to the next version. Shipped steps are never edited, only followed.
const STEPS: &[&[&str]] = &[
    &[
        rollcall_core::user::SCHEMA,
        rollcall_core::directory::upsert::SCHEMA,
        rollcall_core::shard::mark::SCHEMA,
        // One row: when this process last said that it lives. Records that a crash left open end there.
        "CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), renewed_at INTEGER NOT NULL) STRICT;",
    ],
    &[rollcall_core::user::SUBSCRIPTION_SCHEMA],
];

pub(super) fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let found: usize =
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))?.try_into()?;
    let Some(missing) = STEPS.get(found..) else {
        bail!(
            "the store is of version {found}, this program knows up to {}; run the newer program",
            STEPS.len()
        );
    };
    for (step, version) in missing.iter().zip(1_u32..) {
        let transaction = connection.transaction()?;
        for sql in *step {
            transaction.execute_batch(sql)?;
        }
        transaction.pragma_update(None, "user_version", u32::try_from(found)? + version)?;
        transaction.commit()?;
    }
    Ok(())
}
