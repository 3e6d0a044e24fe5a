//! Looks into objects and breaks them, for tests. Only in builds with the feature `probe`, never in a deployed one.
//!
//! `GET /__probe/USER` tells the user's instance and how often sockets and alarms woke the object;
//! `?do=abort` throws the instance away, `?do=directory_off` and `?do=directory_on` break and mend every call to
//! the directory, `?do=rows` tells what its tables hold, `?do=rollback` what a failing statement leaves behind.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rollcall_core::{directory::row::COLUMNS, store::Statement};
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Env, Headers, Request, RequestInit, Response, State, Url,
    js_sys::{Function, Reflect},
    web_sys,
};

use crate::{
    raw,
    sql::Sql,
    stub::{CallError, DIRECTORY, USERS},
};

const HEADER: &str = "X-Rollcall-Probe";
static UNREACHABLE: AtomicBool = AtomicBool::new(false);
static INSTANCES: AtomicU64 = AtomicU64::new(0);

#[derive(Default, Clone, Copy)]
struct Seen {
    instance: u64,
    wakes: u64,
}

thread_local! {
    /// By object id. It outlives instances, because the isolate does.
    static SEEN: RefCell<HashMap<String, Seen>> = RefCell::default();
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

/// Whether the directory may be called.
pub(crate) fn directory_reachable() -> Result<(), CallError> {
    if UNREACHABLE.load(Ordering::Relaxed) {
        Err(CallError("a test broke the directory".to_owned()))
    } else {
        Ok(())
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
        let (binding, name) = match path.strip_prefix("directory/") {
            Some(shard) => (DIRECTORY, shard),
            None => (USERS, path.as_str()),
        };
        let stub = env.durable_object(binding)?.get_by_name(name)?;
        let mut response = stub.fetch_with_request(Request::new_with_init("https://object/", &init)?).await?;
        Ok(Response::ok(response.text().await?)?.into())
    };
    Some(asked.await)
}

/// The same, in the object.
pub(crate) fn user(state: &State, request: &Request) -> Option<worker::Result<Response>> {
    let action = request.headers().get(HEADER).ok()??;
    match action.as_str() {
        "abort" => abort(state),
        "directory_off" => UNREACHABLE.store(true, Ordering::Relaxed),
        "directory_on" => UNREACHABLE.store(false, Ordering::Relaxed),
        "rollback" => return Some(Response::ok(rollback(state))),
        "rows" => return Some(Response::ok(rows(state))),
        _ => {}
    }
    let Seen { instance, wakes } = seen(state, |_| {});
    Some(Response::from_json(&serde_json::json!({ "instance": instance, "wakes": wakes })))
}

/// Shows that a failing statement takes those before it back: what was refused, and what is left of the first.
fn rollback(state: &State) -> String {
    let written = std::cell::Cell::new(false);
    let sql =
        Sql::new(state, &["CREATE TABLE IF NOT EXISTS trial (id INTEGER PRIMARY KEY) STRICT"], &written);
    let insert = || Statement::new("INSERT INTO trial (id) VALUES (1)", []);
    let refused = sql.write(&[insert(), insert()]).map(drop);
    let left = sql.read(&Statement::new("SELECT name FROM sqlite_master WHERE name = 'trial'", []));
    format!("{refused:?} {left:?}\n")
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

fn rows(state: &State) -> String {
    let written = std::cell::Cell::new(true);
    let sql = Sql::new(state, &[], &written);
    let tables = Statement::new(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
        [],
    );
    let mut text = String::new();
    for table in sql.read(&tables).ok().flatten().unwrap_or_default() {
        let [rollcall_core::store::Value::Text(name)] = table.as_slice() else { continue };
        // Numbers above 2^53 are read as text, as everywhere.
        let columns = if name == "record" { format!("{COLUMNS}, published") } else { "*".to_owned() };
        let rows = sql.read(&Statement::new(format!("SELECT {columns} FROM {name}"), []));
        text.push_str(&format!("{name}: {rows:?}\n"));
    }
    text
}
