//! Messages between the entry, the users' objects and the directory's shards.
//!
//! Every body carries a version: for minutes after a deploy new entry code may call an old object. Within a version
//! members are only added, with a default, and questions; anything else is a new version, which older code refuses by number. What
//! refuses a question that it does not know has done nothing, and answers with [`OTHER_CODE`].
#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(dead_code, reason = "used on the Workers runtime, tested on any")
)]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rollcall_core::{
    audit,
    directory::{
        membership::Body,
        page::{Found, ShardQuery},
        record::Record,
        upsert::Imported,
        view::{Cutoff, View},
    },
    id::{RecordId, TenantId},
    order,
    serial::Serial,
    shard::{layout::Layout, undelivered::Undelivered},
    time::Timestamp,
    user::{Command, ConsoleOpening, Opening, Reply},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// The version of every body in this module.
const VERSION: u32 = 1;

/// The status of an object's answer to what it cannot do, because it runs code of another version than its caller or than what wrote
/// its tables. The text says why.
pub(crate) const OTHER_CODE: u16 = 501;

/// A body that this code does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// It is of another version, that of newer or older code.
    #[error("a message of version {0} reached code that knows version {VERSION}")]
    Version(u32),
    /// It is of no version. The parser's own words are not kept: they quote the input, and inputs hold tokens.
    #[error("a message between the worker and its objects does not read")]
    Form,
}

#[derive(Serialize)]
struct Outer<'a, T> {
    v: u32,
    body: &'a T,
}

#[derive(Deserialize)]
struct Received<'a> {
    v: u32,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// A body as text.
pub(crate) fn write<T: Serialize>(body: &T) -> Result<String, WireError> {
    serde_json::to_string(&Outer { v: VERSION, body }).map_err(|_| WireError::Form)
}

/// A body of this version.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, WireError> {
    serde_json::from_str(body_of(text)?).map_err(|_| WireError::Form)
}

/// The text of a body of this version.
fn body_of(text: &str) -> Result<&str, WireError> {
    let received: Received<'_> = serde_json::from_str(text).map_err(|_| WireError::Form)?;
    match received.v {
        VERSION => Ok(received.body.get()),
        other => Err(WireError::Version(other)),
    }
}

/// A body as the value of a header. Upgrades have no body of their own, and a URL would be logged.
pub(crate) fn write_header<T: Serialize>(body: &T) -> Result<String, WireError> {
    write(body).map(|text| URL_SAFE_NO_PAD.encode(text))
}

/// A body of this version from a header.
pub(crate) fn read_header<T: DeserializeOwned>(value: &str) -> Result<T, WireError> {
    let bytes = URL_SAFE_NO_PAD.decode(value).map_err(|_| WireError::Form)?;
    read(std::str::from_utf8(&bytes).map_err(|_| WireError::Form)?)
}

/// A question to a user's object.
#[derive(Serialize, Deserialize)]
pub(crate) enum UserAsk {
    /// Carry this out. Answered with [`UserAnswer::Reply`].
    Run(Command),
    /// Carry this out under a tenant's cutoff. Answered with [`UserAnswer::Reply`] or
    /// [`UserAnswer::OtherTenant`].
    RunUnder(Command, CachedCutoff),
    /// What became of these records? Answered with [`UserAnswer::Records`].
    Records(Vec<RecordId>),
}

/// A caller's knowledge of the cutoff of a user's tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CachedCutoff {
    /// The tenant that the caller takes for the user's.
    pub(crate) tenant: TenantId,
    /// The tenant's cutoff, as of at most a second before the call.
    pub(crate) cutoff: Option<Cutoff>,
    /// The scoped cutoffs that name the user, as of then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) named: Vec<Cutoff>,
    /// The serial of the tenant's latest order, as of then.
    #[serde(default, skip_serializing_if = "Serial::is_none")]
    pub(crate) newest: Serial,
}

impl CachedCutoff {
    /// The serial of what begins under it. Earlier code does not name the latest order.
    pub(crate) fn under(&self) -> Serial {
        self.cutoff.as_ref().map_or(self.newest, |cutoff| cutoff.serial.max(self.newest))
    }
}

/// A question to the object of a tenant's orders.
#[derive(Serialize, Deserialize)]
pub(crate) enum CutoffAsk {
    /// What is in force? Answered with [`CutoffAnswer::State`].
    State,
    /// Which users does this order name? Answered with [`CutoffAnswer::Users`].
    Users(Serial),
    /// Put an order to the whole tenant in force.
    Set {
        /// Users that the order does not cover.
        exempt: Vec<i64>,
        /// The message that consoles get before they are closed.
        notice: String,
    },
    /// Put an order to these users in force. Answered with [`CutoffAnswer::TooMany`] where it is refused.
    Order {
        /// The users.
        users: Vec<i64>,
        /// The message that consoles get before they are closed.
        notice: String,
    },
    /// The order to the whole tenant, with its entry in the audit. An object of earlier code, which would lose that, refuses it.
    SetAudited {
        /// Users that the order does not cover.
        exempt: Vec<i64>,
        /// The message that consoles get before they are closed.
        notice: String,
        /// The entry.
        audit: Box<audit::Part>,
    },
    /// The order to these users, likewise.
    OrderAudited {
        /// The users.
        users: Vec<i64>,
        /// The message that consoles get before they are closed.
        notice: String,
        /// The entry.
        audit: Box<audit::Part>,
    },
    /// Lift the order to the whole tenant. Answered with [`CutoffAnswer::Lifted`]. Earlier code asks.
    Lift,
    /// The same, with its entry in the audit.
    LiftAudited(Box<audit::Part>),
    /// Keep an entry of the audit.
    Audited(Box<audit::Part>),
    /// The object's part of the audit. Answered with [`CutoffAnswer::Audit`].
    Audit(Box<audit::Asked>),
    /// Keep a dry run, carry out an order to a selection, or show one. Answered with [`CutoffAnswer::ForceOff`].
    ForceOff(Box<order::Ask>),
    /// Which orders are under delivery? Answered with [`CutoffAnswer::Undelivered`].
    Undelivered,
    /// Put an order of another server to the whole tenant in force. Answered with [`CutoffAnswer::Adopted`].
    Adopt(Cutoff),
}

/// An answer of the object of a tenant's orders.
#[derive(Serialize, Deserialize)]
pub(crate) enum CutoffAnswer {
    /// Done.
    Done,
    /// What is in force.
    State(OrdersInForce),
    /// The users of an order; `None` when it is delivered.
    Users(Option<Vec<i64>>),
    /// Nothing was done: the tenant has as many orders under delivery as it may have.
    TooMany,
    /// What became of an order to a selection.
    ForceOff(order::Answer),
    /// Whether there was an order to lift.
    Lifted(bool),
    /// Entries of the audit.
    Audit(audit::Page),
    /// The orders under delivery. An order to the whole tenant is there as long as a shard has not heard of it.
    Undelivered(Vec<Undelivered>),
    /// Whether the order changed anything; `None` where one of this server is in its way.
    Adopted(Option<bool>),
    /// It was not done.
    Failed(String),
}

/// A tenant's orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OrdersInForce {
    /// The order to the whole tenant.
    pub(crate) cutoff: Option<Cutoff>,
    /// The serial of the latest order.
    pub(crate) newest: Serial,
    /// Orders to sets of users under delivery, with their dates.
    pub(crate) scoped: Vec<(Serial, Timestamp)>,
    /// Those of them that deny their users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) denying: Vec<Cutoff>,
}

/// The header that a gateway's upgrade carries to its user's object.
#[derive(Serialize, Deserialize)]
pub(crate) struct Upgrade {
    /// The connection to open.
    pub(crate) opening: Opening,
    /// The first message after the upgrade, if the client waits for one.
    pub(crate) greeting: Option<String>,
    /// The cutoff that applies to it.
    #[serde(default)]
    pub(crate) cached: Option<CachedCutoff>,
}

/// The header that a console's upgrade carries to its user's object.
#[derive(Serialize, Deserialize)]
pub(crate) struct ConsoleUpgrade {
    /// The connection to open.
    pub(crate) opening: ConsoleOpening,
    /// The cutoff that applies to it.
    pub(crate) cached: CachedCutoff,
}

/// An answer of a user's object.
#[derive(Serialize, Deserialize)]
pub(crate) enum UserAnswer {
    /// The reply to a command.
    Reply(Reply),
    /// Nothing was done: the user is of this tenant, and has to be asked under its cutoff.
    OtherTenant(TenantId),
    /// The records that the object still has, as they are. The others ended and were deleted.
    Records(Vec<Record>),
    /// It was not done, or not all of it.
    Failed(String),
}

/// A question to a shard.
#[derive(Serialize, Deserialize)]
pub(crate) struct DirectoryCall {
    /// `presence.directory_shards` as the caller has it.
    pub(crate) shards: u32,
    /// The layout that the caller goes by; none where the answer does not depend on it, and of older code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) layout: Option<Layout>,
    /// The question itself.
    pub(crate) ask: DirectoryAsk,
}

/// Questions to a shard.
#[derive(Serialize, Deserialize)]
pub(crate) enum DirectoryAsk {
    /// Take these records in. Answered with [`DirectoryAnswer::Published`].
    Publish(Vec<Record>),
    /// The same, with parts of the audit.
    PublishAudited(Vec<Record>, Vec<audit::Part>),
    /// The shard's part of the audit. Answered with [`DirectoryAnswer::Audit`].
    Audit(Box<audit::Asked>),
    /// Is this the number of shards of the layout? Shard 0 answers, and stores it if there is none. Older code asks.
    Layout,
    /// Is this the number of shards of the layout, if there is one? Older code asks.
    CompareLayout,
    /// The layout. Asked of shard 0, answered with [`DirectoryAnswer::Layout`].
    CurrentLayout,
    /// The layout, which is of `presence.directory_shards` if there was none. Asked of shard 0 before the first write of another one,
    /// answered with [`DirectoryAnswer::Layout`].
    LayOut,
    /// Change the number of shards. Asked of shard 0, answered with [`DirectoryAnswer::Layout`]: it has another target, if another
    /// change is under way.
    Reshard(u32),
    /// The same, with its entry in the audit.
    ReshardAudited(u32, Box<audit::Part>),
    /// Records of the buckets that are being copied, after this id. Answered with [`DirectoryAnswer::Copied`].
    Copy(Option<RecordId>),
    /// Take over records that are being copied.
    Receive(Vec<Record>),
    /// Let nothing but publications change the buckets that are being copied. Answered with [`DirectoryAnswer::Unfinished`] if
    /// something did since the copy began, or is about to.
    Seal,
    /// Delete some of the records that this shard does not answer for. Answered with [`DirectoryAnswer::Unfinished`] until all are
    /// deleted.
    Clear,
    /// The shard's part of a list. Answered with [`DirectoryAnswer::Found`].
    List(ShardQuery),
    /// The record that stands for a user. Answered with [`DirectoryAnswer::Detail`].
    Detail {
        /// The user.
        user: i64,
        /// The moment and the cutoff under which records are read.
        view: View,
    },
    /// The users with open connections that belong to one of these bodies. Answered with [`DirectoryAnswer::Members`].
    Members {
        /// The kind of the bodies.
        body: Body,
        /// Their ids.
        ids: Vec<i64>,
    },
    /// The tenants in which these users have imported records that may be online. Asked of the shards of entries, answered with
    /// [`DirectoryAnswer::ImportedIn`].
    ImportedIn(Vec<i64>),
    /// Deliver this order to the shard's users. Sent by the object of the tenant's orders.
    Deliver {
        /// The order.
        cutoff: Cutoff,
        /// The message that consoles get before they are closed.
        notice: String,
    },
    /// Is an order under delivery here? Answered with [`DirectoryAnswer::Undelivered`].
    Undelivered,
    /// The order to the tenant that earlier code kept here. Asked of shard 0, answered with [`DirectoryAnswer::Kept`].
    Kept,
    /// The records behind this one, those of a user together. Answered with [`DirectoryAnswer::Records`].
    RecordsOfUsers(Option<(i64, RecordId)>),
    /// Take these imported records in. Answered with [`DirectoryAnswer::Imported`].
    Import(Vec<Record>),
    /// End the imported records of these users. Answered with [`DirectoryAnswer::Unfinished`] until all are ended.
    EndImports {
        /// The users.
        users: Vec<i64>,
        /// The instant of the end.
        at: Timestamp,
        /// Whether to end only what a cutoff at that instant covers.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        cut_off: bool,
    },
    /// Live records were compared with their users' objects.
    Repair {
        /// The records that the objects have.
        known: Vec<Record>,
        /// The records that they no longer have.
        gone: Vec<RecordId>,
    },
    /// Write and read. Asked of an object that is a shard of no tenant.
    Probe,
}

/// An answer of a shard.
#[derive(Serialize, Deserialize)]
pub(crate) enum DirectoryAnswer {
    /// Done.
    Done,
    /// A part is done. Asking again goes on with it.
    Unfinished,
    /// Done, except for records whose ids other records have.
    Published {
        /// The taken ids; the publisher draws others.
        clashes: Vec<RecordId>,
    },
    /// One element a question; `None` where nothing was written yet.
    Found(Option<Vec<Found>>),
    /// The record that stands for the user, if there is one; `None` where nothing was written yet.
    Detail(Option<Vec<Record>>),
    /// The members' users.
    Members(Vec<i64>),
    /// Entries of the audit, and the most shards that the directory ever had as far as the shard knows.
    Audit(audit::Page, u32),
    /// Pairs of a user and a tenant.
    ImportedIn(Vec<(i64, TenantId)>),
    /// The layout; `None` where nothing was written yet.
    Layout(Option<Layout>),
    /// Nothing was done: this layout is in force.
    Moved(Layout),
    /// Records that are to be copied, by id.
    Copied {
        /// The records.
        records: Vec<Record>,
        /// Where to go on, if there are more.
        last: Option<RecordId>,
    },
    /// The order that is under delivery.
    Undelivered(Option<Undelivered>),
    /// The order that earlier code kept.
    Kept {
        /// The order.
        cutoff: Option<Cutoff>,
        /// The message of its delivery, if that is under way.
        notice: Option<String>,
    },
    /// Records as they are stored.
    Records(Vec<Record>),
    /// The written records; live records have the ids that are missing here.
    Imported(Vec<Imported>),
    /// It was not done.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = write(&UserAsk::Run(Command::Status)).unwrap();
        assert!(matches!(read(&text), Ok(UserAsk::Run(Command::Status))));
        let header = write_header(&UserAsk::Records(vec![])).unwrap();
        assert!(header.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert!(matches!(read_header(&header), Ok(UserAsk::Records(_))));
    }

    #[test]
    fn a_command_travels_with_the_cutoff_that_it_is_held_against() {
        let serial = Serial::from_number(3);
        let cutoff =
            Cutoff { serial, at: Timestamp::from_millis(2_000), exempt: vec![7], lifted: false, deny: None };
        let named = vec![Cutoff { exempt: vec![], ..cutoff.clone() }];
        let cached = CachedCutoff { tenant: TenantId(5), cutoff: Some(cutoff), named, newest: serial };
        let text = write(&UserAsk::RunUnder(Command::Status, cached.clone())).unwrap();
        assert!(matches!(read(&text), Ok(UserAsk::RunUnder(Command::Status, read)) if read == cached));
    }

    #[test]
    fn another_version_is_refused_by_its_number_whatever_its_body() {
        let newer = r#"{"v":2,"body":{"Something":["else"]}}"#;
        assert_eq!(read::<UserAsk>(newer).err(), Some(WireError::Version(2)));
        assert!(WireError::Version(2).to_string().contains("version 2"));
    }

    #[test]
    fn what_is_no_message_is_refused_without_being_quoted() {
        for text in ["", "[]", "{}", r#"{"v":1}"#, r#"{"v":1,"body":"secret"}"#] {
            let error = read::<UserAsk>(text).err().unwrap();
            assert_eq!(error, WireError::Form);
            assert!(!error.to_string().contains("secret"));
        }
    }
}
