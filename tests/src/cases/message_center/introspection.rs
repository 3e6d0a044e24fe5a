//! Opaque tokens that an issuer knows (RFC 7662); the suite plays the issuer.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    cases::{Case, cases},
    check::{holds, same},
    console::{
        api::{AGENT, Api, LIST, SOCKET},
        issuer::{Behavior, Issuer, basic, user_claims},
        reply::Reply,
    },
    world::{World, unix_time},
    ws::{Handshake, Opening},
};

pub(super) fn cases() -> Vec<Case> {
    cases![Introspection, "introspection":
        the_issuer_is_asked_as_documented,
        claims_decide_what_a_token_may_do,
        an_active_answer_is_kept_for_a_while_and_no_longer,
        an_inactive_answer_is_kept_for_five_seconds,
        an_answer_is_not_kept_beyond_its_end,
        a_token_that_has_ended_is_refused,
        an_issuer_that_cannot_be_asked_is_our_trouble,
        an_issuer_that_is_back_is_believed_at_once,
        an_issuer_that_takes_its_time_is_waited_for,
        an_issuer_that_never_answers_is_given_up within 60,
        an_order_covers_a_token_that_is_in_the_cache,
        a_token_issued_after_the_order_is_accepted,
        a_token_that_an_order_took_stays_dead_when_a_later_one_spares_its_user,
        a_personal_access_token_does_not_inherit_the_right,
        a_personal_access_token_is_not_covered,
        static_tokens_do_not_ask_the_issuer,
        a_socket_takes_its_name_from_the_claims,
        a_socket_ends_with_its_token,
        a_token_of_nobody_cannot_connect,
        claims_tell_who_is_in_a_department,
        an_order_reaches_a_user_whom_nobody_has_seen,
        an_order_to_a_tenant_reaches_a_user_whom_nobody_has_seen,
        what_an_order_to_a_tenant_took_stays_taken_when_the_user_moves_to_another,
    ]
}

/// The allowed distance between the clocks of suite and server, with the rounding of times to seconds.
const CLOCKS: Duration = Duration::from_secs(1);

/// A token of the case that the issuer knows.
struct Token {
    api: Api,
    text: String,
    user: i64,
    tenant: i64,
}

impl Token {
    /// A token with these claims beside the usual ones; `user` is one that no static token has.
    fn of(api: &Api, user: i64, extra: &Value) -> Result<Self> {
        let text = format!("opaque-{}-{}", api.fixture().token("x"), api.world().next_number());
        api.world().forbid(&text);
        let (user, tenant) = (api.fixture().user(user), api.fixture().tenant(1));
        let token = Self { api: api.clone(), text, user, tenant };
        token.activates(extra)?;
        Ok(token)
    }

    fn issuer(&self) -> Result<&Issuer> {
        self.api.world().issuer()
    }

    fn activates(&self, extra: &Value) -> Result<()> {
        self.issuer()?.activates(&self.text, user_claims(self.user, self.tenant, extra));
        Ok(())
    }

    fn behaves(&self, behavior: Behavior) -> Result<()> {
        self.issuer()?.behaves(&self.text, behavior);
        Ok(())
    }

    fn asked(&self) -> Result<usize> {
        Ok(self.issuer()?.asked(&self.text).len())
    }

    async fn get(&self, target: &str) -> Result<Reply> {
        self.api.ask(&self.api.request("GET", target, &self.text)).await
    }

    fn handshake(&self) -> Handshake {
        Handshake::empty().path(SOCKET).set("access_token", &self.text).header("User-Agent", AGENT)
    }

    /// The same, without a record: how often it is asked depends on the clock.
    fn unrecorded(&self) -> Self {
        Self { api: self.api.unrecorded(), text: self.text.clone(), ..*self }
    }

    /// Asks for the list until the answer has this status, which every question has that is sent after `latest`.
    async fn until(&self, status: u16, latest: Instant) -> Result<()> {
        let quiet = self.unrecorded();
        loop {
            let sent = Instant::now();
            let reply = quiet.get(LIST).await?;
            if reply.response.status == status {
                return Ok(());
            }
            holds(sent < latest, || {
                format!("still {} {:?} later than it may be", reply.response.status, sent - latest)
            })?;
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn administrator() -> Value {
    json!({"principal": {"sys_admin": true}})
}

async fn the_issuer_is_asked_as_documented(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = Token::of(&api, 501, &administrator())?;
    let request = api.request("GET", LIST, &token.text).header("XC-Request-Id", "asked-by-the-console");
    same(api.ask(&request).await?.page()?.total, 5, "records")?;
    let questions = token.issuer()?.asked(&token.text);
    same(questions.len(), 1, "questions")?;
    let question = questions.first().context("no question")?;
    same(
        (question.method.as_str(), question.target.as_str()),
        ("POST", "/oauth2/introspect"),
        "method and target",
    )?;
    let introspection = world.settings().introspection.as_ref().context("no introspection")?;
    same(question.value("authorization"), Some(basic(introspection).as_str()), "Authorization")?;
    same(question.value("accept"), Some("application/json"), "Accept")?;
    let kind = question.value("content-type").unwrap_or_default();
    same(kind.split(';').next(), Some("application/x-www-form-urlencoded"), "Content-Type")?;
    let id = question.value("xc-request-id").or(question.value("x-request-id"));
    same(id, Some("asked-by-the-console"), "the request id")
}

async fn claims_decide_what_a_token_may_do(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (extra, reads) in [
        (administrator(), true),
        (json!({"permissions": ["OnlineUser"]}), true),
        (json!({"permissions": ["message:center:online:list"]}), true),
        (json!({"permissions": ["SignOut"]}), false),
        (json!({}), false),
        (json!({"scope": "OnlineUser"}), false),
        (json!({"principal": {"permissions": ["OnlineUser"]}}), false),
    ] {
        let token = Token::of(&api, 502, &extra)?;
        let reply = token.get(LIST).await?;
        if reads { same(reply.page()?.total, 5, "records")? } else { reply.refused(403, "forbidden")? }
    }
    // The tenant is the token's.
    let mut token = Token::of(&api, 503, &administrator())?;
    token.tenant = api.fixture().tenant(2);
    token.activates(&administrator())?;
    same(
        token.get(LIST).await?.page()?.ids(),
        vec![api.fixture().record(9006).to_string()],
        "records of tenant 2",
    )?;
    // And the operator's client may name another.
    let operator = Token::of(&api, 504, &json!({"client_id": "xcan_op", "principal": {"sys_admin": true}}))?;
    let request = api.request("GET", LIST, &operator.text);
    let request = request.header("XC-Opt-Tenant-Id", &api.fixture().tenant(2).to_string());
    same(api.ask(&request).await?.page()?.total, 1, "records of tenant 2")
}

async fn an_active_answer_is_kept_for_a_while_and_no_longer(world: World) -> Result<()> {
    let api = Api::with_fixture(&world.at_one_server()).await?;
    let token = Token::of(&api, 501, &administrator())?;
    for _ in 0..5 {
        token.get(LIST).await?.page()?;
    }
    same(token.asked()?, 1, "questions about five requests")?;
    token.issuer()?.deactivates(&token.text);
    let seconds = world.settings().introspection.as_ref().context("no introspection")?.cache_seconds;
    let kept = Duration::from_secs(seconds.try_into()?);
    token.until(401, Instant::now() + kept + CLOCKS).await?;
    token.get(LIST).await?.unauthorized("invalid_token")
}

async fn an_inactive_answer_is_kept_for_five_seconds(world: World) -> Result<()> {
    let api = Api::with_fixture(&world.at_one_server()).await?;
    let token = Token::of(&api, 501, &administrator())?;
    token.issuer()?.deactivates(&token.text);
    for _ in 0..3 {
        token.get(LIST).await?.unauthorized("invalid_token")?;
    }
    same(token.asked()?, 1, "questions about three requests")?;
    token.activates(&administrator())?;
    token.get(LIST).await?.unauthorized("invalid_token")?;
    token.until(200, Instant::now() + Duration::from_secs(5) + CLOCKS).await
}

async fn an_answer_is_not_kept_beyond_its_end(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    // The answer is asked for again at 4 s, and what is then kept for 4 s would be kept beyond this end.
    let extra = json!({"exp": unix_time() + 5, "principal": {"sys_admin": true}});
    let token = Token::of(&api, 501, &extra)?;
    let end = Instant::now() + Duration::from_secs(5);
    token.get(LIST).await?.page()?;
    token.until(401, end + CLOCKS / 2).await
}

async fn a_token_that_has_ended_is_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let extra = json!({"exp": unix_time() - 1, "principal": {"sys_admin": true}});
    let token = Token::of(&api, 501, &extra)?;
    token.get(LIST).await?.unauthorized("invalid_token")?;
    api.shut_out(&token.handshake(), "invalid_token").await
}

/// Never 401: the console would log out.
async fn an_issuer_that_cannot_be_asked_is_our_trouble(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for behavior in [Behavior::Disconnecting, Behavior::Failing, Behavior::Unauthorized, Behavior::Malformed]
    {
        let token = Token::of(&api, 501, &administrator())?;
        token.behaves(behavior)?;
        let reply = token.get(LIST).await?;
        reply.refused(503, "introspection_unavailable").with_context(|| format!("{behavior:?}"))?;
        same(reply.response.header("retry-after").as_deref(), Some("1"), "Retry-After")?;
        match world.try_upgrade(&token.handshake()).await? {
            Opening::Refused(response) => api.reply(response).refused(503, "introspection_unavailable")?,
            Opening::Upgraded(_) => anyhow::bail!("the connection was upgraded"),
        }
    }
    Ok(())
}

async fn an_issuer_that_is_back_is_believed_at_once(world: World) -> Result<()> {
    let api = Api::with_fixture(&world.at_one_server()).await?;
    let token = Token::of(&api, 501, &administrator())?;
    token.behaves(Behavior::Failing)?;
    token.get(LIST).await?.refused(503, "introspection_unavailable")?;
    token.behaves(Behavior::Healthy)?;
    same(token.get(LIST).await?.page()?.total, 5, "records")?;
    // What is in the cache does not need the issuer.
    token.behaves(Behavior::Disconnecting)?;
    same(token.get(LIST).await?.page()?.total, 5, "records")
}

async fn an_issuer_that_takes_its_time_is_waited_for(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = Token::of(&api, 501, &administrator())?;
    token.behaves(Behavior::Slow(700))?;
    same(token.get(LIST).await?.page()?.total, 5, "records")
}

async fn an_issuer_that_never_answers_is_given_up(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = Token::of(&api, 501, &administrator())?;
    token.behaves(Behavior::Slow(600_000))?;
    let reply = token.get(LIST).await?;
    reply.refused(503, "introspection_unavailable")?;
    // Other requests are answered meanwhile.
    api.list("admin-t1", "").await.map(drop)
}

async fn an_order_covers_a_token_that_is_in_the_cache(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let extra = json!({"iat": unix_time() - 60, "exp": unix_time() + 3600, "permissions": ["OnlineUser"]});
    let token = Token::of(&api, 501, &extra)?;
    let timeless = Token::of(&api, 501, &json!({"permissions": ["OnlineUser"]}))?;
    let mut socket = world.upgraded(&token.handshake()).await?;
    api.until_online(token.user, &["unknown"]).await?;
    timeless.get(LIST).await?.page()?;
    api.take_off("admin-t1", "USER", &[token.user]).await?;
    for token in [&token, &timeless] {
        token.get(LIST).await?.unauthorized("invalid_token")?;
        api.shut_out(&token.handshake(), "invalid_token").await?;
    }
    api.forced_off(&mut socket, "USER", &[token.user]).await
}

async fn a_token_issued_after_the_order_is_accepted(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let old = Token::of(&api, 501, &json!({"iat": unix_time() - 60, "permissions": ["OnlineUser"]}))?;
    // The server knows the tenant of a user that it has seen: the one that the issuer named last.
    let socket = world.upgraded(&old.handshake()).await?;
    api.until_online(old.user, &["unknown"]).await?;
    api.take_off("admin-t1", "USER", &[old.user]).await?;
    drop(socket);
    let new = Token::of(&api, 501, &json!({"iat": unix_time() + 1, "permissions": ["OnlineUser"]}))?;
    new.get(LIST).await?.page()?;
    let mut socket = world.upgraded(&new.handshake()).await?;
    socket.control_ping(b"in").await?;
    old.get(LIST).await?.unauthorized("invalid_token")
}

/// A tenant has one mark, and the later one exempts its caller: from itself, not from the earlier one.
async fn a_token_that_an_order_took_stays_dead_when_a_later_one_spares_its_user(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let ids = [api.fixture().tenant(1)];
    let old = Token::of(&api, 501, &json!({"iat": unix_time() - 60, "principal": {"sys_admin": true}}))?;
    old.get(LIST).await?.page()?;
    api.take_off("admin-t1", "TENANT", &ids).await?;
    old.get(LIST).await?.unauthorized("invalid_token")?;
    let new = Token::of(&api, 501, &json!({"iat": unix_time() + 2, "principal": {"sys_admin": true}}))?;
    new.get(LIST).await?.page()?;
    let order = json!({"receiveObjectType": "TENANT", "receiveObjectIds": ids}).to_string();
    api.off_text(&new.text, &order).await?.empty()?;
    new.get(LIST).await?.page()?;
    old.get(LIST).await?.unauthorized("invalid_token")?;
    api.shut_out(&old.handshake(), "invalid_token").await
}

async fn a_personal_access_token_does_not_inherit_the_right(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let personal = json!({"principal": {"sys_admin": true, "user_token": true}});
    Token::of(&api, 501, &personal)?.get(LIST).await?.refused(403, "forbidden")?;
    let listed = json!({"permissions": ["OnlineUser"], "principal": {"user_token": true}});
    same(Token::of(&api, 501, &listed)?.get(LIST).await?.page()?.total, 5, "records")
}

async fn a_personal_access_token_is_not_covered(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let listed =
        json!({"iat": unix_time() - 60, "permissions": ["OnlineUser"], "principal": {"user_token": true}});
    let personal = Token::of(&api, 501, &listed)?;
    let usual = Token::of(&api, 501, &json!({"iat": unix_time() - 60, "permissions": ["OnlineUser"]}))?;
    let mut socket = world.upgraded(&usual.handshake()).await?;
    api.until_online(usual.user, &["unknown"]).await?;
    personal.get(LIST).await?.page()?;
    api.take_off("admin-t1", "USER", &[usual.user]).await?;
    api.forced_off(&mut socket, "USER", &[usual.user]).await?;
    usual.get(LIST).await?.unauthorized("invalid_token")?;
    personal.get(LIST).await?.page().map(drop)
}

async fn static_tokens_do_not_ask_the_issuer(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    api.list("admin-t1", "").await?;
    let token = api.bearer("admin-t1");
    same(world.issuer()?.asked(&token).len(), 0, "questions about a static token")?;
    let admin = world.admin_token().await?;
    api.ask(&api.request("GET", LIST, &admin)).await?.page()?;
    same(world.issuer()?.asked(&admin).len(), 0, "questions about an administrator's token")?;
    // Without a token there is nothing to ask.
    api.ask(&crate::http::Request::new("GET", LIST)).await?.unauthorized("unauthorized")
}

async fn a_socket_takes_its_name_from_the_claims(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = Token::of(&api, 501, &json!({}))?;
    let mut socket = world.upgraded(&token.handshake().set("deviceId", "claimed")).await?;
    api.until_online(token.user, &["claimed"]).await?;
    socket.control_ping(b"in").await?;
    let record = api.detail("admin-t1", token.user).await?.record()?;
    same(record.full_name, format!("Introspected {}", token.user), "fullName")?;
    same((record.user_agent.as_str(), record.avatar), (AGENT, None), "userAgent and avatar")
}

async fn a_socket_ends_with_its_token(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = Token::of(&api, 501, &json!({"exp": unix_time() + 6}))?;
    let other = Token::of(&api, 501, &json!({"exp": unix_time() + 3600}))?;
    let mut socket = world.upgraded(&token.handshake().set("deviceId", "short")).await?;
    let mut long = world.upgraded(&other.handshake().set("deviceId", "long")).await?;
    api.until_online(token.user, &["short", "long"]).await?;
    same(socket.closed(4001).await?.as_str(), "token_expired", "the reason of the Close frame")?;
    api.until_online(token.user, &["long"]).await?;
    long.control_ping(b"still").await
}

async fn a_token_of_nobody_cannot_connect(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let client = json!({"grant_type": "client_credentials", "principal": {"id": null, "username": null}});
    let homeless = json!({"principal": {"tenant_id": null}});
    for extra in [client, homeless] {
        let token = Token::of(&api, 501, &extra)?;
        match world.try_upgrade(&token.handshake()).await? {
            Opening::Refused(response) => {
                same(matches!(response.status, 401 | 403), true, &format!("{} refuses", response.status))?;
            }
            Opening::Upgraded(_) => anyhow::bail!("the connection was upgraded"),
        }
    }
    Ok(())
}

async fn claims_tell_who_is_in_a_department(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let department = api.fixture().circle(77);
    let claims =
        json!({"principal": {"dept_ids": [department.to_string()]}, "dept_ids": [department.to_string()]});
    let (inside, outside) = (Token::of(&api, 501, &claims)?, Token::of(&api, 502, &json!({}))?);
    let mut member = world.upgraded(&inside.handshake()).await?;
    let mut other = world.upgraded(&outside.handshake()).await?;
    api.until_online(inside.user, &["unknown"]).await?;
    api.until_online(outside.user, &["unknown"]).await?;
    api.take_off("admin-t1", "DEPT", &[department]).await?;
    api.all_gone("admin-t1", &[inside.user]).await?;
    api.forced_off(&mut member, "DEPT", &[department]).await?;
    inside.get(LIST).await?.unauthorized("invalid_token")?;
    other.control_ping(b"still").await
}

/// The order comes first, and tells the server nothing of the user's tenant; the token was issued before it.
async fn an_order_reaches_a_user_whom_nobody_has_seen(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let token = |iat: i64| Token::of(&api, 503, &json!({"iat": iat, "permissions": ["OnlineUser"]}));
    let (old, new) = (token(unix_time() - 60)?, token(unix_time() + 2)?);
    api.take_off("admin-t1", "USER", &[old.user]).await?;
    old.get(LIST).await?.unauthorized("invalid_token")?;
    api.shut_out(&old.handshake(), "invalid_token").await?;
    new.get(LIST).await?.page().map(drop)
}

async fn an_order_to_a_tenant_reaches_a_user_whom_nobody_has_seen(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let old = |user| Token::of(&api, user, &json!({"iat": unix_time() - 60, "permissions": ["OnlineUser"]}));
    let (asking, connecting) = (old(504)?, old(505)?);
    api.take_off("admin-t1", "TENANT", &[api.fixture().tenant(1)]).await?;
    asking.get(LIST).await?.unauthorized("invalid_token")?;
    api.shut_out(&connecting.handshake(), "invalid_token").await
}

/// OpenIM's token names no tenant: it is under the orders to the tenant that the issuer named last.
async fn what_an_order_to_a_tenant_took_stays_taken_when_the_user_moves_to_another(
    world: World,
) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let claims = |iat: i64| json!({"iat": iat, "permissions": ["OnlineUser"]});
    let home = Token::of(&api, 506, &claims(unix_time() - 60))?;
    home.get(LIST).await?.page()?;
    let user = home.user.to_string();
    let taken = world.issue(&user, 1).await?;
    world.expect_verdict(&taken, 0, "before the order").await?;
    api.take_off("admin-t1", "TENANT", &[api.fixture().tenant(1)]).await?;
    world.expect_verdict(&taken, 1506, "after it").await?;
    let kept = world.issue(&user, 2).await?;
    let mut moved = Token::of(&api, 506, &json!({}))?;
    moved.tenant = api.fixture().tenant(2);
    moved.activates(&claims(unix_time() + 2))?;
    moved.get(LIST).await?.page()?;
    world.expect_verdict(&taken, 1506, "after the move").await?;
    world.expect_verdict(&kept, 0, "issued after the order").await?;
    api.take_off("admin-t1", "TENANT", &[api.fixture().tenant(1)]).await?;
    world.expect_verdict(&kept, 0, "after an order to the tenant that the user has left").await?;
    api.take_off("admin-t2", "TENANT", &[api.fixture().tenant(2)]).await?;
    world.expect_verdict(&kept, 1506, "after an order to the user's tenant").await
}
