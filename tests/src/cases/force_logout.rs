//! `force_logout`: every row of its table, and what it reaches.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::same,
    world::{FORCE_LOGOUT, World},
    ws::Socket,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Base, "base":
        force_logout_needs_a_user,
        force_logout_needs_a_known_platform,
        bad_arguments_are_told_before_the_permission,
        a_user_may_not_force_anybody_out,
        an_unknown_user_is_forced_out_with_success,
        force_logout_may_be_repeated,
        force_logout_kills_tokens_without_a_connection,
        force_logout_reaches_only_its_platform,
        force_logout_reaches_only_its_user,
        force_logout_reaches_every_connection_of_the_platform,
        harmony_may_be_forced_out,
        one_login_of_several_is_forced_out_by_its_token,
        one_login_of_several_is_forced_out_by_its_connection,
        a_token_and_a_connection_are_named_as_one_login,
        what_names_no_login_of_the_platform_takes_nothing,
        a_name_that_is_no_text_is_refused,
    ]
}

async fn force_logout_needs_a_user(world: World) -> Result<()> {
    let answer = world.as_admin(FORCE_LOGOUT, &json!({"userID": "", "platformID": 5})).await?;
    answer.refused(1001, "userID is empty")
}

async fn force_logout_needs_a_known_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    for platform in [0, -1, 12, 99] {
        let answer = world.as_admin(FORCE_LOGOUT, &json!({"userID": user, "platformID": platform})).await?;
        answer.refused(1001, "platformID is invalidate").with_context(|| platform.to_string())?;
    }
    world.expect_verdict(&token, 0, "the token").await?;
    socket.alive().await
}

async fn bad_arguments_are_told_before_the_permission(world: World) -> Result<()> {
    let token = world.issue(&world.user("a"), 5).await?;
    let answer = world.post(FORCE_LOGOUT, Some(&token), &json!({"userID": "x", "platformID": 0})).await?;
    answer.refused(1001, "platformID is invalidate")?;
    let answer = world.post(FORCE_LOGOUT, Some(&token), &json!({"userID": "", "platformID": 5})).await?;
    answer.refused(1001, "userID is empty")
}

async fn a_user_may_not_force_anybody_out(world: World) -> Result<()> {
    let user = world.user("a");
    let token = world.issue(&user, 5).await?;
    let body = json!({"userID": world.user("b"), "platformID": 5});
    let answer = world.post(FORCE_LOGOUT, Some(&token), &body).await?;
    answer.refused(1002, &format!("user {user} is not admin userID"))
}

async fn an_unknown_user_is_forced_out_with_success(world: World) -> Result<()> {
    let user = world.user("nobody");
    for platform in 1..=11 {
        if platform != 10 {
            world.force_logout(&user, platform).await?;
        }
    }
    Ok(())
}

async fn force_logout_may_be_repeated(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 5).await?;
    for _ in 0..3 {
        world.force_logout(&user, 5).await?;
        world.expect_verdict(&token, 1506, "the token").await?;
    }
    socket.kicked().await
}

async fn force_logout_kills_tokens_without_a_connection(world: World) -> Result<()> {
    let user = world.user("a");
    let tokens = [world.issue(&user, 5).await?, world.issue(&user, 5).await?];
    world.force_logout(&user, 5).await?;
    for token in &tokens {
        world.expect_verdict(token, 1506, "a token of the platform").await?;
    }
    let fresh = world.issue(&user, 5).await?;
    world.expect_verdict(&fresh, 0, "a token issued afterwards").await
}

async fn force_logout_reaches_only_its_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let mut kept = Vec::new();
    for platform in [1, 3, 5, 11] {
        kept.push(world.login(&user, platform).await?);
    }
    let (_, mut hit) = world.login(&user, 2).await?;
    world.force_logout(&user, 2).await?;
    hit.kicked().await?;
    same(world.platforms(&user).await?, vec![1, 3, 5, 11], "platforms online")?;
    for (token, socket) in &mut kept {
        world.expect_verdict(token, 0, "the token of another platform").await?;
        socket.alive().await?;
    }
    Ok(())
}

async fn force_logout_reaches_only_its_user(world: World) -> Result<()> {
    let (hit, kept) = (world.user("hit"), world.user("hit2"));
    let (_, mut socket) = world.login(&hit, 5).await?;
    let (token, mut other) = world.login(&kept, 5).await?;
    world.force_logout(&hit, 5).await?;
    socket.kicked().await?;
    world.expect_verdict(&token, 0, "the other user's token").await?;
    other.alive().await
}

async fn force_logout_reaches_every_connection_of_the_platform(world: World) -> Result<()> {
    let user = world.user("a");
    let mut sockets = vec![world.login(&user, 5).await?, world.login(&user, 5).await?];
    // Two connections may share a token under this policy; both go.
    let shared = sockets.first().map(|(token, _)| token.clone()).unwrap_or_default();
    sockets.push((shared.clone(), world.open(&user, 5, &shared).await?));
    world.force_logout(&user, 5).await?;
    same(world.platforms(&user).await?, Vec::<i64>::new(), "platforms online")?;
    for (token, socket) in &mut sockets {
        world.expect_verdict(token, 1506, "a token of the platform").await?;
        socket.kicked().await?;
    }
    Ok(())
}

async fn harmony_may_be_forced_out(world: World) -> Result<()> {
    let user = world.user("a");
    let (token, mut socket) = world.login(&user, 11).await?;
    world.force_logout(&user, 11).await?;
    socket.kicked().await?;
    world.expect_verdict(&token, 1506, "the token").await
}

/// Three logins of one user: two on platform 5, one on platform 2.
struct Logins {
    world: World,
    user: String,
    logins: Vec<(String, Socket)>,
    connections: Vec<String>,
}

impl Logins {
    async fn gather(world: World) -> Result<Self> {
        let user = world.user("a");
        let mut logins = Vec::new();
        for platform in [5, 5, 2] {
            logins.push(world.login(&user, platform).await?);
        }
        let connections = world.status(&user).await?.connections.into_iter().map(|one| one.id).collect();
        Ok(Self { world, user, logins, connections })
    }

    fn token(&self, number: usize) -> &str {
        self.logins.get(number).map(|(token, _)| token.as_str()).unwrap_or_default()
    }

    fn connection(&self, number: usize) -> &str {
        self.connections.get(number).map(String::as_str).unwrap_or_default()
    }

    /// Forces platform 5 out, with these members more.
    async fn force(&self, more: Value) -> Result<Answer> {
        let mut body = json!({"userID": self.user, "platformID": 5});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        self.world.as_admin(FORCE_LOGOUT, &body).await
    }

    /// Fails unless the logins with these numbers are gone and no other.
    async fn gone(&mut self, gone: &[usize]) -> Result<()> {
        let left: Vec<String> =
            self.world.status(&self.user).await?.connections.into_iter().map(|one| one.id).collect();
        let stays = |number: &usize| !gone.contains(number);
        let wanted: Vec<String> =
            (0..3).filter(stays).map(|number| self.connection(number).to_owned()).collect();
        same(left, wanted, "the connections that are left")?;
        for (number, (token, socket)) in self.logins.iter_mut().enumerate() {
            if gone.contains(&number) {
                self.world.expect_verdict(token, 1506, &format!("token {number}")).await?;
                socket.kicked().await?;
            } else {
                self.world.expect_verdict(token, 0, &format!("token {number}")).await?;
                socket.alive().await?;
            }
        }
        Ok(())
    }
}

async fn one_login_of_several_is_forced_out_by_its_token(world: World) -> Result<()> {
    let mut all = Logins::gather(world).await?;
    all.force(json!({"token": all.token(1)})).await?.empty()?;
    all.gone(&[1]).await?;
    // A token without a connection is one of the platform too.
    let idle = all.world.issue(&all.user, 5).await?;
    all.force(json!({"token": idle})).await?.empty()?;
    all.world.expect_verdict(&idle, 1506, "a token without a connection").await?;
    all.world.expect_verdict(all.token(0), 0, "another token").await
}

async fn one_login_of_several_is_forced_out_by_its_connection(world: World) -> Result<()> {
    let mut all = Logins::gather(world).await?;
    let mut twin = all.world.open(&all.user, 5, all.token(1)).await?;
    all.force(json!({"connID": all.connection(1)})).await?.empty()?;
    // What else lives on its token goes along: the token is dead.
    twin.kicked().await?;
    all.gone(&[1]).await?;
    all.force(json!({"connID": all.connection(1)})).await?.empty()
}

async fn a_token_and_a_connection_are_named_as_one_login(world: World) -> Result<()> {
    let mut all = Logins::gather(world).await?;
    let misfit = json!({"token": all.token(0), "connID": all.connection(1)});
    all.force(misfit).await?.empty()?;
    let fit = json!({"token": all.token(0), "connID": all.connection(0)});
    all.force(fit).await?.empty()?;
    all.gone(&[0]).await
}

async fn what_names_no_login_of_the_platform_takes_nothing(world: World) -> Result<()> {
    let mut all = Logins::gather(world).await?;
    let (other, mut bystander) = all.world.login(&all.world.user("b"), 5).await?;
    let forged = all.world.forged(&all.user, 5)?;
    for more in [
        json!({"token": all.token(2)}),
        json!({"connID": all.connection(2)}),
        json!({"token": all.token(2), "connID": all.connection(2)}),
        json!({"token": other}),
        json!({"token": forged}),
        json!({"token": ""}),
        json!({"connID": ""}),
        json!({"connID": "nobody's"}),
        json!({"connID": "00112233445566778899aabbccddeeff"}),
        json!({"token": "", "connID": ""}),
        json!({"token": all.token(0), "connID": ""}),
        json!({"token": "", "connID": all.connection(0)}),
    ] {
        all.force(more.clone()).await?.empty().with_context(|| more.to_string())?;
    }
    all.world.expect_verdict(&other, 0, "the token of another user").await?;
    bystander.alive().await?;
    all.gone(&[]).await
}

/// A caller that lost the name must not take the whole platform.
async fn a_name_that_is_no_text_is_refused(world: World) -> Result<()> {
    let mut all = Logins::gather(world).await?;
    for name in ["token", "connID"] {
        for value in [json!(null), json!(7), json!([all.token(0)]), json!({})] {
            same(
                all.force(json!({name: value})).await?.code()?,
                1001,
                &format!("errCode for {name} {value}"),
            )?;
        }
    }
    all.gone(&[]).await
}
