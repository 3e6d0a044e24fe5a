//! The policy vectors, step by step as the file has them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::{Case, cases};
use crate::{check::same, vectors, world::World, ws::Socket};

pub(super) fn cases() -> Vec<Case> {
    [
        cases![Base, "base": p10_administrators_may_have_many_tokens],
        cases![Policy1, "policy1":
            p1_issuing_kills_the_token_and_leaves_its_socket,
            p2_connecting_kicks_the_older_socket,
            p10_administrators_may_have_many_tokens,
        ],
        cases![Policy4, "policy4":
            p4_one_connection_a_class,
            p5_harmony_is_a_class_of_its_own,
            p10_administrators_may_have_many_tokens,
        ],
        cases![Policy5, "policy5":
            p7_a_pc_beside_a_phone,
            p10_administrators_may_have_many_tokens,
        ],
        cases![Limits, "limits": p8_the_oldest_of_three_tokens_is_kicked],
    ]
    .concat()
}

async fn p1_issuing_kills_the_token_and_leaves_its_socket(world: World) -> Result<()> {
    play(&world, "P1").await
}

async fn p2_connecting_kicks_the_older_socket(world: World) -> Result<()> {
    play(&world, "P2").await
}

async fn p4_one_connection_a_class(world: World) -> Result<()> {
    play(&world, "P4").await
}

async fn p5_harmony_is_a_class_of_its_own(world: World) -> Result<()> {
    play(&world, "P5").await
}

async fn p7_a_pc_beside_a_phone(world: World) -> Result<()> {
    play(&world, "P7").await
}

async fn p8_the_oldest_of_three_tokens_is_kicked(world: World) -> Result<()> {
    play(&world, "P8").await
}

async fn p10_administrators_may_have_many_tokens(world: World) -> Result<()> {
    play(&world, "P10").await
}

async fn play(world: &World, id: &str) -> Result<()> {
    let vectors = vectors::load()?;
    let vector = vectors.policy(id)?;
    let user = world.user("u");
    let mut tokens: BTreeMap<&str, (String, i64)> = BTreeMap::new();
    let mut sockets: BTreeMap<&str, Socket> = BTreeMap::new();
    for step in &vector.steps {
        let words: Vec<&str> = step.split(' ').collect();
        match words.as_slice() {
            ["issue", "admin", name] => {
                let token = world.fresh_admin_token(world.admin()?).await?;
                tokens.insert(name, (token, 10));
            }
            ["issue", name, "platform", platform] => {
                let platform = platform.parse()?;
                tokens.insert(name, (world.issue(&user, platform).await?, platform));
            }
            ["open", name] => {
                let (token, platform) = tokens.get(name).with_context(|| format!("no token {name}"))?;
                sockets.insert(name, world.open(&user, *platform, token).await?);
            }
            _ => bail!("{id}: the step {step:?} is not understood"),
        }
    }
    for (name, code) in &vector.tokens {
        let (token, _) = tokens.get(name.as_str()).with_context(|| format!("no token {name}"))?;
        world.expect_verdict(token, *code, name).await?;
    }
    let status = world.status(&user).await?;
    let live: Vec<&str> = status
        .connections
        .iter()
        .filter_map(|c| tokens.iter().find(|(_, (token, _))| *token == c.token).map(|(name, _)| *name))
        .collect();
    same(live.len(), status.connections.len(), "the number of sockets whose token is of this case")?;
    same(&live, &vector.live.iter().map(String::as_str).collect::<Vec<_>>(), "whose sockets are live")?;
    for (name, socket) in &mut sockets {
        if vector.kick_frame.iter().any(|kicked| kicked == name) {
            socket.kicked().await.with_context(|| format!("the socket of {name}"))?;
        } else {
            socket.alive().await.with_context(|| format!("the socket of {name}"))?;
        }
    }
    Ok(())
}
