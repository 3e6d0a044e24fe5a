//! Login policies beyond the vectors, at issue and at connect.

use anyhow::{Context as _, Result};

use super::{Case, cases};
use crate::{
    check::same,
    world::World,
    ws::{Handshake, Socket},
};

pub(super) fn cases() -> Vec<Case> {
    [
        cases![Base, "base": under_policy_0_nobody_is_kicked],
        cases![Policy1, "policy1":
            under_policy_1_platforms_do_not_disturb_each_other,
            under_policy_1_an_issue_kills_only_its_platform,
            under_policy_1_every_platform_has_one_connection,
            a_device_whose_token_was_replaced_cannot_come_back,
            a_plain_get_of_the_handshake_kicks_nobody,
            administrators_are_outside_policy_1,
        ],
        cases![Policy4, "policy4":
            under_policy_4_an_issue_kills_its_class,
            under_policy_4_a_connection_kicks_its_class,
            under_policy_4_other_classes_stay,
            administrators_are_outside_policy_4,
        ],
        cases![Policy5, "policy5":
            under_policy_5_pcs_are_unlimited,
            under_policy_5_one_of_all_the_others,
            under_policy_5_an_issue_for_a_pc_leaves_the_phone,
            under_policy_5_connections_are_kicked_across_platforms,
            administrators_are_outside_policy_5,
        ],
    ]
    .concat()
}

/// The verdict on each token, 0 or 1506, with its platform.
async fn verdicts(world: &World, tokens: &[(i64, String)]) -> Result<Vec<(i64, i64)>> {
    let mut found = Vec::new();
    for (platform, token) in tokens {
        found.push((*platform, world.verdict(token).await?));
    }
    Ok(found)
}

async fn issue_all(world: &World, user: &str, platforms: &[i64]) -> Result<Vec<(i64, String)>> {
    let mut tokens = Vec::new();
    for platform in platforms {
        tokens.push((*platform, world.issue(user, *platform).await?));
    }
    Ok(tokens)
}

async fn under_policy_0_nobody_is_kicked(world: World) -> Result<()> {
    let user = world.user("a");
    let mut open = Vec::new();
    for platform in [5, 5, 1, 2, 3, 5] {
        open.push(world.login(&user, platform).await?);
    }
    same(world.platforms(&user).await?, vec![5, 5, 1, 2, 3, 5], "platforms online")?;
    for (token, socket) in &mut open {
        world.expect_verdict(token, 0, "a token").await?;
        socket.alive().await?;
    }
    Ok(())
}

async fn under_policy_1_platforms_do_not_disturb_each_other(world: World) -> Result<()> {
    let user = world.user("a");
    let platforms = [1, 2, 3, 4, 5, 6, 7, 11];
    let mut open = Vec::new();
    for platform in platforms {
        open.push(world.login(&user, platform).await?);
    }
    same(world.platforms(&user).await?, platforms.to_vec(), "platforms online")?;
    for (token, socket) in &mut open {
        world.expect_verdict(token, 0, "a token").await?;
        socket.alive().await?;
    }
    Ok(())
}

async fn under_policy_1_an_issue_kills_only_its_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let tokens = issue_all(&world, &user, &[2, 5, 3, 2, 2]).await?;
    let wanted = vec![(2, 1506), (5, 0), (3, 0), (2, 1506), (2, 0)];
    same(verdicts(&world, &tokens).await?, wanted, "platforms and verdicts")
}

async fn under_policy_1_every_platform_has_one_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, mut android) = world.login(&user, 2).await?;
    let mut last: Option<Socket> = None;
    for _ in 0..3 {
        let (_, next) = world.login(&user, 5).await?;
        if let Some(mut old) = last.replace(next) {
            old.kicked().await?;
        }
        same(world.platforms(&user).await?, vec![2, 5], "platforms online")?;
    }
    android.alive().await?;
    last.context("no socket")?.alive().await
}

/// Guards against the loop in which a closed app comes back and kicks the device that replaced it.
async fn a_device_whose_token_was_replaced_cannot_come_back(world: World) -> Result<()> {
    let user = world.user("a");
    let (first, socket) = world.login(&user, 2).await?;
    socket.close().await?;
    world.until_platforms(&user, &[]).await?;
    let (_, mut second) = world.login(&user, 2).await?;
    world.refused_both_ways(&Handshake::new(&user, 2, &first), 1506, "").await?;
    second.alive().await?;
    same(world.platforms(&user).await?, vec![2], "platforms online")
}

/// An upgrade with the phone's token would replace its connection.
async fn a_plain_get_of_the_handshake_kicks_nobody(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut phone) = world.login(&user, 2).await?;
    for _ in 0..3 {
        let answer = world.send(&Handshake::new(&user, 2, &token).plain()).await?;
        same(answer.response.status, 426, "the status of a plain GET")?;
    }
    phone.alive().await?;
    same(world.platforms(&user).await?, vec![2], "platforms online")
}

async fn administrators_are_outside_policy_1(world: World) -> Result<()> {
    administrators_are_outside(&world).await
}

async fn administrators_are_outside_policy_4(world: World) -> Result<()> {
    administrators_are_outside(&world).await
}

async fn administrators_are_outside_policy_5(world: World) -> Result<()> {
    administrators_are_outside(&world).await
}

async fn administrators_are_outside(world: &World) -> Result<()> {
    let admin = world.admin()?.to_owned();
    let mut open = Vec::new();
    for _ in 0..3 {
        let token = world.fresh_admin_token(&admin).await?;
        let socket = world.open(&admin, 10, &token).await?;
        open.push((token, socket));
    }
    for (token, mut socket) in open {
        world.expect_verdict(&token, 0, "an admin token").await?;
        socket.alive().await?;
        socket.close().await?;
    }
    Ok(())
}

async fn under_policy_4_an_issue_kills_its_class(world: World) -> Result<()> {
    let user = world.user("a");
    // Phones 1 2, PCs 3 4 7, Web 5, MiniWeb 6, tablets 8 9, Harmony 11.
    let tokens = issue_all(&world, &user, &[1, 3, 5, 6, 8, 11]).await?;
    let all: Vec<(i64, i64)> = tokens.iter().map(|(platform, _)| (*platform, 0)).collect();
    same(verdicts(&world, &tokens).await?, all.clone(), "one token a class")?;
    for (platform, victim) in [(2, 1), (4, 3), (9, 8)] {
        world.issue(&user, platform).await?;
        let mut wanted = all.clone();
        let dead = [1, 3, 8];
        let reached = dead.iter().position(|d| *d == victim).unwrap_or_default();
        for (platform, code) in &mut wanted {
            if dead.iter().take(reached + 1).any(|d| d == platform) {
                *code = 1506;
            }
        }
        same(verdicts(&world, &tokens).await?, wanted, &format!("after an issue on platform {platform}"))?;
    }
    let linux = world.issue(&user, 7).await?;
    world.expect_verdict(&linux, 0, "the newest token of a PC").await
}

async fn under_policy_4_a_connection_kicks_its_class(world: World) -> Result<()> {
    let user = world.user("a");
    for (older, newer) in [(1, 2), (3, 7), (7, 4), (8, 9), (5, 5), (6, 6), (11, 11)] {
        let (older_token, mut old) = world.login(&user, older).await?;
        let (newer_token, mut new) = world.login(&user, newer).await?;
        old.kicked().await.with_context(|| format!("{older} against {newer}"))?;
        world.expect_verdict(&older_token, 1506, "the older token").await?;
        world.expect_verdict(&newer_token, 0, "the newer token").await?;
        new.alive().await?;
        new.close().await?;
        world.until_platforms(&user, &[]).await?;
    }
    Ok(())
}

async fn under_policy_4_other_classes_stay(world: World) -> Result<()> {
    let user = world.user("a");
    let platforms = [1, 3, 5, 6, 8, 11];
    let mut open = Vec::new();
    for platform in platforms {
        open.push(world.login(&user, platform).await?);
    }
    same(world.platforms(&user).await?, platforms.to_vec(), "platforms online")?;
    for (token, socket) in &mut open {
        world.expect_verdict(token, 0, "a token").await?;
        socket.alive().await?;
    }
    Ok(())
}

async fn under_policy_5_pcs_are_unlimited(world: World) -> Result<()> {
    let user = world.user("a");
    let platforms = [3, 3, 4, 7, 7];
    let mut open = Vec::new();
    for platform in platforms {
        open.push(world.login(&user, platform).await?);
    }
    same(world.platforms(&user).await?, platforms.to_vec(), "platforms online")?;
    for (token, socket) in &mut open {
        world.expect_verdict(token, 0, "a token").await?;
        socket.alive().await?;
    }
    Ok(())
}

async fn under_policy_5_one_of_all_the_others(world: World) -> Result<()> {
    let user = world.user("a");
    let pc = world.issue(&user, 3).await?;
    let others = [2, 5, 1, 6, 8, 9, 11, 2];
    let mut older: Vec<String> = Vec::new();
    for platform in others {
        let token = world.issue(&user, platform).await?;
        for dead in &older {
            world.expect_verdict(dead, 1506, "an older token").await?;
        }
        world.expect_verdict(&token, 0, &format!("the newest token, of platform {platform}")).await?;
        world.expect_verdict(&pc, 0, "the token of the PC").await?;
        older.push(token);
    }
    Ok(())
}

async fn under_policy_5_an_issue_for_a_pc_leaves_the_phone(world: World) -> Result<()> {
    let user = world.user("a");
    let tokens = issue_all(&world, &user, &[1, 3, 4, 3]).await?;
    let wanted = vec![(1, 0), (3, 0), (4, 0), (3, 0)];
    same(verdicts(&world, &tokens).await?, wanted, "platforms and verdicts")
}

async fn under_policy_5_connections_are_kicked_across_platforms(world: World) -> Result<()> {
    let user = world.user("a");
    let (_, mut pc) = world.login(&user, 3).await?;
    let mut last: Option<Socket> = None;
    for platform in [2, 5, 6, 9, 11, 1] {
        let token = world.issue(&user, platform).await?;
        if let Some(old) = &mut last {
            // Issuing kills the token; the socket ends when the winner connects.
            old.alive().await?;
        }
        let next = world.open(&user, platform, &token).await?;
        if let Some(mut old) = last.replace(next) {
            old.kicked().await.with_context(|| format!("replaced by platform {platform}"))?;
        }
        same(world.platforms(&user).await?, vec![3, platform], "platforms online")?;
    }
    let (_, mut second) = world.login(&user, 7).await?;
    for socket in [&mut pc, &mut second] {
        socket.alive().await?;
    }
    last.context("no socket")?.alive().await
}
