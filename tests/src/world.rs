//! The view that a case has of a subject: its configuration, and a method for each route and frame of the documents.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use crate::{
    answer::{Answer, Envelope},
    check::{same, text_at},
    console::issuer::Issuer,
    http::{Connection, Request, Response},
    jwt,
    leak::Forbidden,
    mask,
    settings::{Settings, Style},
    subject::Kind,
    transcript::Recorder,
    ws::{self, CONNECTED, Event, Handshake, Opening, Socket},
};

/// The status query.
pub const STATUS: &str = "/user/get_users_online_status";
/// The token query.
pub const DETAIL: &str = "/user/get_users_online_token_detail";
/// The status query that is open to every user.
pub const PLAIN_STATUS: &str = "/user/get_users_status";
/// Issues an administrator's token for the secret.
pub const ADMIN_TOKEN: &str = "/auth/get_admin_token";
/// Issues a user's token.
pub const USER_TOKEN: &str = "/auth/get_user_token";
/// Verifies a token.
pub const PARSE_TOKEN: &str = "/auth/parse_token";
/// Kicks a user's platform.
pub const FORCE_LOGOUT: &str = "/auth/force_logout";

/// One element of a status answer, with exactly the documented fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserStatus {
    /// The user.
    #[serde(rename = "userID")]
    pub user: String,
    /// 1 online, 0 not.
    pub status: i64,
    /// One element a live connection.
    #[serde(rename = "detailPlatformStatus")]
    pub connections: Vec<ConnectionStatus>,
}

/// One live connection in a status answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionStatus {
    /// Its platform.
    #[serde(rename = "platformID")]
    pub platform: i64,
    /// Its id.
    #[serde(rename = "connID")]
    pub id: String,
    /// Whether the app is in the background.
    #[serde(rename = "isBackground")]
    pub background: bool,
    /// The token it was opened with.
    pub token: String,
}

/// One element of a token detail answer, with exactly the documented fields.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserTokens {
    /// The user.
    #[serde(rename = "userID")]
    pub user: String,
    /// Always 1: offline users are left out.
    pub status: i64,
    /// One element a platform.
    #[serde(rename = "singlePlatformToken")]
    pub platforms: Vec<PlatformTokens>,
}

/// One platform in a token detail answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformTokens {
    /// The platform.
    #[serde(rename = "platformID")]
    pub platform: i64,
    /// The number of its connections.
    pub total: i64,
    /// Their tokens, in connect order.
    #[serde(rename = "token")]
    pub tokens: Vec<String>,
}

/// How often a query is asked again at least before it counts as never showing what it should: on a busy machine the
/// server is slow, and so is each answer.
const QUERIES: usize = 20;
/// The longest pause between two queries.
const PAUSE: Duration = Duration::from_millis(50);

/// State that all cases of one subject share.
#[derive(Debug)]
pub struct Shared {
    /// The subject's address.
    pub address: SocketAddr,
    /// Its kind.
    pub kind: Kind,
    /// The address of one of its servers, where it consists of several.
    pub one: SocketAddr,
    /// Its configuration.
    pub settings: Settings,
    /// Precedes the user ids of a run against a server that has seen runs before.
    pub run: String,
    /// Everything that must not be found in a log.
    pub forbidden: Mutex<Forbidden>,
    /// The issuer that the subject asks about opaque tokens, if the suite plays it.
    pub issuer: Option<Issuer>,
    admin: OnceCell<String>,
    prepared: OnceCell<()>,
}

impl Shared {
    /// The start of a run.
    pub fn new(address: SocketAddr, kind: Kind, settings: Settings) -> Self {
        let mut forbidden = Forbidden::default();
        settings.secrets().for_each(|secret| forbidden.text(secret));
        let run = match kind {
            Kind::Running => format!("{:x}-", unix_time()),
            Kind::Origin | Kind::Edge => String::new(),
        };
        Self {
            address,
            kind,
            one: address,
            settings,
            run,
            forbidden: Mutex::new(forbidden),
            issuer: None,
            admin: OnceCell::new(),
            prepared: OnceCell::new(),
        }
    }

    /// With the address of one of its servers.
    #[must_use]
    pub const fn with_one(mut self, one: SocketAddr) -> Self {
        self.one = one;
        self
    }

    /// With an issuer that the suite plays.
    #[must_use]
    pub fn asking(mut self, issuer: Option<Issuer>) -> Self {
        self.issuer = issuer;
        self
    }
}

/// A case's view of the subject.
#[derive(Clone, Debug)]
pub struct World {
    shared: Arc<Shared>,
    is_at_one: bool,
    case: &'static str,
    recorder: Recorder,
    increments: Arc<AtomicU64>,
    figures: Arc<Mutex<Vec<String>>>,
    /// The start of the case, in seconds since 1970: equal claims make equal texts, however long it takes.
    born: i64,
}

impl World {
    /// The view of one case.
    pub fn new(shared: Arc<Shared>, case: &'static str, recorder: Recorder) -> Self {
        Self {
            shared,
            is_at_one: false,
            case,
            recorder,
            increments: Arc::default(),
            figures: Arc::default(),
            born: unix_time(),
        }
    }

    /// The same, without a record: for what is inherently a race.
    #[must_use]
    pub fn unrecorded(&self) -> Self {
        Self { recorder: Recorder::silent(), ..self.clone() }
    }

    /// The name of the case.
    pub fn case(&self) -> &'static str {
        self.case
    }

    /// The same at one server of several: for what each of them remembers by itself.
    #[must_use]
    pub fn at_one_server(&self) -> Self {
        Self { is_at_one: true, ..self.clone() }
    }

    /// The issuer that the suite plays.
    pub fn issuer(&self) -> Result<&Issuer> {
        self.shared.issuer.as_ref().context("the suite does not play the issuer of this subject")
    }

    /// Prepares what the cases of a subject share, unless one of them has already.
    pub async fn once(&self, preparation: impl Future<Output = Result<()>>) -> Result<()> {
        self.shared.prepared.get_or_try_init(|| preparation).await.copied()
    }

    /// The subject's configuration.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The subject's kind.
    pub fn kind(&self) -> Kind {
        self.shared.kind
    }

    /// The subject's address.
    pub fn address(&self) -> SocketAddr {
        if self.is_at_one { self.shared.one } else { self.shared.address }
    }

    /// The configured secret.
    pub fn secret(&self) -> Result<&str> {
        self.settings().secret.as_deref().context("the secret is not known")
    }

    /// The first configured administrator.
    pub fn admin(&self) -> Result<&str> {
        self.settings().admins.first().map(String::as_str).context("no administrator is configured")
    }

    /// The time that a subject may take until the end of a connection shows, if that is longer than [`QUERIES`] answers
    /// take. The promises are shorter, and have cases of their own; the bound leaves room for a busy machine.
    fn settling(&self) -> Duration {
        match self.kind() {
            Kind::Origin => Duration::from_secs(20),
            Kind::Edge | Kind::Running => Duration::from_secs(60),
        }
    }

    /// Seconds since 1970 when the case began.
    pub fn born(&self) -> i64 {
        self.born
    }

    /// A user of this case: the same in every run, another than in every other case.
    pub fn user(&self, role: &str) -> String {
        format!("{}{:08x}-{role}", self.shared.run, fnv(self.case))
    }

    /// A figure that is told with the case's result.
    pub fn figure(&self, text: String) {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// The figures of the case, for the line of its result.
    pub fn figures(&self) -> String {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if figures.is_empty() { String::new() } else { format!(" ({})", figures.join("; ")) }
    }

    /// Declares a text secret: it must not appear in any log.
    pub fn forbid(&self, text: &str) {
        self.shared.forbidden.lock().unwrap_or_else(PoisonError::into_inner).text(text);
    }

    /// Sends any request over a fresh connection.
    pub async fn send(&self, request: &Request) -> Result<Answer> {
        self.watch(&request.target);
        request.headers.iter().for_each(|(_, value)| self.watch(value));
        self.watch(&String::from_utf8_lossy(&request.body));
        let response = Connection::open(self.address()).await?.send(request).await?;
        Ok(self.noted(request, response))
    }

    /// Sends raw bytes over a fresh connection while it already waits for the answer.
    pub async fn answer_while_sending(&self, bytes: &[u8]) -> Result<Response> {
        Connection::open(self.address()).await?.answer_while_sending(bytes, "POST").await
    }

    /// Records an exchange that the case made by other means.
    pub fn noted(&self, request: &Request, response: Response) -> Answer {
        self.watch(&String::from_utf8_lossy(&response.body));
        self.recorder.exchange(request, &response, None);
        Answer::new(response, self.style())
    }

    /// A documented `POST`: both headers, or `operationID` alone.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        self.post_text(path, token, &body.to_string()).await
    }

    /// The same with a body that need not be JSON.
    pub async fn post_text(&self, path: &str, token: Option<&str>, body: &str) -> Result<Answer> {
        self.send(&post(path, token, body)).await
    }

    /// A `POST` with the administrator's token.
    pub async fn as_admin(&self, path: &str, body: &Value) -> Result<Answer> {
        let token = self.admin_token().await?;
        self.post(path, Some(&token), body).await
    }

    /// The administrator's token, asked for once a subject.
    pub async fn admin_token(&self) -> Result<String> {
        let fresh = || async { self.unrecorded().fresh_admin_token(self.admin()?).await };
        self.shared.admin.get_or_try_init(fresh).await.cloned()
    }

    /// Another token of an administrator.
    pub async fn fresh_admin_token(&self, admin: &str) -> Result<String> {
        let body = json!({"secret": self.secret()?, "userID": admin});
        let answer = self.post(ADMIN_TOKEN, None, &body).await?;
        text_at(&answer.data().context(ADMIN_TOKEN)?, "/token")
    }

    /// A new token of a user.
    pub async fn issue(&self, user: &str, platform: i64) -> Result<String> {
        let answer = self.as_admin(USER_TOKEN, &json!({"userID": user, "platformID": platform})).await?;
        text_at(&answer.data().context(USER_TOKEN)?, "/token")
    }

    /// The answer of `parse_token`: 0, or the code that refuses the token.
    pub async fn verdict(&self, token: &str) -> Result<i64> {
        self.post(PARSE_TOKEN, None, &json!({"token": token})).await?.code()
    }

    /// Fails unless the token is accepted or refused as stated.
    pub async fn expect_verdict(&self, token: &str, code: i64, what: &str) -> Result<()> {
        same(self.verdict(token).await?, code, &format!("the verdict on {what}"))
    }

    /// Kicks a user's platform.
    pub async fn force_logout(&self, user: &str, platform: i64) -> Result<()> {
        let answer = self.as_admin(FORCE_LOGOUT, &json!({"userID": user, "platformID": platform})).await?;
        answer.empty().context(FORCE_LOGOUT)
    }

    /// The status of several users.
    pub async fn statuses(&self, users: &[&str]) -> Result<Vec<UserStatus>> {
        let data = self.as_admin(STATUS, &json!({"userIDs": users})).await?.data()?;
        serde_json::from_value(data).context("the shape of a status answer")
    }

    /// The status of one user; `status` is checked against the connections.
    pub async fn status(&self, user: &str) -> Result<UserStatus> {
        let mut all = self.statuses(&[user]).await?;
        let status = all.pop().filter(|_| all.is_empty()).context("not one element")?;
        same(status.user.as_str(), user, "userID")?;
        same(status.status, i64::from(!status.connections.is_empty()), "status against connections")?;
        Ok(status)
    }

    /// The platforms of a user's connections, in the order in which the status answer has them.
    pub async fn platforms(&self, user: &str) -> Result<Vec<i64>> {
        Ok(self.status(user).await?.connections.iter().map(|c| c.platform).collect())
    }

    /// The tokens of several users.
    pub async fn details(&self, users: &[&str]) -> Result<Vec<UserTokens>> {
        let data = self.as_admin(DETAIL, &json!({"userIDs": users})).await?.data()?;
        serde_json::from_value(data).context("the shape of a token detail answer")
    }

    /// Sends an upgrade request.
    pub async fn try_upgrade(&self, handshake: &Handshake) -> Result<Opening> {
        self.try_upgrade_with(&handshake.request()).await
    }

    /// Sends an upgrade request that is made by hand.
    pub async fn try_upgrade_with(&self, request: &Request) -> Result<Opening> {
        self.watch(&request.target);
        ws::open(self.address(), request, &self.recorder, self.kind()).await
    }

    /// The same over a connection that the case prepared.
    pub async fn try_upgrade_over(&self, connection: Connection, handshake: &Handshake) -> Result<Opening> {
        let request = handshake.request();
        self.watch(&request.target);
        ws::open_over(connection, &request, &self.recorder, self.kind()).await
    }

    /// Connects as the published JavaScript client does, success frame included.
    pub async fn open(&self, user: &str, platform: i64, token: &str) -> Result<Socket> {
        self.enter(&Handshake::new(user, platform, token)).await
    }

    /// Connects with any handshake that asks for the success frame.
    pub async fn enter(&self, handshake: &Handshake) -> Result<Socket> {
        let mut socket = self.upgraded(handshake).await?;
        same(socket.text().await?.as_str(), CONNECTED, "the first frame")?;
        Ok(socket)
    }

    /// Connects with any handshake; no frame is read.
    pub async fn upgraded(&self, handshake: &Handshake) -> Result<Socket> {
        match self.try_upgrade(handshake).await? {
            Opening::Upgraded(socket) => Ok(*socket),
            Opening::Refused(response) => {
                bail!("refused: {} {}", response.status, String::from_utf8_lossy(&response.body))
            }
        }
    }

    /// A token and a connection that uses it.
    pub async fn login(&self, user: &str, platform: i64) -> Result<(String, Socket)> {
        let token = self.issue(user, platform).await?;
        let socket = self.open(user, platform, &token).await?;
        Ok((token, socket))
    }

    /// The envelope with which an upgrade is refused, in whichever way it is delivered: as the body of an
    /// HTTP 200 of fewer than 1,024 bytes, or as the only text frame before Close 1008.
    pub async fn refusal(&self, handshake: &Handshake) -> Result<(Delivery, Envelope)> {
        match self.try_upgrade(handshake).await? {
            Opening::Refused(response) => {
                // A published client keeps only this much of the body and has to parse it.
                same(response.body.len() < 1024, true, "a body under 1,024 bytes")?;
                let envelope = Answer::new(response, self.style()).envelope()?;
                Ok((Delivery::Http, envelope))
            }
            Opening::Upgraded(mut socket) => {
                let text = match socket.next().await {
                    Event::Text(text) => text,
                    other => bail!("expected the refusal as a text frame, got {}", ws::describe(&other)),
                };
                let envelope = Envelope::parse(&text, self.style())?;
                if envelope.code() == 0 {
                    bail!("the handshake succeeded");
                }
                socket.closed(1008).await?;
                Ok((Delivery::Frame, envelope))
            }
        }
    }

    /// A handshake that is refused with this code and detail in both deliveries.
    pub async fn refused_both_ways(&self, handshake: &Handshake, code: i64, detail: &str) -> Result<()> {
        for (handshake, delivery) in [
            (handshake.clone().silent(), Delivery::Http),
            (handshake.clone().set("isMsgResp", "true"), Delivery::Frame),
        ] {
            let (came, envelope) = self.refusal(&handshake).await?;
            same(came, delivery, "the delivery")?;
            envelope.refused(code, detail)?;
        }
        Ok(())
    }

    /// Waits until a user who used up its connects may connect once more. There is nothing to await; longer is fine.
    pub async fn pace(&self) {
        sleep(Duration::from_millis(550)).await;
    }

    /// Waits until a query shows what it should. It fails with what the query showed last, when that has not changed for long: a busy machine
    /// is slow, and goes on.
    pub async fn eventually<T, F>(&self, what: &str, mut query: impl FnMut() -> F, wanted: &T) -> Result<()>
    where
        T: PartialEq + std::fmt::Debug,
        F: Future<Output = Result<T>>,
    {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        let mut last = (query().await?, begun, 1);
        while last.0 != *wanted {
            let (shown, since, queries) = &last;
            let is_stuck = *queries > QUERIES && since.elapsed() > self.settling();
            if is_stuck || begun.elapsed() > self.settling() * 10 {
                bail!("{what}: after {:.1?} still {shown:?}, not {wanted:?}", begun.elapsed());
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
            let shown = query().await?;
            last = if shown == last.0 { (shown, last.1, last.2 + 1) } else { (shown, Instant::now(), 1) };
        }
        Ok(())
    }

    /// Waits until a user's connections are on these platforms.
    pub async fn until_platforms(&self, user: &str, wanted: &[i64]) -> Result<()> {
        let quiet = self.unrecorded();
        self.eventually("platforms online", || quiet.platforms(user), &wanted.to_vec()).await
    }

    /// A different number at each call.
    pub fn next_number(&self) -> u64 {
        self.increments.fetch_add(1, Ordering::Relaxed)
    }

    /// Every token that passes by is one that no log may show.
    fn watch(&self, text: &str) {
        let tokens = mask::tokens(text);
        if !tokens.is_empty() {
            let mut forbidden = self.shared.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.iter().for_each(|token| forbidden.token(token));
        }
    }

    pub(crate) fn style(&self) -> Style {
        self.settings().style
    }

    /// Claims that this server would accept if it had issued them.
    pub fn claims(&self, user: &str, platform: i64) -> jwt::Claims {
        jwt::Claims::valid(user, platform, self.born)
    }

    /// A token that this server did not issue, but could have.
    pub fn forged(&self, user: &str, platform: i64) -> Result<String> {
        jwt::mint(&self.claims(user, platform).to_text(), self.secret()?)
    }
}

/// The delivery of a refused handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// HTTP 200 with a JSON body, no upgrade.
    Http,
    /// Upgrade, text frame, Close.
    Frame,
}

/// A documented `POST` as a request.
pub fn post(path: &str, token: Option<&str>, body: &str) -> Request {
    let request = Request::post(path).header("operationID", "1646445464564");
    let request = match token {
        Some(token) => request.header("token", token),
        None => request,
    };
    request.body(body)
}

/// Seconds since 1970.
pub fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A short, stable number for a name.
fn fnv(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
