//! What others get while one client asks for as much as it may.

use anyhow::Result;
use serde_json::Value;

use super::setup::Setup;
use crate::{
    check::{holds, same},
    profile::Profile,
    proto,
    size::size,
    ws::{Event, request},
};

/// Calls to objects of one request at a time.
const AT_ONCE: usize = 48;

/// One request follows many new users, each of which is a call to an object, 48 at a time. Whoever asks meanwhile waits for some of
/// these calls and not for all: at least one of its questions is answered for every 192 of them. The known-wrong way was to make all calls at
/// once, and every question waited for all of them.
pub(super) async fn others_are_served_beside_a_long_request_to_follow_users(setup: Setup) -> Result<String> {
    let users = size(960, 2_880);
    let runtime = setup.start(&Profile::Policy1.settings()).await?;
    let world = runtime.world();
    let (_, mut greedy) = world.login("greedy", 5).await?;
    let (_, mut honest) = world.login("honest", 5).await?;
    let followed: Vec<String> = (0..users).map(|n| format!("followed-{n}")).collect();
    let followed: Vec<&str> = followed.iter().map(String::as_str).collect();
    let asked = request(2005, "greedy", Some(&proto::subscription(&followed, &[]))).to_string();
    greedy.send_binary(asked).await?;
    let waiting = tokio::spawn(async move { greedy.next().await });
    let (mut logins, mut statuses) = (0, 0);
    while !waiting.is_finished() {
        same(world.platforms("honest").await?, vec![5], "platforms online")?;
        statuses += 1;
        // A new user has an object of its own too.
        world.issue(&format!("new-{logins}"), 5).await?;
        logins += 1;
    }
    let Event::Binary(answer) = waiting.await? else { anyhow::bail!("no answer") };
    let answer: Value = serde_json::from_slice(&answer)?;
    same(answer.get("errCode").and_then(Value::as_i64), Some(0), "the answer's code")?;
    honest.alive().await?;
    runtime.stop().await?;
    let least = users / (4 * AT_ONCE);
    holds(logins >= least, || format!("{logins} logins beside {users} calls, {least} at least"))?;
    Ok(format!("{statuses} questions and {logins} logins beside {users} calls"))
}
