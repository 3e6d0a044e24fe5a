//! Questions to the worker's probe, which only a build for tests has.

use anyhow::{Context as _, Result, bail};
use futures_util::future::try_join_all;
use serde::Deserialize;

use crate::{
    check::same,
    http::{Connection, Request},
    world::World,
    ws::escape,
};

/// The most shards that a test has.
pub(super) const SHARDS: u32 = 16;

/// Shard 0 of the default tenant. With one shard that is the whole directory.
pub(super) const SHARD_0: &str = "directory/dir:v1:0:0";

/// The object of the default tenant's orders.
pub(super) const ORDERS: &str = "cutoffs/cutoff:v1:0";

/// The past of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Seen {
    /// Which construction of the object this is: another number each time.
    pub(super) instance: u64,
    /// The number of times that a socket or the alarm woke it.
    pub(super) wakes: u64,
    /// The number of times that it was asked for a tenant's cutoff.
    pub(super) asks: u64,
    /// The number of calls and alarms that reached it.
    pub(super) requests: u64,
    /// The rows that its statements read.
    pub(super) read: u64,
    /// The rows that its statements wrote, and the number of times that it set its alarm.
    pub(super) written: u64,
}

/// Looks at a user's object. Looking constructs one that was evicted, but is no wake.
pub(super) async fn look(world: &World, user: &str) -> Result<Seen> {
    ask(world, &format!("/__probe/{user}")).await
}

/// The number of times that the default tenant's orders were asked for.
pub(super) async fn questions_about_the_cutoff(world: &World) -> Result<u64> {
    Ok(ask(world, &format!("/__probe/{ORDERS}")).await?.asks)
}

/// Takes from an object's instance what a new one does not know, as if it had hibernated.
pub(super) async fn forget(world: &World, object: &str) -> Result<()> {
    ask(world, &format!("/__probe/{object}?do=forget")).await.map(drop)
}

/// The statements of an object: runs, rows read, rows written and the text of each in a line.
pub(super) async fn statements(world: &World, object: &str) -> Result<String> {
    text(world, &format!("/__probe/{object}?do=statements")).await
}

/// Counts the calls to objects whose names begin like this from now on; see [`calls`].
pub(super) async fn watch(world: &World, prefix: &str) -> Result<()> {
    ask(world, &format!("/__probe/{prefix}?do=watch")).await.map(drop)
}

/// Lets calls to objects whose names begin like this wait, or none.
pub(super) async fn hold(world: &World, prefix: Option<&str>) -> Result<()> {
    let action = if prefix.is_some() { "hold" } else { "release" };
    ask(world, &format!("/__probe/{}?do={action}", prefix.unwrap_or("nobody"))).await.map(drop)
}

/// The calls that are under way, and the most that ever were at the same time.
pub(super) async fn calls(world: &World) -> Result<(u64, u64)> {
    let text = text(world, "/__probe/nobody?do=calls").await?;
    let (under_way, most) = text.split_once(' ').context("no two numbers")?;
    Ok((under_way.parse()?, most.parse()?))
}

/// Breaks an object, or mends it: a user's, or that of [`SHARD_0`].
pub(super) async fn break_it(world: &World, object: &str, how: &str) -> Result<()> {
    ask(world, &format!("/__probe/{object}?do={how}")).await.map(drop)
}

/// Leaves on a user's sockets of one kind what code would whose attachments look like this. Returns the number of sockets.
pub(super) async fn reshape(world: &World, user: &str, form: &str) -> Result<usize> {
    let action = escape(&format!("reshape {form}"));
    Ok(text(world, &format!("/__probe/{user}?do={action}")).await?.parse()?)
}

/// Panics in a user's object, in the middle of our own code. The request gets no answer.
pub(super) async fn panic(world: &World, user: &str) -> Result<()> {
    let mut connection = Connection::open(world.address()).await?;
    let asked = Request::new("GET", &format!("/__probe/{user}?do=panic"));
    connection.write(&asked.head(&world.address().to_string())).await
}

/// The fate of calls of users' objects to the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Directory {
    /// They go through.
    On,
    /// They fail at once.
    Off,
    /// They wait until it is on again.
    Hangs,
}

/// Cuts the users' objects off from the directory, or joins them again.
pub(super) async fn let_directory(world: &World, user: &str, be: Directory) -> Result<()> {
    let action = match be {
        Directory::On => "directory_on",
        Directory::Off => "directory_off",
        Directory::Hangs => "directory_hang",
    };
    ask(world, &format!("/__probe/{user}?do={action}")).await.map(drop)
}

/// Changes what [`SHARD_0`] holds, behind its back.
pub(super) async fn change(world: &World, statement: &str) -> Result<()> {
    let action = escape(&format!("sql {statement}"));
    text(world, &format!("/__probe/{SHARD_0}?do={action}")).await.map(drop)
}

/// Changes what a shard of the default tenant holds, behind its back; one without tables refuses.
pub(super) async fn change_shard(world: &World, shard: u32, statement: &str) -> Result<bool> {
    let target = format!("/__probe/directory/dir:v1:0:{shard}?do={}", escape(&format!("sql {statement}")));
    let answer = world.unrecorded().send(&Request::new("GET", &target)).await?;
    Ok(answer.response.status == 200)
}

/// Changes what the object of deep health checks holds, behind its back.
pub(super) async fn change_health(world: &World, statement: &str) -> Result<()> {
    let action = escape(&format!("sql {statement}"));
    text(world, &format!("/__probe/directory/health?do={action}")).await.map(drop)
}

/// Changes what a user's object holds, behind its back.
pub(super) async fn change_user(world: &World, user: &str, statement: &str) -> Result<()> {
    let action = escape(&format!("sql {statement}"));
    text(world, &format!("/__probe/{user}?do={action}")).await.map(drop)
}

/// Whether a first write that fails in a user's object was refused, and what it has left behind.
pub(super) async fn failing_write(world: &World, user: &str) -> Result<String> {
    text(world, &format!("/__probe/{user}?do=rollback")).await
}

/// The tables of a user's object, a line each; none of an object that was never written.
pub(super) async fn tables(world: &World, user: &str) -> Result<String> {
    rows(world, user).await
}

/// The clocks of a zone at these instants, by the runtime's own database.
pub(super) async fn clocks(world: &World, zone: &str, instants: &[i64]) -> Result<Vec<String>> {
    let instants: Vec<String> = instants.iter().map(i64::to_string).collect();
    let action = escape(&format!("zone {zone} {}", instants.join(" ")));
    let text = text(world, &format!("/__probe/nobody?do={action}")).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Whether the default tenant's shard 0 is on its way with an order.
pub(super) async fn is_under_way(world: &World) -> Result<bool> {
    let text = rows(world, SHARD_0).await?;
    Ok(text.lines().any(|line| line.starts_with("wave: Ok(Some([[")))
}

/// A record, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Its id.
    pub(super) id: String,
    /// Its beginning, in milliseconds since 1970.
    pub(super) began_at: i64,
    /// Its end, in milliseconds since 1970.
    pub(super) ended_at: Option<i64>,
}

/// The records in a user's own object.
pub(super) async fn own_records(world: &World, user: &str) -> Result<Vec<Record>> {
    records_in(&rows(world, user).await?, user)
}

/// The numbers of open and ended records of a user in the default tenant's directory.
pub(super) async fn open_and_ended(world: &World, user: &str) -> Result<(usize, usize)> {
    let records = records(world, user).await?;
    let ended = records.iter().filter(|record| record.ended_at.is_some()).count();
    Ok((records.len() - ended, ended))
}

/// The records of a user in the default tenant's directory.
pub(super) async fn records(world: &World, user: &str) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    for text in shards(world).await? {
        found.extend(records_in(&text, user)?);
    }
    Ok(found)
}

/// The users of all rows of the default tenant's directory.
pub(super) async fn owners(world: &World) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for text in shards(world).await? {
        found.extend(owned_in(&text)?.into_iter().map(|(owner, _)| owner));
    }
    Ok(found)
}

/// What the tables of each shard hold.
async fn shards(world: &World) -> Result<Vec<String>> {
    let asked =
        (0..SHARDS).map(|shard| async move { rows(world, &format!("directory/dir:v1:0:{shard}")).await });
    try_join_all(asked).await
}

fn records_in(text: &str, user: &str) -> Result<Vec<Record>> {
    let owned = owned_in(text)?.into_iter().filter(|(owner, _)| owner == user);
    Ok(owned.map(|(_, record)| record).collect())
}

/// The records in what a shard tells of its tables, with their users: a line each, rows and columns as Rust prints them.
fn owned_in(text: &str) -> Result<Vec<(String, Record)>> {
    let Some(table) = text.lines().find_map(|line| line.strip_prefix("record: ")) else {
        return Ok(Vec::new());
    };
    let rows = table.strip_prefix("Ok(Some([").and_then(|rows| rows.strip_suffix("]))"));
    let rows = rows.with_context(|| format!("the probe cannot read the records: {table}"))?;
    let mut found = Vec::new();
    for row in rows.split("], [").filter(|row| !row.is_empty()) {
        // id, tenant, user, full name, avatar, user agent, device, address, begin, end, and more.
        let columns: Vec<&str> = row.trim_matches(['[', ']']).split(", ").map(bare).collect();
        let [Some(id), Some(owner), Some(begin), Some(end)] = [0, 2, 8, 9].map(|column| columns.get(column))
        else {
            bail!("a record with too few columns: {row}")
        };
        let ended_at = (*end != "Null").then(|| end.parse()).transpose()?;
        let record = Record { id: (*id).to_owned(), began_at: begin.parse()?, ended_at };
        found.push(((*owner).to_owned(), record));
    }
    Ok(found)
}

/// `Text("7")` without what stands around the 7.
fn bare(column: &str) -> &str {
    column.strip_prefix("Text(\"").and_then(|rest| rest.strip_suffix("\")")).unwrap_or(column)
}

async fn rows(world: &World, object: &str) -> Result<String> {
    text(world, &format!("/__probe/{object}?do=rows")).await
}

async fn ask(world: &World, target: &str) -> Result<Seen> {
    let text = text(world, target).await?;
    serde_json::from_str(&text).with_context(|| format!("not what a probe says: {text}"))
}

async fn text(world: &World, target: &str) -> Result<String> {
    let answer = world.unrecorded().send(&Request::new("GET", target)).await?;
    same(answer.response.status, 200, "the status of the probe: was the worker built with it?")?;
    Ok(answer.text()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_apart_by_user_and_end() {
        let row = |user: &str, end: &str| {
            let before = format!(r#"Text("7"), Text("0"), Text("{user}"), Text("{user}"), Null, Text("")"#);
            let after = r#"Null, Int(0), Text("1")"#;
            format!(r#"[{before}, Text("unknown"), Text("::1"), Text("1795312243460"), {end}, {after}]"#)
        };
        let rows = [row("1", "Null"), row("2", "Null"), row("1", r#"Text("1795312243461")"#)].join(", ");
        let text = format!("layout: Ok(Some([[Int(1), Int(16)]]))\nrecord: Ok(Some([{rows}]))\n");
        assert_eq!(
            records_in(&text, "1").unwrap(),
            [None, Some(1_795_312_243_461)].map(|ended_at| Record {
                id: "7".to_owned(),
                began_at: 1_795_312_243_460,
                ended_at
            }),
            "{text}"
        );
        assert_eq!(records_in("record: Ok(Some([]))\n", "1").unwrap(), []);
        assert_eq!(records_in("", "1").unwrap(), []);
        assert!(records_in("record: Err(SqlError(\"x\"))\n", "1").is_err());
    }
}
