//! The version of an object's tables.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{
    probe::{change_user, failing_write, tables},
    setup::Setup,
};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::FORCE_LOGOUT,
};

const KICKED: i64 = 1506;
const VERSIONED: &str = "schema: Ok(Some([[Int(1), Int(";
const EXPLAINED: &str = "the store is of version 1000, this program knows up to";

/// What makes an object's tables those of a program that wrote no version down.
const UNVERSIONED: [&str; 21] = [
    "CREATE TABLE subscription (user TEXT NOT NULL, connection TEXT NOT NULL, watched TEXT NOT NULL, \
     stamp INTEGER NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, platforms INTEGER NOT NULL DEFAULT 0, \
     PRIMARY KEY (user, connection, watched)) STRICT, WITHOUT ROWID",
    "CREATE TABLE watcher (user TEXT NOT NULL, watcher TEXT NOT NULL, stamp INTEGER NOT NULL, \
     PRIMARY KEY (user, watcher)) STRICT, WITHOUT ROWID",
    "CREATE TABLE ties (user TEXT PRIMARY KEY, sequence INTEGER NOT NULL, told INTEGER, due INTEGER NOT NULL, \
     after TEXT NOT NULL, wave TEXT NOT NULL, release_at INTEGER) STRICT, WITHOUT ROWID",
    "CREATE TABLE held_end (user TEXT NOT NULL, record INTEGER NOT NULL, ended_at INTEGER NOT NULL, \
     until INTEGER NOT NULL, PRIMARY KEY (user, record)) STRICT, WITHOUT ROWID",
    "CREATE INDEX record_by_user ON record (tenant, user, device_id)",
    "ALTER TABLE record DROP COLUMN held_until",
    "ALTER TABLE record DROP COLUMN unpublished",
    "ALTER TABLE record ADD COLUMN published INTEGER",
    "ALTER TABLE record DROP COLUMN under",
    "ALTER TABLE record DROP COLUMN audit",
    "CREATE TABLE other (user TEXT NOT NULL, hash TEXT NOT NULL, platform INTEGER NOT NULL, \
     ord INTEGER NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, state INTEGER NOT NULL, \
     PRIMARY KEY (user, hash)) STRICT, WITHOUT ROWID",
    "INSERT INTO other SELECT user, hash, platform, ord, issued_at, expires_at, state FROM token",
    "DROP TABLE token",
    "ALTER TABLE other RENAME TO token",
    "ALTER TABLE user DROP COLUMN unseen_at",
    "ALTER TABLE user DROP COLUMN first_expiry",
    "ALTER TABLE user DROP COLUMN unlocked_in",
    "ALTER TABLE user DROP COLUMN settled_in",
    "ALTER TABLE user DROP COLUMN home",
    "ALTER TABLE user DROP COLUMN denied",
    "DROP TABLE schema",
];

/// The version in the tables of an object.
fn version_of(tables: &str) -> Result<u32> {
    let row = tables.lines().find_map(|line| line.strip_prefix(VERSIONED));
    let digits = row.map(|rest| rest.split(|next: char| !next.is_ascii_digit()).next().unwrap_or_default());
    digits.unwrap_or_default().parse().context("the version of an object")
}

pub(super) async fn an_object_has_a_version_and_one_of_a_newer_program_is_refused(
    setup: Setup,
) -> Result<String> {
    let settings = Profile::Policy1.settings();
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    let kicked = world.issue("unversioned", 5).await?;
    world.force_logout("unversioned", 5).await?;
    let newer = world.issue("newer", 5).await?;
    let versioned = |text: &str| text.lines().any(|line| line.starts_with(VERSIONED));
    for user in ["unversioned", "newer"] {
        let found = tables(&world, user).await?;
        holds(versioned(&found), || format!("the object of {user} has no version: {found}"))?;
    }
    same(world.platforms("unknown").await?, Vec::<i64>::new(), "platforms of a user that is not known")?;
    same(tables(&world, "unknown").await?, String::new(), "tables after a question")?;
    same(failing_write(&world, "unknown").await?, "true Ok(None)\n".to_owned(), "a first write that fails")?;
    same(tables(&world, "unknown").await?, String::new(), "tables after a first write that failed")?;
    for step_back in UNVERSIONED {
        change_user(&world, "unversioned", step_back).await?;
    }
    let version = version_of(&tables(&world, "newer").await?)?;
    change_user(&world, "newer", "UPDATE schema SET version = 1000").await?;
    runtime.stop().await?;

    // New instances look at the version anew.
    let runtime = setup.start(&settings).await?;
    let world = runtime.world();
    world.expect_verdict(&kicked, KICKED, "the token of an object that had no version").await?;
    let found = tables(&world, "unversioned").await?;
    holds(versioned(&found), || format!("the object was not brought forward: {found}"))?;
    let order = json!({"userID": "newer", "platformID": 5});
    world.as_admin(FORCE_LOGOUT, &order).await?.envelope_with(500)?.refusal(500)?;
    change_user(&world, "newer", &format!("UPDATE schema SET version = {version}")).await?;
    runtime.stop().await?;
    holds(setup.log()?.contains(EXPLAINED), || "no line of the log has the versions".to_owned())?;

    let runtime = setup.start(&settings).await?;
    runtime.world().expect_verdict(&newer, 0, "the token of the object that was refused").await?;
    runtime.stop().await?;
    Ok("a version was missing, then too new, and no token was lost".to_owned())
}
