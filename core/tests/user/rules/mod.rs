//! The rules of a user, one example a sentence.

mod denials;
mod ends;
mod force_offs;
mod kicks;
mod logins;
mod messages;
mod operators;
mod policies;
mod secrets;
mod tokens;

use std::collections::BTreeMap;

use crate::harness::{
    Adapter, Event, JSON, START, Setup, Sqlite, Store, Trace, check_order, crossed, kicked, platform, refusal,
};
use rollcall_core::{
    gateway::{Close, Incoming, PING, Payload},
    id::ConnId,
    policy::LoginPolicy,
    time::{Moment, Timestamp},
    token::{TokenHash, TokenText},
    user::{Change, Claimed, Command, Connection, ForceOff, Loaded, Opening, Orders, Presence, Reply, User},
};

const ANDROID: u8 = 2;
const WINDOWS: u8 = 3;
const WEB: u8 = 5;
const ADMIN: u8 = 10;

fn adapter(policy: u8) -> Adapter<Sqlite> {
    Adapter::new(Setup { policy, ..Setup::default() })
}

fn graceful() -> Adapter<Sqlite> {
    Adapter::new(Setup { grace: 30, ..Setup::default() })
}

fn closes(trace: &Trace) -> Vec<(ConnId, Close)> {
    let close = |event: &Event| match event {
        Event::Close(id, close) => Some((*id, *close)),
        _ => None,
    };
    trace.iter().filter_map(close).collect()
}

fn publishes(trace: &Trace) -> Vec<bool> {
    let publish = |event: &Event| match event {
        Event::Publish { awaited } => Some(*awaited),
        _ => None,
    };
    trace.iter().filter_map(publish).collect()
}

fn hash(token: &TokenText) -> TokenHash {
    TokenHash::of(token.expose())
}

fn of_token(on: u8, token: &TokenText) -> ForceOff {
    ForceOff::Login { platform: platform(on), token: Some(hash(token)), connection: None }
}

fn of_connection(on: u8, connection: ConnId) -> ForceOff {
    ForceOff::Login { platform: platform(on), token: None, connection: Some(connection) }
}

fn logout(user: &str) -> Incoming {
    Incoming::Binary(format!(r#"{{"reqIdentifier":2003,"sendID":"{user}"}}"#).into_bytes())
}

/// What a kick does, in the order in which it does it.
fn names(trace: &Trace) -> Vec<&'static str> {
    let name = |event: &Event| match event {
        Event::Commit(_) => "commit",
        Event::Retire(_) => "retire",
        Event::Admit(_) => "admit",
        Event::Keep(..) => "keep",
        Event::Under(_) => "under",
        Event::Background(..) => "background",
        Event::Publish { .. } => "publish",
        Event::Send(..) => "send",
        Event::Close(..) => "close",
        Event::Watch(..) => "watch",
        Event::Reply(_) => "reply",
    };
    trace.iter().map(name).collect()
}
