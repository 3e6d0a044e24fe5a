//! A fixture on a subject: records in place, tokens at hand, words for the routes.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    date::Zone,
    fixture::{Fixture, Row, crowd},
    reply::{self, Page, Record, Reply},
};
use crate::{
    check::{at, same, text_at},
    http::{Request, Response},
    subject::Kind,
    world::World,
    ws::{self, Event, Handshake, Opening, Socket},
};

/// The list, and the root of the other routes.
pub const LIST: &str = "/api/v1/message/center/online";
/// The search.
pub const SEARCH: &str = "/api/v1/message/center/online/search";
/// Takes users offline.
pub const OFF: &str = "/api/v1/message/center/online/off";
/// The socket.
pub const SOCKET: &str = "/ws/messageCenter";
/// Brings records in.
pub const IMPORT: &str = "/admin/v1/records:import";

/// The `User-Agent` of the cases' sockets.
pub const AGENT: &str = "conformance/1.0";

/// A fixture on a subject.
#[derive(Clone, Debug)]
pub struct Api {
    world: World,
    fixture: Fixture,
    zone: Zone,
}

impl Api {
    /// The fixture of a case, with the records of the vectors.
    pub async fn with_fixture(world: &World) -> Result<Self> {
        let api = Self::without_fixture(world)?;
        let quiet = api.unrecorded();
        if api.fixture.is_shared() {
            world.once(quiet.import_shared()).await?;
        } else {
            if world.kind() == Kind::Running {
                quiet.unlock_all().await?;
            }
            quiet.import(&api.fixture.rows()?).await?;
        }
        Ok(api)
    }

    /// The fixture of a case, without any record.
    pub fn without_fixture(world: &World) -> Result<Self> {
        let zone = &world.settings().message_center.time_zone;
        let zone = Zone::named(zone).with_context(|| format!("the suite does not know the zone {zone}"))?;
        Ok(Self { world: world.clone(), fixture: Fixture::of(world.case()), zone })
    }

    /// Imports the records that all reading cases share.
    async fn import_shared(&self) -> Result<()> {
        self.import(&Fixture::SHARED.rows()?).await?;
        self.import(&crowd()).await
    }

    /// Lifts what an earlier run against the same server left.
    async fn unlock_all(&self) -> Result<()> {
        for tenant in [1, 2] {
            self.unlock("tenants", self.fixture.tenant(tenant)).await?;
        }
        for user in [100, 101, 102, 103, 104, 200, 201] {
            self.unlock("users", self.fixture.user(user)).await?;
        }
        Ok(())
    }

    /// The same, without a record.
    #[must_use]
    pub fn unrecorded(&self) -> Self {
        Self { world: self.world.unrecorded(), ..self.clone() }
    }

    /// The subject.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The numbers of this case.
    pub fn fixture(&self) -> Fixture {
        self.fixture
    }

    /// The zone of the server's dates.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The text of a static token, which no log may show.
    pub fn bearer(&self, role: &str) -> String {
        let text = self.fixture.token(role);
        self.world.forbid(&text);
        text
    }

    /// A request with a bearer token.
    pub fn request(&self, method: &str, target: &str, bearer: &str) -> Request {
        Request::new(method, target).header("Authorization", &format!("Bearer {bearer}"))
    }

    /// Sends any request to the message center.
    pub async fn ask(&self, request: &Request) -> Result<Reply> {
        Ok(self.reply(self.world.send(request).await?.response))
    }

    /// A response of the message center.
    pub fn reply(&self, response: Response) -> Reply {
        Reply::new(response, self.zone, self.world.born())
    }

    /// A `GET` by the bearer of a static token.
    pub async fn get(&self, role: &str, target: &str) -> Result<Reply> {
        self.ask(&self.request("GET", target, &self.bearer(role))).await
    }

    /// A page of the list; `query` without the question mark.
    pub async fn list(&self, role: &str, query: &str) -> Result<Page> {
        self.page(role, LIST, query).await
    }

    /// A page of the list or of the search.
    pub async fn page(&self, role: &str, path: &str, query: &str) -> Result<Page> {
        self.get(role, &format!("{path}?{query}")).await?.page().with_context(|| format!("{path}?{query}"))
    }

    /// A refusal of a list's query.
    pub async fn refused(&self, role: &str, target: &str, status: u16, key: &str) -> Result<()> {
        self.get(role, target).await?.refused(status, key).with_context(|| target.to_owned())
    }

    /// The detail of a user.
    pub async fn detail(&self, role: &str, user: i64) -> Result<Reply> {
        self.get(role, &format!("{LIST}/{user}")).await
    }

    /// The records of a user as an administrator of tenant 1 sees them, newest first.
    pub async fn records(&self, user: i64) -> Result<Vec<Record>> {
        Ok(self.list("admin-t1", &format!("userId={user}&pageSize=100")).await?.records)
    }

    /// Which of a user's records are online, by device.
    pub async fn online_devices(&self, user: i64) -> Result<Vec<String>> {
        let page =
            self.list("admin-t1", &format!("userId={user}&online=true&orderSort=ASC&pageSize=100")).await?;
        Ok(page.records.into_iter().map(|record| record.device_id).collect())
    }

    /// Sends a force-off with any body.
    pub async fn off_text(&self, bearer: &str, body: &str) -> Result<Reply> {
        let request = self.request("POST", OFF, bearer).header("Content-Type", "application/json").body(body);
        self.ask(&request).await
    }

    /// A force-off by the bearer of a static token.
    pub async fn off(&self, role: &str, kind: &str, ids: &[i64]) -> Result<Reply> {
        let body = json!({"broadcast": true, "receiveObjectType": kind, "receiveObjectIds": ids});
        self.off_text(&self.bearer(role), &body.to_string()).await
    }

    /// A force-off that succeeds.
    pub async fn take_off(&self, role: &str, kind: &str, ids: &[i64]) -> Result<()> {
        let reply = self.off(role, kind, ids).await?;
        match self.world.settings().message_center.off_status {
            204 => reply.bodiless(),
            _ => reply.empty(),
        }
    }

    /// Imports records; all of them are accepted.
    pub async fn import(&self, rows: &[Row]) -> Result<()> {
        let lines: Vec<String> = rows.iter().map(|row| row.line().to_string()).collect();
        let answer = self.import_text(&lines.join("\n")).await?;
        same(at(&answer, "/rejected")?, &json!([]), "rejected")?;
        let brought = |name: &str| answer.pointer(name).and_then(Value::as_u64).unwrap_or_default();
        same(brought("/imported") + brought("/updated"), rows.len() as u64, "imported and updated")
    }

    /// Imports any text; the answer, which has status 200.
    pub async fn import_text(&self, text: &str) -> Result<Value> {
        let token = self.world.admin_token().await?;
        let request =
            self.request("POST", IMPORT, &token).header("Content-Type", "application/x-ndjson").body(text);
        let answer = self.world.send(&request).await?;
        same(answer.response.status, 200, "the status of the import")?;
        answer.json()
    }

    /// Unlocks a user or a tenant; whether there was something to lift.
    pub async fn unlock(&self, what: &str, id: i64) -> Result<bool> {
        let token = self.world.admin_token().await?;
        let answer =
            self.world.send(&self.request("POST", &format!("/admin/v1/{what}/{id}/unlock"), &token)).await?;
        same(answer.response.status, 200, "the status of an unlock")?;
        let body = answer.json()?;
        at(&body, "/unlocked")?.as_bool().context("unlocked is not a boolean")
    }

    /// The handshake of a message-center socket with the token in the query.
    pub fn handshake(&self, role: &str, device: &str) -> Handshake {
        Handshake::empty()
            .path(SOCKET)
            .set("access_token", &self.bearer(role))
            .set("deviceId", device)
            .header("User-Agent", AGENT)
    }

    /// A message-center socket, on this device, once its record is in the list.
    pub async fn connect(&self, role: &str, user: i64, device: &str) -> Result<Socket> {
        let before = self.unrecorded().online_devices(user).await?;
        let mut socket = self.world.upgraded(&self.handshake(role, device)).await?;
        socket.control_ping(b"here").await?;
        let mut wanted = before;
        wanted.push(device.to_owned());
        self.until_online(user, &wanted).await?;
        Ok(socket)
    }

    /// Waits until a user is online on these devices, in any order.
    pub async fn until_online(&self, user: i64, devices: &[impl AsRef<str>]) -> Result<()> {
        let mut wanted: Vec<String> = devices.iter().map(|device| device.as_ref().to_owned()).collect();
        wanted.sort();
        let quiet = self.unrecorded();
        let shown = || async {
            let mut devices = quiet.online_devices(user).await?;
            devices.sort();
            Ok(devices)
        };
        self.world.eventually("devices online", shown, &wanted).await
    }

    /// Waits until a token is accepted again: a cutoff that was lifted may be remembered for a second.
    pub async fn until_accepted(&self, role: &str) -> Result<()> {
        let quiet = self.unrecorded();
        let accepted = || async { Ok(quiet.get(role, &format!("{LIST}/1")).await?.response.status != 401) };
        self.world.eventually("the token is accepted", accepted, &true).await
    }

    /// A handshake that is refused with 401 before the upgrade.
    pub async fn shut_out(&self, handshake: &Handshake, key: &str) -> Result<()> {
        match self.world.try_upgrade(handshake).await? {
            Opening::Refused(response) => self.reply(response).unauthorized(key),
            Opening::Upgraded(_) => bail!("the connection was upgraded"),
        }
    }

    /// The CLOSE message, then Close 4001, on the socket of a user that an order took off.
    pub async fn forced_off(&self, socket: &mut Socket, kind: &str, ids: &[i64]) -> Result<()> {
        let text = match socket.next().await {
            Event::Text(text) => text,
            other => bail!("expected the CLOSE message, got {}", ws::describe(&other)),
        };
        let message: Value = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
        let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
        for (pointer, wanted) in [
            ("/type", json!("CLOSE")),
            ("/mediaType", json!("PLAIN_TEXT")),
            ("/receiveObjectType", json!(kind)),
            ("/receiveObjectIds", json!(ids)),
            ("/title", json!("forced_offline")),
            ("/content", json!("forced_offline")),
        ] {
            same(at(&message, pointer)?, &wanted, pointer)?;
        }
        self.sent_just_now(&message)?;
        same(socket.closed(4001).await?.as_str(), "forced_offline", "the reason of the Close frame")
    }

    /// Fails unless a message has an id of its own and a date of just now.
    pub fn sent_just_now(&self, message: &Value) -> Result<()> {
        let id = text_at(message, "/id")?;
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        let digits = id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        same((parts, digits), (vec![8, 4, 4, 4, 12], true), "the form of the message's id")?;
        self.recent(&text_at(message, "/sendDate")?, "sendDate")
    }

    /// Fails unless a date lies within the time of this case, give or take 5 s.
    pub fn recent(&self, date: &str, what: &str) -> Result<()> {
        reply::recent(self.zone, self.world.born(), date, what)
    }

    /// None of these users is online in list, search and detail, and the ended records have fresh dates.
    pub async fn all_gone(&self, role: &str, users: &[i64]) -> Result<()> {
        for user in users {
            for path in [LIST, SEARCH] {
                let page = self.page(role, path, &format!("userId={user}&online=true")).await?;
                same(page.total, 0, &format!("records of {user} online in {path}"))?;
            }
            let record = self.detail(role, *user).await?.record()?;
            same(record.online, false, &format!("whether {user} is online in the detail"))?;
            self.recent(&record.offline_date.unwrap_or_default(), "offlineDate")?;
        }
        Ok(())
    }
}
