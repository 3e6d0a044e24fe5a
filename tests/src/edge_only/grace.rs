//! The grace period: what the directory shows of a client that was away for a moment.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};

use super::{
    probe::{self, Record, open_and_ended},
    setup::Setup,
    variables::GRACE,
};
use crate::{
    check::{holds, same},
    profile::Profile,
    world::World,
    ws::Socket,
};

const GONE: &str = "1000000000000051";
const BACK: &str = "1000000000000052";
/// Short, since it is waited for.
const SHORT_SECONDS: u32 = 2;
/// Longer than any machine needs to come back.
const LONG_SECONDS: u32 = 600;

pub(super) async fn an_end_shows_after_the_grace_period_with_its_true_date(setup: Setup) -> Result<String> {
    let runtime = setup.with(GRACE, SHORT_SECONDS).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, socket) = world.login(GONE, 5).await?;
    world.eventually("records", || open_and_ended(&world, GONE), &(1, 0)).await?;
    let (earliest, latest) = leave(&world, GONE, socket).await?;
    world.eventually("records", || open_and_ended(&world, GONE), &(0, 1)).await?;
    let shown = now()?;
    let end = the_end(&probe::records(&world, GONE).await?)?;
    holds((earliest..=latest).contains(&end), || {
        format!("the end is {end}, the connection ended between {earliest} and {latest}")
    })?;
    let waited = shown - end;
    holds(waited >= i64::from(SHORT_SECONDS) * 1000, || format!("shown {waited} ms after the end already"))?;
    runtime.stop().await?;
    Ok(format!("shown {waited} ms after the end, with the date of the end"))
}

pub(super) async fn coming_back_within_the_grace_period_shows_end_and_opening_together(
    setup: Setup,
) -> Result<String> {
    let runtime = setup.with(GRACE, LONG_SECONDS).start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (token, socket) = world.login(BACK, 5).await?;
    world.eventually("records", || open_and_ended(&world, BACK), &(1, 0)).await?;
    let (earliest, latest) = leave(&world, BACK, socket).await?;
    same(open_and_ended(&world, BACK).await?, (1, 0), "records, open and ended, while the client is away")?;
    let mut socket = world.open(BACK, 5, &token).await?;
    // No look in between may find the end without the opening, or the opening without the end.
    let look = || async {
        match open_and_ended(&world, BACK).await? {
            seen @ ((1, 0) | (1, 1)) => Ok(seen),
            seen => bail!("the directory showed {seen:?}, open and ended, when the client came back"),
        }
    };
    world.eventually("records", look, &(1, 1)).await?;
    let end = the_end(&probe::records(&world, BACK).await?)?;
    holds((earliest..=latest).contains(&end), || {
        format!("the end is {end}, the connection ended between {earliest} and {latest}")
    })?;
    socket.alive().await?;
    runtime.stop().await?;
    Ok("one look shows both, the end with its true date".to_owned())
}

/// Closes a user's only socket. Between which moments did the connection end?
async fn leave(world: &World, user: &str, socket: Socket) -> Result<(i64, i64)> {
    let earliest = now()?;
    socket.close().await?;
    world.until_platforms(user, &[]).await?;
    Ok((earliest, now()?))
}

fn the_end(records: &[Record]) -> Result<i64> {
    records.iter().find_map(|record| record.ended_at).with_context(|| format!("no end in {records:?}"))
}

/// The machine's clock, which is the runtime's too, in milliseconds.
fn now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
