//! The HTTP vectors. Tokens and connection ids are those that the server gave out.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Case, cases};
use crate::{
    answer::Answer,
    check::{same, shorten},
    http::Request,
    jwt,
    vectors::{self, Vectors},
    world::{STATUS, World},
    ws::{self, Handshake, Opening, Socket},
};

pub(super) fn cases() -> Vec<Case> {
    let list: Vec<Case> = cases![Base, "base":
        v1_status_lists_every_connection_of_a_user,
        v2_status_has_one_element_an_id_in_request_order,
        v4_a_missing_list_is_an_argument_error,
        v5_a_missing_operation_id_is_an_argument_error,
        v7_a_token_that_is_no_token_is_malformed,
        v8_an_expired_token_is_told_as_expired,
        v10_a_user_may_not_ask_for_statuses,
        v11_token_detail_leaves_offline_users_out,
        v13_token_detail_groups_by_platform,
        v15_force_logout_answers_without_data_and_kicks,
        v16_after_force_logout_the_connection_is_gone,
        v17_after_force_logout_the_token_is_kicked,
        v19_force_logout_needs_a_platform,
        v20_parse_token_tells_whose_token_it_is,
        v21_an_admin_token_is_given_for_the_secret,
        v23_no_user_token_on_the_admin_platform,
        v25_an_error_without_detail_has_the_published_form,
        v26_a_handshake_with_another_platform_is_refused,
        v28_a_handshake_without_platform_is_refused,
    ];
    list.into_iter().map(|case| case.with_literal_tokens().sharing("the published users")).collect()
}

async fn v1_status_lists_every_connection_of_a_user(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V1").await
}

async fn v2_status_has_one_element_an_id_in_request_order(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V2").await
}

async fn v4_a_missing_list_is_an_argument_error(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V4").await
}

async fn v5_a_missing_operation_id_is_an_argument_error(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V5").await
}

async fn v7_a_token_that_is_no_token_is_malformed(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V7").await
}

async fn v8_an_expired_token_is_told_as_expired(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V8").await
}

async fn v10_a_user_may_not_ask_for_statuses(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V10").await
}

async fn v11_token_detail_leaves_offline_users_out(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V11").await
}

async fn v13_token_detail_groups_by_platform(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V13").await
}

async fn v15_force_logout_answers_without_data_and_kicks(world: World) -> Result<()> {
    let mut state = StartState::build(&world).await?;
    state.play("V15").await?;
    state.socket("A")?.kicked().await?;
    for other in ["B", "C", "D"] {
        state.socket(other)?.alive().await.with_context(|| format!("connection {other}"))?;
    }
    Ok(())
}

async fn v16_after_force_logout_the_connection_is_gone(world: World) -> Result<()> {
    let state = StartState::build(&world).await?;
    state.play("V15").await?;
    state.play("V16").await
}

async fn v17_after_force_logout_the_token_is_kicked(world: World) -> Result<()> {
    let state = StartState::build(&world).await?;
    state.play("V15").await?;
    state.play("V17").await
}

async fn v19_force_logout_needs_a_platform(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V19").await
}

async fn v20_parse_token_tells_whose_token_it_is(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V20").await
}

async fn v21_an_admin_token_is_given_for_the_secret(world: World) -> Result<()> {
    let state = StartState::build(&world).await?;
    let answer = state.exchange("V21").await?;
    let token = crate::check::text_at(&answer.data()?, "/token")?;
    let claims = jwt::claims(&token)?;
    same((claims.user.as_str(), claims.platform), ("imAdmin", 10), "the token's claims")
}

async fn v23_no_user_token_on_the_admin_platform(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V23").await
}

/// No request leads to 1004 here, so what a client sees of the formatter is compared: an error without
/// detail, byte for byte, code and name put in place.
async fn v25_an_error_without_detail_has_the_published_form(world: World) -> Result<()> {
    let vectors = vectors::load()?;
    let sample = r#"{"errCode":1004,"errMsg":"RecordNotFoundError","errDlt":": [1004]RecordNotFoundError"}"#;
    let published: Value = serde_json::from_str(sample)?;
    same(&published, &vectors.exchange("V25")?.response.body, "the sample")?;
    let forged = world.forged(&world.user("a"), 2)?;
    for (token, code, name) in [
        ("abc", "1503", "TokenMalformedError"),
        (vectors.token("J3")?.as_str(), "1501", "TokenExpiredError"),
        (&forged, "1507", "TokenNotExistError"),
    ] {
        let answer = world.post_text(STATUS, Some(token), r#"{"userIDs":["x"]}"#).await?;
        let wanted = sample.replace("1004", code).replace("RecordNotFoundError", name);
        same(answer.text()?, wanted.as_str(), "the body")?;
    }
    Ok(())
}

async fn v26_a_handshake_with_another_platform_is_refused(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V26").await
}

async fn v28_a_handshake_without_platform_is_refused(world: World) -> Result<()> {
    StartState::build(&world).await?.play("V28").await
}

/// The state from which every HTTP vector starts, built through the interface.
struct StartState {
    world: World,
    vectors: Vectors,
    /// The server's tokens and connection ids, by the texts of the vectors that they replace.
    stands_for: BTreeMap<String, String>,
    expiry: i64,
    sockets: BTreeMap<&'static str, Socket>,
}

impl StartState {
    async fn build(world: &World) -> Result<Self> {
        const ONE: &str = "2890713225";
        const OTHER: &str = "2621568666";
        let vectors = vectors::load()?;
        let quiet = world.unrecorded();
        // Other cases use the same users; what they left is not part of this one.
        for (user, platform) in [(ONE, 2), (ONE, 3), (OTHER, 5)] {
            quiet.force_logout(user, platform).await?;
        }
        let mut stands_for = BTreeMap::new();
        let mut sockets = BTreeMap::new();
        stands_for.insert("<J1>".to_owned(), world.fresh_admin_token(world.admin()?).await?);
        for literal in ["J3", "J7", "J8"] {
            stands_for.insert(format!("<{literal}>"), vectors.token(literal)?);
        }
        let mut expiry = 0;
        for (name, user, platform, token, id, background) in [
            ("A", ONE, 2, "<J2>", "bbb7c4da159b1ec6beb81c9e4129b075", "false"),
            ("B", ONE, 3, "<J4>", "f18b67b5f57f01604b9f7c338238f43d", "true"),
            ("C", OTHER, 5, "<J5>", "C", "false"),
            ("D", OTHER, 5, "<J6>", "D", "false"),
        ] {
            let text = world.issue(user, platform).await?;
            let handshake = Handshake::new(user, platform, &text).set("isBackground", background);
            sockets.insert(name, world.enter(&handshake).await?);
            let status = quiet.status(user).await?;
            let mine = status.connections.iter().find(|c| c.token == text);
            let mine = mine.context("a connection just opened is not in the status")?;
            stands_for.insert(id.to_owned(), mine.id.clone());
            if token == "<J4>" {
                expiry = jwt::claims(&text)?.exp;
            }
            stands_for.insert(token.to_owned(), text);
        }
        Ok(Self { world: world.clone(), vectors, stands_for, expiry, sockets })
    }

    fn socket(&mut self, name: &str) -> Result<&mut Socket> {
        self.sockets.get_mut(name).with_context(|| format!("no connection {name}"))
    }

    /// Sends the vector's request and compares the whole answer.
    async fn play(&self, id: &str) -> Result<()> {
        self.exchange(id).await.map(drop)
    }

    async fn exchange(&self, id: &str) -> Result<Answer> {
        let vector = self.vectors.exchange(id)?;
        let asked = vector.request.as_ref().with_context(|| format!("{id} has no request"))?;
        let answer = if asked.headers.contains_key("Upgrade") {
            let request = ws::upgrade(&self.put(&asked.path), &[]);
            match self.world.try_upgrade_with(&request).await? {
                Opening::Refused(response) => Answer::new(response, self.world.settings().style),
                Opening::Upgraded(_) => bail!("{id}: the connection was upgraded"),
            }
        } else {
            let mut request = Request::new(&asked.method, &asked.path);
            for (name, value) in &asked.headers {
                request = request.header(name, &self.put(value));
            }
            let body = asked.body.as_deref().map(|body| self.put(body));
            self.world.send(&request.body(body.unwrap_or_default())).await?
        };
        answer.envelope_with(vector.response.status)?;
        let got = answer.json()?;
        if !self.fits(&vector.response.body, &got) {
            bail!("{id}: expected {}, got {}", vector.response.body, shorten(&got.to_string()));
        }
        Ok(answer)
    }

    /// A text of the vectors with everything in place that the server gave out.
    fn put(&self, text: &str) -> String {
        self.stands_for.iter().fold(text.to_owned(), |text, (from, to)| match from.starts_with('<') {
            true => text.replace(from, to),
            false => text,
        })
    }

    fn fits(&self, wanted: &Value, got: &Value) -> bool {
        match (wanted, got) {
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| self.fits(v, w)))
            }
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(v, w)| self.fits(v, w))
            }
            (Value::String(text), Value::String(_)) if text == "<any>" => true,
            (Value::String(text), Value::String(got)) => self.stands_for.get(text).unwrap_or(text) == got,
            // The vectors' tokens live until 2100; those of a server have their own end.
            (Value::Number(n), Value::Number(_)) if n.as_i64() == Some(4_102_444_800) => {
                got.as_i64() == Some(self.expiry)
            }
            _ => wanted == got,
        }
    }
}
