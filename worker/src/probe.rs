//! Looks into objects and breaks them, for tests. Only in builds with the feature `probe`, never in a deployed one.
//!
//! `GET /__probe/USER` tells the user's instance, how often sockets and alarms woke the object, how often that of a tenant's
//! orders was asked for them, how many calls and alarms reached the object, and how many rows its statements read and wrote, a set alarm
//! counted as one; `?do=statements` tells the rows of each statement, `?do=forget` takes from the instance what a new one does
//! not know; `?do=abort` throws the instance away and `?do=panic` panics in it; `?do=directory_off`,
//! `?do=directory_hang` and `?do=directory_on` make every call to the directory fail, wait, and go through again; `?do=hang`
//! and `?do=go_on` do the same to calls of this object, `?do=lose` loses the next one, and `?do=lose_answer` the answer of the next one, from when on calls to the directory go through; `?do=refuse_sockets` and
//! `?do=take_sockets` are about new sockets, `?do=garble` spoils the attachments of those that are there, and `?do=reshape FORM` brings
//! them into another form; `?do=lose_alarm`
//! takes the alarm away, `?do=reject_alarm` rejects the next one that an object sets, and `?do=reject_alarm_twice` that of the second try too; `?do=watch` counts the calls to objects whose
//! names begin with this one, `?do=hold` and `?do=release` make them wait and go on, `?do=calls` tells the counts; `?do=full` and `?do=roomy` are about the shards' databases; `?do=rows` tells what its tables hold,
//! `?do=sql UPDATE …` changes them, `?do=rollback` tells what a failing statement leaves behind; `?do=zone NAME MILLIS …`
//! tells what clocks of a zone show.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

use rollcall_core::{
    directory::row::COLUMNS,
    store::{
        Statement,
        migrations::{Extras, StoreKind},
    },
    time::Timestamp,
};
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Env, Headers, Request, RequestInit, Response, State, Url,
    js_sys::{Error, Function, Reflect, Uint8Array},
    web_sys,
    worker_sys::ext::WebSocketExt as _,
};

use crate::{
    clock::Pause,
    raw,
    sql::{Sql, Tables},
    stub::{CUTOFFS, CallError, DIRECTORY, USERS},
    zone,
};

const HEADER: &str = "X-Rollcall-Probe";
/// What calls to the directory meet: one of the three below.
static DIRECTORY_IS: AtomicU8 = AtomicU8::new(ON);
const ON: u8 = 0;
const OFF: u8 = 1;
const HANGING: u8 = 2;
/// How often a call that hangs looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Whether objects refuse new sockets.
static REFUSES_SOCKETS: AtomicBool = AtomicBool::new(false);
/// How many of the next alarms are rejected.
static REJECTS_ALARMS: AtomicU8 = AtomicU8::new(0);
/// Whether shards take their databases for nearly full.
static FULL: AtomicBool = AtomicBool::new(false);
static INSTANCES: AtomicU64 = AtomicU64::new(0);

#[derive(Default, Clone, Copy)]
struct Seen {
    instance: u64,
    wakes: u64,
    asks: u64,
    requests: u64,
    read: u64,
    written: u64,
}

/// How often a statement was run, and the rows that it read and wrote.
type Run = (u64, u64, u64);

thread_local! {
    /// By object id. It outlives instances, because the isolate does.
    static SEEN: RefCell<HashMap<String, Seen>> = RefCell::default();
    /// By object id and text.
    static STATEMENTS: RefCell<BTreeMap<(String, String), Run>> = RefCell::default();
    /// Whether the probe itself asks. Its own statements do not count.
    static IS_LOOKING: Cell<bool> = Cell::default();
    /// The ids of objects that do not answer.
    static HANGS: RefCell<HashSet<String>> = RefCell::default();
    /// The name of the object that the next call does not reach.
    static LOST: RefCell<Option<String>> = RefCell::default();
    /// The name of the object whose next answer is lost.
    static LOST_ANSWER: RefCell<Option<String>> = RefCell::default();
    static CALLS: RefCell<Calls> = RefCell::default();
}

/// Calls to objects whose names begin alike.
#[derive(Default)]
struct Calls {
    /// The beginning of the names of those that are counted.
    watched: Option<String>,
    /// The same of those that wait.
    held: Option<String>,
    under_way: u64,
    most: u64,
}

/// A call that is under way until this is dropped.
pub(crate) struct UnderWay {
    is_counted: bool,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.is_counted {
            CALLS.with_borrow_mut(|calls| calls.under_way = calls.under_way.saturating_sub(1));
        }
    }
}

/// Counts a call to the object of that name, and returns when no test holds it.
pub(crate) async fn under_way(name: &str) -> UnderWay {
    let begins = |prefix: &Option<String>| prefix.as_deref().is_some_and(|prefix| name.starts_with(prefix));
    let is_counted = CALLS.with_borrow_mut(|calls| {
        let is_counted = begins(&calls.watched);
        if is_counted {
            calls.under_way += 1;
            calls.most = calls.most.max(calls.under_way);
        }
        is_counted
    });
    let call = UnderWay { is_counted };
    while CALLS.with_borrow(|calls| begins(&calls.held)) {
        Pause::of(LOOK_AGAIN).await;
    }
    call
}

fn seen(state: &State, change: impl FnOnce(&mut Seen)) -> Seen {
    SEEN.with_borrow_mut(|all| {
        let seen = all.entry(state.id().to_string()).or_default();
        change(seen);
        *seen
    })
}

/// A new instance.
pub(crate) fn constructed(state: &State) {
    seen(state, |seen| seen.instance = INSTANCES.fetch_add(1, Ordering::Relaxed) + 1);
}

/// A socket or the alarm woke the object.
pub(crate) fn woken(state: &State) {
    seen(state, |seen| seen.wakes += 1);
}

/// A call or the alarm reached the object. Each is billed.
pub(crate) fn requested(state: &State) {
    seen(state, |seen| seen.requests += 1);
}

/// A statement was run to its end. The runtime's cursor counts as the bill does.
pub(crate) fn counted(state: &State, sql: &str, read: usize, written: usize) {
    if IS_LOOKING.get() {
        return;
    }
    let (read, written) =
        (u64::try_from(read).unwrap_or(u64::MAX), u64::try_from(written).unwrap_or(u64::MAX));
    seen(state, |seen| {
        seen.read += read;
        seen.written += written;
    });
    STATEMENTS.with_borrow_mut(|all| {
        let run = all.entry((state.id().to_string(), sql.to_owned())).or_default();
        *run = (run.0 + 1, run.1 + read, run.2 + written);
    });
}

/// The alarm was set, which is billed as a row written and is in no cursor.
pub(crate) fn alarm_set(state: &State) {
    counted(state, "setAlarm", 0, 1);
}

/// Looks without being counted.
fn looking<T>(look: impl FnOnce() -> T) -> T {
    IS_LOOKING.set(true);
    let answer = look();
    IS_LOOKING.set(false);
    answer
}

/// The object of a tenant's orders was asked for them.
pub(crate) fn asked(state: &State) {
    seen(state, |seen| seen.asks += 1);
}

/// Returns when the object answers.
pub(crate) async fn answers(state: &State) {
    let id = state.id().to_string();
    while HANGS.with_borrow(|all| all.contains(&id)) {
        Pause::of(LOOK_AGAIN).await;
    }
}

/// Whether a call reaches the object of that name.
pub(crate) fn is_brought(name: &str) -> worker::Result<()> {
    if LOST.with_borrow_mut(|lost| lost.take_if(|lost| lost == name)).is_none() {
        return Ok(());
    }
    Err(lost("a test lost a call")?)
}

/// Whether the answer of the object of that name reaches its caller.
pub(crate) fn answer_arrives(name: &str) -> worker::Result<()> {
    if LOST_ANSWER.with_borrow_mut(|lost| lost.take_if(|lost| lost == name)).is_none() {
        return Ok(());
    }
    DIRECTORY_IS.store(ON, Ordering::Relaxed);
    Err(lost("a test lost an answer")?)
}

fn lost(what: &str) -> worker::Result<worker::Error> {
    let error = Error::new(what);
    Reflect::set(&error, &"retryable".into(), &JsValue::TRUE)?;
    Ok(JsValue::from(error).into())
}

/// Whether an object takes a new socket.
pub(crate) fn takes_sockets() -> worker::Result<()> {
    if REFUSES_SOCKETS.load(Ordering::Relaxed) {
        return Err(worker::Error::RustError("a test lets no socket in".to_owned()));
    }
    Ok(())
}

/// Whether an object takes the alarm that it is given. One that is rejected is not set.
pub(crate) fn takes_alarm(storage: &JsValue) -> Result<(), JsValue> {
    let one_less = |left: u8| left.checked_sub(1);
    if REJECTS_ALARMS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
        call(storage, "deleteAlarm");
        return Err(Error::new("a test rejects an alarm").into());
    }
    Ok(())
}

/// Whether a shard's database counts as nearly full.
pub(crate) fn is_full() -> bool {
    FULL.load(Ordering::Relaxed)
}

/// Whether the directory may be called; while it hangs, there is no answer to that.
pub(crate) async fn directory_reachable() -> Result<(), CallError> {
    loop {
        match DIRECTORY_IS.load(Ordering::Relaxed) {
            OFF => return Err(CallError::Failed("a test broke the directory".to_owned())),
            HANGING => Pause::of(LOOK_AGAIN).await,
            _ => return Ok(()),
        }
    }
}

/// The route, at the entry.
pub(crate) async fn route(env: &Env, raw: &web_sys::Request) -> Option<worker::Result<web_sys::Response>> {
    let url = Url::parse(&raw.url()).ok()?;
    let path = url.path().strip_prefix("/__probe/")?.to_owned();
    let action = url.query_pairs().find(|(name, _)| name == "do").map(|(_, value)| value.into_owned());
    let asked = async {
        let headers = Headers::new();
        headers.set(HEADER, action.as_deref().unwrap_or("look"))?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let (binding, name) = match (path.strip_prefix("directory/"), path.strip_prefix("cutoffs/")) {
            (Some(shard), _) => (DIRECTORY, shard),
            (_, Some(tenant)) => (CUTOFFS, tenant),
            _ => (USERS, path.as_str()),
        };
        let stub = env.durable_object(binding)?.get_by_name(name)?;
        let mut response = stub.fetch_with_request(Request::new_with_init("https://object/", &init)?).await?;
        Ok(Response::ok(response.text().await?)?.into())
    };
    Some(asked.await)
}

/// The same, in the object.
pub(crate) fn user(
    state: &State,
    request: &Request,
    forget: impl FnOnce(),
) -> Option<worker::Result<Response>> {
    let Some(action) = request.headers().get(HEADER).ok()? else {
        requested(state);
        return None;
    };
    match action.as_str() {
        "forget" => forget(),
        "statements" => return Some(Response::ok(statements(state))),
        "abort" => abort(state),
        "panic" => panic(),
        "directory_off" => DIRECTORY_IS.store(OFF, Ordering::Relaxed),
        "directory_hang" => DIRECTORY_IS.store(HANGING, Ordering::Relaxed),
        "directory_on" => DIRECTORY_IS.store(ON, Ordering::Relaxed),
        "hang" => HANGS.with_borrow_mut(|all| {
            all.insert(state.id().to_string());
        }),
        "go_on" => HANGS.with_borrow_mut(|all| {
            all.remove(&state.id().to_string());
        }),
        "lose" => LOST.set(state.id().name()),
        "lose_answer" => LOST_ANSWER.set(state.id().name()),
        "watch" => CALLS.set(Calls { watched: state.id().name(), ..Calls::default() }),
        "hold" => CALLS.with_borrow_mut(|calls| calls.held = state.id().name()),
        "release" => CALLS.with_borrow_mut(|calls| calls.held = None),
        "calls" => {
            return Some(Response::ok(
                CALLS.with_borrow(|calls| format!("{} {}", calls.under_way, calls.most)),
            ));
        }
        "refuse_sockets" => REFUSES_SOCKETS.store(true, Ordering::Relaxed),
        "take_sockets" => REFUSES_SOCKETS.store(false, Ordering::Relaxed),
        "garble" => garble(state),
        "lose_alarm" => call(state.storage().as_raw().as_ref(), "deleteAlarm"),
        "reject_alarm" => REJECTS_ALARMS.store(1, Ordering::Relaxed),
        "reject_alarm_twice" => REJECTS_ALARMS.store(2, Ordering::Relaxed),
        "full" => FULL.store(true, Ordering::Relaxed),
        "roomy" => FULL.store(false, Ordering::Relaxed),
        "rollback" => return Some(Response::ok(looking(|| rollback(state)))),
        "rows" => return Some(Response::ok(looking(|| rows(state)))),
        other => {
            if let Some(statement) = other.strip_prefix("sql ") {
                return Some(looking(|| change(state, statement)));
            }
            if let Some(form) = other.strip_prefix("reshape ") {
                return Some(Response::ok(reshape(state, form).to_string()));
            }
            if let Some(asked) = other.strip_prefix("zone ") {
                return Some(Response::ok(clocks(asked)));
            }
        }
    }
    let Seen { instance, wakes, asks, requests, read, written } = seen(state, |_| {});
    Some(Response::from_json(&serde_json::json!({
        "instance": instance, "wakes": wakes, "asks": asks, "requests": requests, "read": read, "written": written,
    })))
}

/// A line for each statement of the object: runs, rows read, rows written, text.
fn statements(state: &State) -> String {
    let id = state.id().to_string();
    STATEMENTS.with_borrow(|all| {
        let own = all.iter().filter(|((object, _), _)| *object == id);
        own.map(|((_, sql), (runs, read, written))| format!("{runs} {read} {written} {sql}\n")).collect()
    })
}

/// A line for each instant.
fn clocks(asked: &str) -> String {
    let mut words = asked.split(' ');
    let Some(zone) = words.next().and_then(|name| zone::zone(name).ok()) else {
        return "no such zone\n".to_owned();
    };
    let instants = words.filter_map(|word| word.parse().ok()).map(Timestamp::from_millis);
    instants.map(|instant| zone.format(instant) + "\n").collect()
}

/// Runs a statement of a test's own.
fn change(state: &State, statement: &str) -> worker::Result<Response> {
    let tables = Cell::new(Tables::Current(Extras::ALL));
    let changed =
        Sql::new(state, StoreKind::User, &tables).write(&[Statement::new(statement.to_owned(), [])]);
    match changed {
        Ok(_) => Response::ok("done\n"),
        Err(error) => Response::error(error.to_string(), 500),
    }
}

/// Shows that a failing statement takes those before it back: what was refused, and what is left of the first.
fn rollback(state: &State) -> String {
    let tables = Cell::default();
    let sql = Sql::new(state, StoreKind::User, &tables);
    let insert = || Statement::new("INSERT INTO user (id) VALUES ('trial')", []);
    let refused = sql.write(&[insert(), insert()]).is_err();
    let left = sql.read(&Statement::new("SELECT id FROM user", []));
    format!("{refused} {left:?}\n")
}

/// Leaves on every socket what another version of the code would.
fn garble(state: &State) {
    for socket in state.as_raw().get_websockets().unwrap_or_default() {
        let bytes = JsValue::from(Uint8Array::from(br#"{"v":1000,"body":{}}"#.as_slice()));
        let _ = socket.serialize_attachment(bytes);
    }
}

/// Leaves on every socket of the kind of `form` what code would whose attachments have the members of `form`: those that the socket has
/// keep their values. Returns the number of sockets.
fn reshape(state: &State, form: &str) -> usize {
    let Ok(form) = serde_json::from_str::<Value>(form) else { return 0 };
    let mut reshaped = 0;
    for socket in state.as_raw().get_websockets().unwrap_or_default() {
        let Ok(kept) = socket.deserialize_attachment() else { continue };
        let Ok(own) = serde_json::from_slice::<Value>(&Uint8Array::new(&kept).to_vec()) else { continue };
        if kind(&own) == kind(&form) {
            let text = shaped(&own, &form).to_string();
            let _ = socket.serialize_attachment(JsValue::from(Uint8Array::from(text.as_bytes())));
            reshaped += 1;
        }
    }
    reshaped
}

/// The kind of an attachment.
fn kind(attachment: &Value) -> Option<&String> {
    attachment.get("body")?.as_object()?.keys().next()
}

fn shaped(own: &Value, form: &Value) -> Value {
    let (Value::Object(own), Value::Object(members)) = (own, form) else { return own.clone() };
    let of = |(name, form): (&String, &Value)| {
        let value = own.get(name).map_or_else(|| form.clone(), |own| shaped(own, form));
        (name.clone(), value)
    };
    members.iter().map(of).collect()
}

/// Calls a method of the runtime that answers with a promise, which nothing waits for.
fn call(object: &JsValue, method: &str) {
    if let Ok(method) = Reflect::get(object, &method.into()).and_then(JsCast::dyn_into::<Function>) {
        let _ = method.call0(object);
    }
}

/// Resets the object as a failing store would: from outside, not in the middle of our own code.
fn abort(state: &State) {
    let raw: &JsValue = state.as_raw().as_ref();
    let Ok(method) = Reflect::get(raw, &"abort".into()).and_then(JsCast::dyn_into::<Function>) else {
        return;
    };
    let bound = method.bind1(raw, &"a test resets the object".into());
    raw::set_timeout(bound.unchecked_ref(), 10.0);
}

#[allow(clippy::panic, reason = "a test wants to know what one costs")]
fn panic() {
    panic!("a test panics");
}

fn rows(state: &State) -> String {
    let tables = Cell::new(Tables::Current(Extras::ALL));
    let sql = Sql::new(state, StoreKind::User, &tables);
    let named = Statement::new(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
        [],
    );
    let mut text = String::new();
    for table in sql.read(&named).ok().flatten().unwrap_or_default() {
        let [rollcall_core::store::Value::Text(name)] = table.as_slice() else { continue };
        // Numbers above 2^53 are read as text, as everywhere.
        let columns = if name == "record" { COLUMNS } else { "*" };
        let rows = sql.read(&Statement::new(format!("SELECT {columns} FROM {name}"), []));
        text.push_str(&format!("{name}: {rows:?}\n"));
    }
    text
}
