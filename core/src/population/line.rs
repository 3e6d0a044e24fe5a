//! The lines of a population. Instants are milliseconds, numbers of 64 bits are written as text and read as either.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    deny::{DenyWindow, REASON_BYTES},
    directory::{
        clean,
        import::LINE_BYTES,
        record::{NAME_BYTES, Record, Source, USER_AGENT_BYTES},
        view::Cutoff,
    },
    id::{RecordId, TenantId, UserId},
    json,
    platform::Platform,
    serial::Serial,
    time::Timestamp,
    token::{
        TokenHash,
        store::{TokenRow, TokenState},
    },
    user::{Account, UserFacts},
};

/// The first line of a population.
pub const FIRST_LINE: &str = r#"{"type":"population","version":1}"#;
/// The last one of a whole population.
pub const LAST_LINE: &str = r#"{"type":"end"}"#;

/// The version that is read.
const VERSION: i64 = 1;
/// The longest avatar of a record, in bytes.
const AVATAR_BYTES: usize = 4096;
/// The longest texts of a record beside its name, user agent and avatar, in bytes. They are in indexes, which bound them in PostgreSQL.
const TEXT_BYTES: usize = 512;
/// The last millisecond of the year 9999.
const LAST_INSTANT: i64 = 253_402_300_799_999;

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The first or the last line, or the end of a page.
    Mark,
    /// An order to a tenant.
    Cutoff(TenantId, Cutoff),
    /// A user without its tokens.
    User(UserId, UserFacts),
    /// A token of a user.
    Token(UserId, TokenRow),
    /// A record.
    Record(Record),
}

/// A line is none of a population. The text is for the author of the file, and quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

impl LineError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    version: Option<Whole>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CutoffLine {
    #[serde(rename = "type")]
    kind: String,
    tenant_id: Number,
    at: Whole,
    exempt: Vec<Number>,
    #[serde(default)]
    lifted: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserLine {
    #[serde(rename = "type")]
    kind: String,
    user_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant_id: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<AccountMember>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Whole>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    revoked_in: Vec<Revocation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unlocked_at: Option<Whole>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unseen: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    denied: Vec<DenyWindow>,
}

#[derive(Serialize, Deserialize)]
struct AccountMember {
    nickname: String,
    #[serde(rename = "faceURL")]
    face_url: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revocation {
    tenant_id: Number,
    at: Whole,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenLine {
    #[serde(rename = "type")]
    kind: String,
    user_id: String,
    sha256: String,
    #[serde(rename = "platformID")]
    platform: Whole,
    order: Whole,
    issued_at: Whole,
    expires_at: Whole,
    kicked: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordLine {
    #[serde(rename = "type")]
    kind: String,
    id: Number,
    tenant_id: Number,
    user_id: Number,
    full_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    user_agent: String,
    device_id: String,
    remote_address: String,
    online_at: Whole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offline_at: Option<Whole>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease_until: Option<Whole>,
}

/// A whole number, read as a number or as text.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Whole(#[serde(deserialize_with = "json::integer")] i64);

/// The same, written as text.
#[derive(Deserialize)]
#[serde(transparent)]
struct Number(Whole);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.0)
    }
}

const fn number(number: i64) -> Number {
    Number(Whole(number))
}

const fn millis(at: Timestamp) -> Whole {
    Whole(at.millis())
}

fn instant(member: &str, given: &Whole) -> Result<Timestamp, LineError> {
    let fits = (0..=LAST_INSTANT).contains(&given.0);
    fits.then(|| Timestamp::from_millis(given.0))
        .ok_or_else(|| LineError(format!("{member}: expected milliseconds since 1970, up to the year 9999")))
}

fn optional_instant(member: &str, given: &Option<Whole>) -> Result<Option<Timestamp>, LineError> {
    given.as_ref().map(|given| instant(member, given)).transpose()
}

fn user_id(text: &str) -> Result<UserId, LineError> {
    UserId::new(text).map_err(|error| LineError(format!("userId: {error}")))
}

/// A line of an export cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("a line of an export has no form in JSON")]
pub struct UnwrittenLine(#[source] serde_json::Error);

/// A line of ours has nothing that JSON cannot hold. One that has fails the export: an empty line would lose a user without a word.
fn written(line: &impl Serialize) -> Result<String, UnwrittenLine> {
    serde_json::to_string(line).map_err(UnwrittenLine)
}

/// The line of a tenant's cutoff.
///
/// # Errors
/// When it has no form in JSON.
pub fn cutoff_line(tenant: TenantId, cutoff: &Cutoff) -> Result<String, UnwrittenLine> {
    written(&CutoffLine {
        kind: "cutoff".to_owned(),
        tenant_id: number(tenant.0),
        at: millis(cutoff.at),
        exempt: cutoff.exempt.iter().copied().map(number).collect(),
        lifted: cutoff.lifted,
    })
}

/// The line of a user.
///
/// # Errors
/// When it has no form in JSON.
pub fn user_line(user: &UserId, facts: &UserFacts) -> Result<String, UnwrittenLine> {
    let account = |account: &Account| AccountMember {
        nickname: account.nickname.clone(),
        face_url: account.face_url.clone(),
    };
    let revocation =
        |(tenant, at): &(TenantId, Timestamp)| Revocation { tenant_id: number(tenant.0), at: millis(*at) };
    written(&UserLine {
        kind: "user".to_owned(),
        user_id: user.to_string(),
        tenant_id: facts.tenant.map(|tenant| number(tenant.0)),
        account: facts.account.as_ref().map(account),
        revoked_at: facts.revoked_at.map(millis),
        revoked_in: facts.revoked_in.iter().map(revocation).collect(),
        unlocked_at: facts.unlocked_at.map(millis),
        unseen: facts.is_unseen,
        denied: facts.denied.clone(),
    })
}

/// The line of a token.
///
/// # Errors
/// When it has no form in JSON.
pub fn token_line(user: &UserId, row: &TokenRow) -> Result<String, UnwrittenLine> {
    written(&TokenLine {
        kind: "token".to_owned(),
        user_id: user.to_string(),
        sha256: row.hash.to_string(),
        platform: Whole(row.platform.number().into()),
        order: Whole(row.order),
        issued_at: millis(row.issued_at),
        expires_at: millis(row.expires),
        kicked: row.state == TokenState::Kicked,
    })
}

/// The line of a record.
///
/// # Errors
/// When it has no form in JSON.
pub fn record_line(record: &Record) -> Result<String, UnwrittenLine> {
    written(&RecordLine {
        kind: "record".to_owned(),
        id: number(record.id.number()),
        tenant_id: number(record.tenant.0),
        user_id: number(record.user),
        full_name: record.full_name.clone(),
        avatar: record.avatar.clone(),
        user_agent: record.user_agent.clone(),
        device_id: record.device_id.clone(),
        remote_address: record.remote_address.clone(),
        online_at: millis(record.online_at),
        offline_at: record.offline_at.map(millis),
        lease_until: record.lease_until.map(millis),
    })
}

/// The line at the end of a page, with the cursor of the next one.
pub fn page_line(cursor: &str) -> String {
    format!(r#"{{"type":"page","cursor":{}}}"#, json::quoted(cursor))
}

fn object<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    json::object(line).map_err(|error| LineError(error.to_string()))
}

impl Line {
    /// Reads one line.
    ///
    /// # Errors
    /// The first problem.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        if line.len() > LINE_BYTES {
            return Err(LineError(format!("the line is longer than {LINE_BYTES} bytes")));
        }
        let Typed { kind, version } = object(line)?;
        match kind.as_str() {
            "population" if version.is_some_and(|version| version.0 == VERSION) => Ok(Self::Mark),
            "population" => Err(LineError(format!("version: expected {VERSION}"))),
            "page" | "end" => Ok(Self::Mark),
            "cutoff" => object::<CutoffLine>(line)?.read(),
            "user" => object::<UserLine>(line)?.read(),
            "token" => object::<TokenLine>(line)?.read(),
            "record" => object::<RecordLine>(line)?.read(),
            _ => Err(LineError::new("type: expected cutoff, user, token or record")),
        }
    }
}

impl CutoffLine {
    fn read(self) -> Result<Line, LineError> {
        let cutoff = Cutoff {
            serial: Serial::NONE,
            at: instant("at", &self.at)?,
            exempt: self.exempt.into_iter().map(|user| user.0.0).collect(),
            lifted: self.lifted,
            deny: None,
        };
        Ok(Line::Cutoff(TenantId(self.tenant_id.0.0), cutoff))
    }
}

impl UserLine {
    fn read(self) -> Result<Line, LineError> {
        let account = self.account.map(|AccountMember { nickname, face_url }| {
            Account::new(&nickname, &face_url).map_err(|error| LineError(error.to_string()))
        });
        let revocation = |given: Revocation| {
            Ok::<_, LineError>((TenantId(given.tenant_id.0.0), instant("revokedIn", &given.at)?))
        };
        let facts = UserFacts {
            tenant: self.tenant_id.map(|tenant| TenantId(tenant.0.0)),
            account: account.transpose()?,
            revoked_at: optional_instant("revokedAt", &self.revoked_at)?,
            revoked_in: self.revoked_in.into_iter().map(revocation).collect::<Result<_, _>>()?,
            unlocked_at: optional_instant("unlockedAt", &self.unlocked_at)?,
            is_unseen: self.unseen,
            denied: self.denied.into_iter().map(window).collect::<Result<_, _>>()?,
        };
        Ok(Line::User(user_id(&self.user_id)?, facts))
    }
}

/// A deny window as it is kept.
fn window(given: DenyWindow) -> Result<DenyWindow, LineError> {
    let reason = given.reason.map(|reason| clean(&reason).into_owned());
    if reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES) {
        return Err(LineError(format!("reason: expected at most {REASON_BYTES} bytes")));
    }
    Ok(DenyWindow { until: instant("until", &millis(given.until))?, reason, ..given })
}

impl TokenLine {
    fn read(self) -> Result<Line, LineError> {
        let platform = Platform::from_number(self.platform.0);
        let hash: Option<TokenHash> = self.sha256.parse().ok();
        let row = TokenRow {
            hash: hash.ok_or_else(|| LineError::new("sha256: expected 64 lower-case hexadecimal digits"))?,
            platform: platform.ok_or_else(|| LineError::new("platformID: expected a platform"))?,
            // Far from the end: orders go on from the greatest.
            order: Some(self.order.0)
                .filter(|order| (0..=i64::MAX / 2).contains(order))
                .ok_or_else(|| LineError::new("order: expected a number that is not negative"))?,
            issued_at: instant("issuedAt", &self.issued_at)?,
            under: Serial::UNKNOWN,
            expires: instant("expiresAt", &self.expires_at)?,
            state: if self.kicked { TokenState::Kicked } else { TokenState::Valid },
        };
        Ok(Line::Token(user_id(&self.user_id)?, row))
    }
}

impl RecordLine {
    fn read(self) -> Result<Line, LineError> {
        let bounded = |member: &str, text: String, most: usize| {
            let text = clean(&text).into_owned();
            if text.len() > most {
                return Err(LineError(format!("{member}: expected at most {most} bytes")));
            }
            Ok(text)
        };
        let online_at = instant("onlineAt", &self.online_at)?;
        let offline_at = optional_instant("offlineAt", &self.offline_at)?;
        let lease_until = optional_instant("leaseUntil", &self.lease_until)?;
        if offline_at.is_some_and(|end| end < online_at) {
            return Err(LineError::new("offlineAt: expected none before onlineAt"));
        }
        if offline_at.or(lease_until).is_none() {
            return Err(LineError::new("leaseUntil: expected where there is no offlineAt"));
        }
        let id = RecordId::from_number(self.id.0.0);
        Ok(Line::Record(Record {
            id: id.ok_or_else(|| LineError::new("id: expected a positive number"))?,
            tenant: TenantId(self.tenant_id.0.0),
            user: self.user_id.0.0,
            full_name: bounded("fullName", self.full_name, NAME_BYTES)?,
            avatar: self.avatar.map(|avatar| bounded("avatar", avatar, AVATAR_BYTES)).transpose()?,
            user_agent: bounded("userAgent", self.user_agent, USER_AGENT_BYTES)?,
            device_id: bounded("deviceId", self.device_id, TEXT_BYTES)?,
            remote_address: bounded("remoteAddress", self.remote_address, TEXT_BYTES)?,
            online_at,
            offline_at,
            lease_until: lease_until.filter(|_| offline_at.is_none()),
            source: Source::Import,
            member_of: None,
            under: Serial::UNKNOWN,
            generation: 1,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = include_str!("../../golden/population.v1.jsonl");

    fn again(line: &Line, given: &str) -> String {
        match line {
            Line::Mark => given.to_owned(),
            Line::Cutoff(tenant, cutoff) => cutoff_line(*tenant, cutoff).unwrap(),
            Line::User(user, facts) => user_line(user, facts).unwrap(),
            Line::Token(user, row) => token_line(user, row).unwrap(),
            Line::Record(record) => record_line(record).unwrap(),
        }
    }

    #[test]
    fn what_has_no_form_in_json_is_an_error_and_no_empty_line() {
        let nameless = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert!(written(&nameless).is_err());
    }

    #[test]
    fn lines_keep_their_form() {
        for given in GOLDEN.lines() {
            let line = Line::parse(given.as_bytes()).unwrap_or_else(|error| panic!("{error}: {given}"));
            assert_eq!(again(&line, given), given);
        }
        assert_eq!(GOLDEN.lines().next(), Some(FIRST_LINE));
        assert_eq!(GOLDEN.lines().last(), Some(LAST_LINE));
        assert!(GOLDEN.lines().any(|line| line == page_line("c")));
    }

    #[test]
    fn a_line_that_is_none_is_refused_by_its_member_and_never_quoted() {
        let good = |kind: &str| {
            let start = format!("{{\"type\":\"{kind}\"");
            GOLDEN.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
        };
        let bad = |kind: &str, from: &str, to: &str| {
            let line = good(kind).replacen(from, to, 1);
            assert_ne!(line, good(kind));
            line
        };
        let denied = |from: &str, to: &str| {
            let line = GOLDEN.lines().find(|line| line.contains("denied")).unwrap();
            line.replacen(from, to, 1)
        };
        for (line, member) in [
            ("".to_owned(), ""),
            ("[]".to_owned(), ""),
            (r#"{"type":"secret"}"#.to_owned(), "type"),
            (bad("population", "1", "2"), "version"),
            (bad("cutoff", "\"at\":1752998400000", "\"at\":-1"), "at"),
            (bad("user", "\"userId\":\"101\"", "\"userId\":\"\""), "userId"),
            (denied("1784534400000", "-1"), "until"),
            (denied("left the company", &"secret".repeat(84)), "reason"),
            (denied("0197dd1b5c000123456789abcdef0123", "secret"), ""),
            (bad("token", "0123456789abcdef", "secret"), "sha256"),
            (bad("token", "\"platformID\":5", "\"platformID\":12"), "platformID"),
            (bad("token", "\"order\":3", "\"order\":9223372036854775807"), "order"),
            (bad("token", "\"expiresAt\":", "\"expiresAt\":99"), "expiresAt"),
            (bad("record", "\"id\":\"", "\"id\":\"-"), "id"),
            (bad("record", "\"offlineAt\":", "\"offline\":"), "leaseUntil"),
            (bad("record", "\"onlineAt\":1", "\"onlineAt\":2"), "offlineAt"),
            (
                bad("record", "\"fullName\":\"", &format!("\"fullName\":\"{}", "secret".repeat(100))),
                "fullName",
            ),
            (
                bad("record", "\"deviceId\":\"", &format!("\"deviceId\":\"{}", "secret".repeat(100))),
                "deviceId",
            ),
            (
                bad(
                    "record",
                    "\"remoteAddress\":\"",
                    &format!("\"remoteAddress\":\"{}", "secret".repeat(100)),
                ),
                "remoteAddress",
            ),
            (format!("{}{}", good("user"), " ".repeat(LINE_BYTES)), "longer"),
        ] {
            let error = Line::parse(line.as_bytes()).expect_err(&line).to_string();
            assert!(error.contains(member), "{line}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
