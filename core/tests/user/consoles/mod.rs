//! Sockets of the message center, and what orders leave behind for opaque tokens: one example a sentence.

mod conversations;
mod orders;
mod sockets;

use crate::harness::{Adapter, Event, START, Setup, Sqlite, Store as _, Trace, check_order, kicked};
use rollcall_core::{
    gateway::{Close, Incoming, Payload},
    id::{ConnId, TenantId, UserId},
    message_center::Principal,
    serial::Serial,
    stomp::{Framing, HeartbeatMode, Session},
    time::Timestamp,
    token::TokenError,
    user::{Bearer, Change, Client, Command, ConsoleOpening, ForceOff, Loaded, OpenError, Profile, Reply},
};

const WEB: u8 = 5;

fn adapter() -> Adapter<Sqlite> {
    Adapter::new(Setup::default())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn principal(adapter: &Adapter<Sqlite>) -> Principal {
    Principal { sys_admin: false, ..Principal::openim_admin(adapter.user.id().clone()) }
}

fn reply(trace: &Trace) -> Reply {
    match trace.last() {
        Some(Event::Reply(reply)) => reply.clone(),
        other => panic!("{other:?} is no reply"),
    }
}

fn try_open(adapter: &mut Adapter<Sqlite>, principal: Principal) -> (ConnId, Trace) {
    try_open_with(adapter, principal, None)
}

fn try_open_with(
    adapter: &mut Adapter<Sqlite>,
    principal: Principal,
    session: Option<Session>,
) -> (ConnId, Trace) {
    let connection = adapter.draw_connection();
    let opening =
        ConsoleOpening { connection, principal, client: Client::default(), session: session.map(Box::new) };
    (connection, adapter.run(&Command::OpenConsole(Box::new(opening))))
}

/// A console that speaks STOMP.
fn talking(adapter: &mut Adapter<Sqlite>, framing: Framing) -> ConnId {
    let who = principal(adapter);
    let (connection, trace) =
        try_open_with(adapter, who, Some(Session::new(framing, HeartbeatMode::Enabled)));
    assert_eq!(reply(&trace), Reply::Opened(Ok(())));
    connection
}

fn said(adapter: &mut Adapter<Sqlite>, connection: ConnId, text: &str) -> Trace {
    adapter.receive(connection, &Incoming::Text(text.to_owned()))
}

fn texts(trace: &Trace, to: ConnId) -> Vec<&str> {
    let text = |event| match event {
        &Event::Send(connection, Payload::Text(ref text)) if connection == to => Some(text.as_str()),
        _ => None,
    };
    trace.iter().filter_map(text).collect()
}

fn open(adapter: &mut Adapter<Sqlite>) -> ConnId {
    let who = principal(adapter);
    let (connection, trace) = try_open(adapter, who);
    assert_eq!(reply(&trace), Reply::Opened(Ok(())));
    connection
}

fn token_status(
    adapter: &mut Adapter<Sqlite>,
    issued_at: Option<i64>,
    personal: bool,
) -> Result<(), TokenError> {
    let bearer = Bearer { tenant: TenantId::default(), issued_at: issued_at.map(at), personal };
    match reply(&adapter.run(&Command::VerifyBearer(bearer))) {
        Reply::TokenStatus(status) => status,
        other => panic!("{other:?} is no token status"),
    }
}

fn everything(notice: &str) -> ForceOff {
    ForceOff::Everything { within: None, notice: Some(notice.to_owned()), at: None }
}

const CONNECT: &str = "CONNECT\naccept-version:1.2\n\n\0";
const SUBSCRIBE: &str = "SUBSCRIBE\nid:s\ndestination:/user/queue/messages\n\n\0";
