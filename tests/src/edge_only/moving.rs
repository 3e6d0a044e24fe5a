//! A population that moves from one runtime to the other and back, by the commands of the shell.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use super::setup::Setup;
use crate::{
    check::{holds, same},
    console::fixture::sha256,
    http::Request,
    jwt,
    settings::{Settings, StaticToken},
    subject::{Launch, Subject},
    transcript::Recorder,
    world::{Shared, World, unix_time},
};

/// Has records.
pub(super) const NUMBER: &str = "1000000000000031";
/// Has none: its name is no number.
const NAMED: &str = "moving-alice";
/// Has an account and nothing else.
const REGISTERED: &str = "moving-bob";
/// Users of a tenant with an order, who hold opaque tokens alone.
const OUTSIDE: [(&str, i64); 3] =
    [("moving-cut-off", 9_000_031), ("moving-unlocked", 9_000_032), ("moving-forced-off", 9_000_033)];
const TENANT: i64 = 9_000_003;
const LIST: &str = "/api/v1/message/center/online";

pub(super) fn settings() -> Settings {
    let token = |(text, user): (&str, i64)| StaticToken {
        sha256: sha256(text),
        user_id: user,
        tenant_id: TENANT,
        active: true,
        ..StaticToken::default()
    };
    Settings {
        secret: Some("the secret that both of the servers have".to_owned()),
        tokens: OUTSIDE.into_iter().map(token).collect(),
        ..Settings::default()
    }
}

/// A server of either runtime.
struct Server {
    subject: Subject,
    world: World,
}

impl Server {
    fn of(subject: Subject) -> Self {
        let shared = Arc::new(Shared::new(subject.address, subject.kind, settings()));
        Self { world: World::new(shared, "moving", Recorder::silent()), subject }
    }

    async fn origin(setup: &Setup) -> Result<Self> {
        let binary = setup.origin().canonicalize().context("no program of the origin")?;
        Ok(Self::of(Subject::start(&Launch::Origin(binary), &settings()).await?))
    }

    async fn edge(setup: &Setup) -> Result<Self> {
        Ok(Self::of(Subject::resume(setup.command(), &settings(), &[], setup.home()).await?))
    }

    async fn stop(mut self) -> Result<()> {
        self.subject.stop().await.map(drop)
    }

    /// A command of the shell against this server.
    async fn shell(&self, setup: &Setup, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let output = Command::new(setup.origin().canonicalize()?)
            .args(arguments)
            .env("ROLLCALL_URL", format!("http://{}", self.world.address()))
            .env("ROLLCALL_TOKEN", self.world.admin_token().await?)
            .current_dir(setup.home())
            .stdin(Stdio::null())
            .output()
            .await?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), said))
    }

    async fn export(&self, setup: &Setup, name: &str) -> Result<PathBuf> {
        let tenant = TENANT.to_string();
        let arguments = ["export", name, "--users", "ids.txt", "--tenant", "0", "--tenant", &tenant];
        let (code, said) = self.shell(setup, &arguments).await?;
        same(code, Some(0), &said)?;
        Ok(setup.home().join(name))
    }

    async fn import(&self, setup: &Setup, file: &Path) -> Result<()> {
        let file = file.to_str().context("no text")?;
        for _ in 0..2 {
            let (code, said) = self.shell(setup, &["import", file]).await?;
            same(code, Some(0), &said)?;
        }
        Ok(())
    }
}

/// Tokens, each with what it is about.
pub(super) type Tokens = Vec<(String, String)>;

/// Something of everything that moves.
pub(super) async fn populate(world: &World) -> Result<Tokens> {
    let mut tokens = Tokens::new();
    for user in [NUMBER, NAMED] {
        let (valid, socket) = world.login(user, 5).await?;
        socket.close().await?;
        world.until_platforms(user, &[]).await?;
        let (kicked, mut socket) = world.login(user, 2).await?;
        world.force_logout(user, 2).await?;
        socket.kicked().await?;
        tokens.extend([("valid".to_owned(), valid), ("kicked".to_owned(), kicked)]);
    }
    let mut claims = world.claims(NUMBER, 5);
    (claims.iat, claims.nbf, claims.exp) = (unix_time() - 900, unix_time() - 900, unix_time() - 600);
    tokens.push(("expired".to_owned(), jwt::mint(&claims.to_text(), world.secret()?)?));
    tokens.push(("never issued".to_owned(), world.forged(NUMBER, 3)?));
    let users =
        json!({"users": [{"userID": REGISTERED, "nickname": "Bob", "faceURL": "https://b.example/1"}]});
    world.as_admin("/user/user_register", &users).await?.empty()?;
    // An order to the tenant; then one user is unlocked, and another one forced off.
    order(world, &json!({"receiveObjectType": "TENANT", "receiveObjectIds": [TENANT]})).await?;
    let [_, (_, unlocked), (_, forced_off)] = OUTSIDE;
    for user in [unlocked, forced_off] {
        let path = format!("/admin/v1/users/{user}/unlock");
        let answer = world.send(&bearer("POST", &path, &world.admin_token().await?)).await?;
        same(answer.json()?, json!({"unlocked": true}), "the unlock")?;
    }
    order(world, &json!({"receiveObjectType": "USER", "receiveObjectIds": [forced_off]})).await?;
    Ok(tokens)
}

fn bearer(method: &str, path: &str, token: &str) -> Request {
    Request::new(method, path).header("Authorization", &format!("Bearer {token}"))
}

async fn order(world: &World, body: &Value) -> Result<()> {
    let request = bearer("POST", &format!("{LIST}/off"), &world.admin_token().await?)
        .header("XC-Opt-Tenant-Id", &TENANT.to_string())
        .header("Content-Type", "application/json")
        .body(body.to_string());
    let answer = world.send(&request).await?;
    same(answer.response.status, 200, &String::from_utf8_lossy(&answer.response.body))
}

/// What a server says of it all.
pub(super) async fn observe(world: &World, tokens: &Tokens) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for (what, token) in tokens {
        seen.push(format!("{what} {}", world.verdict(token).await?));
    }
    for (text, user) in OUTSIDE {
        let answer = world.send(&bearer("GET", &format!("{LIST}/{user}"), text)).await?;
        seen.push(format!("{text} {}", answer.response.status));
    }
    let listed = world.send(&bearer("GET", LIST, &world.admin_token().await?)).await?.json()?;
    seen.push(format!("records {}", listed.pointer("/data").context("no list")?));
    let users = json!({"userIDs": [REGISTERED]});
    seen.push(world.as_admin("/user/get_users_info", &users).await?.data()?.to_string());
    Ok(seen)
}

/// The lines of an export that are the same wherever they come from, and not those of administrators, who got tokens since.
fn lines(file: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(file)?;
    same(text.lines().last(), Some(r#"{"type":"end"}"#), "the last line")?;
    let is_mark = |line: &str| {
        ["page", "population", "end"].iter().any(|kind| line.starts_with(&format!(r#"{{"type":"{kind}""#)))
    };
    let kept = text.lines().filter(|line| !is_mark(line) && !line.contains("imAdmin"));
    Ok(kept.map(str::to_owned).collect())
}

pub(super) async fn a_population_moves_to_the_edge_and_back(setup: Setup) -> Result<String> {
    let ids: Vec<String> = [NUMBER, NAMED, REGISTERED]
        .into_iter()
        .map(str::to_owned)
        .chain(OUTSIDE.iter().map(|(_, user)| user.to_string()))
        .collect();
    fs::write(setup.home().join("ids.txt"), ids.join("\n"))?;

    let origin = Server::origin(&setup).await?;
    let tokens = populate(&origin.world).await?;
    let before = observe(&origin.world, &tokens).await?;
    let wanted = ["valid 0", "kicked 1506", "valid 0", "kicked 1506", "expired 1501", "never issued 1507"]
        .map(str::to_owned);
    same(before.get(..wanted.len()), Some(wanted.as_slice()), "the tokens")?;
    for (text, status) in
        [("moving-cut-off", "401"), ("moving-forced-off", "401"), ("moving-unlocked", "404")]
    {
        holds(before.contains(&format!("{text} {status}")), || format!("{text}: {before:?}"))?;
    }
    let first = origin.export(&setup, "first.ndjson").await?;
    origin.stop().await?;

    let edge = Server::edge(&setup).await?;
    edge.import(&setup, &first).await?;
    same(&observe(&edge.world, &tokens).await?, &before, "at the edge")?;
    let second = edge.export(&setup, "second.ndjson").await?;
    same(lines(&second)?, lines(&first)?, "the lines of the edge's export")?;
    edge.stop().await?;

    let back = Server::origin(&setup).await?;
    back.import(&setup, &second).await?;
    same(&observe(&back.world, &tokens).await?, &before, "back at the origin")?;
    // A client comes back with the token that it had, and a kicked one does not.
    let [(_, valid), (_, kicked), ..] = tokens.as_slice() else { bail!("no tokens") };
    back.world.open(NUMBER, 5, valid).await?.close().await?;
    holds(back.world.open(NUMBER, 2, kicked).await.is_err(), || "a kicked token opened a socket".to_owned())?;
    interrupted(&setup, &back, &second).await?;
    back.stop().await?;
    Ok(format!("{} lines, {} tokens", lines(&second)?.len(), tokens.len()))
}

/// An export that broke off goes on behind its last whole page, and a file without its end is imported and said to be a part.
async fn interrupted(setup: &Setup, server: &Server, whole: &Path) -> Result<()> {
    let text = fs::read_to_string(whole)?;
    let page = text.find("{\"type\":\"page\"").context("no page")?;
    let end = page + text.get(page..).and_then(|rest| rest.find('\n')).context("no end of a page")? + 1;
    let part = setup.home().join("part.ndjson");
    fs::write(&part, format!("{}{}", text.get(..end).unwrap_or_default(), "{\"type\":\"user\",\"us"))?;
    let (code, said) = server.shell(setup, &["import", "part.ndjson"]).await?;
    same(code, Some(4), &said)?;
    // The file's cursor is the edge's, and says so.
    let (code, said) = server.shell(setup, &["export", "part.ndjson", "--resume"]).await?;
    same(code, Some(1), &said)?;
    let (code, said) = server.shell(setup, &["export", "own.ndjson"]).await?;
    same(code, Some(0), &said)?;
    let own = setup.home().join("own.ndjson");
    let text = fs::read_to_string(&own)?;
    let end = text.find("{\"type\":\"page\"").and_then(|page| Some(page + text.get(page..)?.find('\n')? + 1));
    fs::write(&own, format!("{}{{\"type\"", text.get(..end.context("no page")?).unwrap_or_default()))?;
    let (code, said) = server.shell(setup, &["export", "own.ndjson", "--resume"]).await?;
    same(code, Some(0), &said)?;
    same(fs::read_to_string(&own)?, text, "the file that was gone on with")
}
