//! One user: its tokens in SQL, its connections as hibernating sockets.
//!
//! An object keeps no state of its user in memory between two events but the pace of its connects and the date of the last, so
//! hibernation needs no care. Each event reads the live connections from the sockets' attachments, loads from SQL what its command needs, and applies it. There is no await
//! between the load and the end of the commit, so no other event comes in between.

mod alarm;
mod attachment;
mod carry_out;
mod follow;
mod load;
mod publish;
mod reconcile;
mod run;
mod sockets;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use rollcall_api::{Chain, metrics::CloseReason};
use rollcall_core::{
    gateway::{Close, Incoming, MESSAGE_BYTES},
    id::{ConnId, RecordId, UserId},
    store::migrations::StoreKind,
    time::Timestamp,
    user::{ClientMessage, Command, ConsoleMessage, Pace, Reply, SubscriptionQueue},
};
use tracing::Instrument as _;
use worker::{
    DurableObject, Env, Error, Request, Response, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    durable_object,
};

use self::{
    run::{RunError, With},
    sockets::Arriving,
};
use crate::{
    attachment::Attachment,
    config::{self, Configuration},
    log, metrics,
    sql::{Sql, Tables},
    stub::{self, CONSOLE_HEADER, UPGRADE_HEADER},
    wire::{self, CachedCutoff, ConsoleUpgrade, Upgrade, UserAnswer, UserAsk},
};

/// The Durable Object of a user.
#[durable_object]
pub struct UserObject {
    object: Rc<Object>,
}

/// What the events of an instance share. It is small: the runtime frees the memory of an evicted object late.
struct Object {
    state: State,
    env: Env,
    /// Whether this instance has ended what a crash left open.
    has_reconciled: Cell<bool>,
    /// What this instance knows of its tables.
    tables: Cell<Tables>,
    /// What the user's recent connects have used up, forgotten when the object hibernates.
    pace: Cell<Pace>,
    /// The date that the next opening has to follow; kept beside in the user's records.
    last_date: Cell<Timestamp>,
    /// Records whose openings the directory is to be told of by this instance. Until it is, their sockets say so.
    openings: RefCell<Vec<RecordId>>,
    /// Whether parts of the audit may wait in rows of their own. Looking for them costs a row, and few users have any.
    has_parts: Cell<bool>,
    /// Requests of its clients to follow users. They end with the instance, as the calls that they wait for do.
    subscribing: RefCell<SubscriptionQueue>,
}

impl DurableObject for UserObject {
    fn new(state: State, env: Env) -> Self {
        #[cfg(feature = "probe")]
        crate::probe::constructed(&state);
        Self {
            object: Rc::new(Object {
                state,
                env,
                has_reconciled: Cell::new(false),
                tables: Cell::default(),
                pace: Cell::default(),
                last_date: Cell::default(),
                openings: RefCell::default(),
                has_parts: Cell::default(),
                subscribing: RefCell::default(),
            }),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let object = self.object.clone();
        #[cfg(feature = "probe")]
        if let Some(answer) = crate::probe::user(&object.state, &request, || object.forget()) {
            return answer;
        }
        #[cfg(feature = "probe")]
        crate::probe::answers(&object.state).await;
        if let Some(newer) = object.sql().of_newer_code() {
            return stub::refuse(&newer);
        }
        let span = log::object_span(&object.env, request.headers());
        if let Some(header) = request.headers().get(UPGRADE_HEADER)? {
            return object.upgrade(&header).instrument(span).await;
        }
        if let Some(header) = request.headers().get(CONSOLE_HEADER)? {
            return object.upgrade_console(&header).instrument(span).await;
        }
        match wire::read(&request.text().await?) {
            Ok(ask) => respond(&object.answer(ask).instrument(span).await),
            Err(error) => stub::refuse(&error),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        #[cfg(feature = "probe")]
        {
            crate::probe::woken(&self.object.state);
            crate::probe::requested(&self.object.state);
        }
        self.object.clone().ring().await;
        Response::empty()
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> worker::Result<()> {
        #[cfg(feature = "probe")]
        crate::probe::woken(&self.object.state);
        let message = match message {
            WebSocketIncomingMessage::String(text) => Incoming::Text(text),
            WebSocketIncomingMessage::Binary(bytes) => Incoming::Binary(bytes),
        };
        self.object.clone().receive(&ws, message).await;
        Ok(())
    }

    async fn websocket_close(&self, ws: WebSocket, code: usize, _: String, _: bool) -> worker::Result<()> {
        #[cfg(feature = "probe")]
        crate::probe::woken(&self.object.state);
        let reason = match code {
            // No Close frame came.
            1006 => CloseReason::ConnectionLost,
            _ => CloseReason::ClientClose,
        };
        self.object.clone().left(&ws, reason).await;
        // The runtime has answered the client's Close frame by now, but keeps the TCP connection until the object
        // hibernates unless it is closed once more. Three codes stand for the absence of a frame and may not be sent.
        let code = u16::try_from(code).ok().filter(|code| !matches!(code, 1005 | 1006 | 1015));
        let _ = ws.close(code, Some(""));
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, error: Error) -> worker::Result<()> {
        #[cfg(feature = "probe")]
        crate::probe::woken(&self.object.state);
        tracing::debug!(error = %Chain(&error), "a socket broke");
        self.object.clone().left(&ws, CloseReason::ConnectionLost).await;
        Ok(())
    }

    async fn connect(&self, _: worker::Socket) -> worker::Result<()> {
        Err(Error::RustError("a user's object takes no TCP connections".to_owned()))
    }
}

impl Object {
    /// The upgrade of a client: 101 with its socket, or 200 with the reply that refuses it.
    async fn upgrade(self: Rc<Self>, header: &str) -> worker::Result<Response> {
        let Upgrade { opening, greeting, cached } = match wire::read_header(header) {
            Ok(upgrade) => upgrade,
            Err(error) => return stub::refuse(&error),
        };
        self.open(&Command::Open(Box::new(opening)), greeting, cached).await
    }

    /// The upgrade of a console, likewise.
    async fn upgrade_console(self: Rc<Self>, header: &str) -> worker::Result<Response> {
        let ConsoleUpgrade { opening, cached } = match wire::read_header(header) {
            Ok(upgrade) => upgrade,
            Err(error) => return stub::refuse(&error),
        };
        let greeting = opening.session.as_ref().and_then(|session| session.greeting()).map(str::to_owned);
        self.open(&Command::OpenConsole(Box::new(opening)), greeting, Some(cached)).await
    }

    async fn open(
        self: Rc<Self>,
        command: &Command,
        greeting: Option<String>,
        cached: Option<CachedCutoff>,
    ) -> worker::Result<Response> {
        let pair = WebSocketPair::new()?;
        let arriving = Some(Arriving { socket: pair.server, greeting });
        match self.run(command, With { arriving, cached, on: None }).await {
            Ok(Reply::Opened(Ok(()))) => Response::from_websocket(pair.client),
            Ok(reply) => respond(&UserAnswer::Reply(reply)),
            Err(error) => respond(&failed(&error)),
        }
    }

    async fn answer(self: Rc<Self>, ask: UserAsk) -> UserAnswer {
        let answered = match ask {
            UserAsk::Run(command) => self.obey(&command, None).await,
            UserAsk::RunUnder(command, cached) => self.obey(&command, Some(cached)).await,
            UserAsk::Records(ids) => {
                self.clone().drop_silent().await;
                self.records(ids).map(UserAnswer::Records)
            }
        };
        answered.unwrap_or_else(|error| failed(&error))
    }

    async fn obey(
        self: Rc<Self>,
        command: &Command,
        cached: Option<CachedCutoff>,
    ) -> Result<UserAnswer, RunError> {
        if matches!(command, Command::Status | Command::Overview { .. }) {
            self.clone().drop_silent().await;
        }
        self.run(command, With { cached, ..With::default() }).await.map(UserAnswer::Reply)
    }

    /// A message of a client.
    async fn receive(self: Rc<Self>, ws: &WebSocket, message: Incoming) {
        let Some(attachment) = Attachment::of(ws) else {
            self.reconcile_again();
            return;
        };
        let connection = attachment.id();
        let bytes = match &message {
            Incoming::Text(text) => text.len(),
            Incoming::Binary(bytes) => bytes.len(),
        };
        if bytes > MESSAGE_BYTES {
            self.hang_up(connection, ws, CloseReason::Closed(Close::TooBig)).await;
            return;
        }
        sockets::last_message(ws, crate::clock::now());
        let received = self.clone().carry_out_message(ws, attachment, message).await;
        if let Err(error) = received {
            tracing::error!(error = %Chain(&error), "a message could not be carried out");
            // The client reconnects and repeats its request.
            self.hang_up(connection, ws, CloseReason::Failed).await;
            return;
        }
        self.look_for_cutoff();
    }

    async fn carry_out_message(
        self: Rc<Self>,
        ws: &WebSocket,
        attachment: Attachment,
        message: Incoming,
    ) -> Result<(), RunError> {
        let command = match attachment {
            Attachment::Live { connection, .. } => {
                let message = ClientMessage::decode(connection.wire, &self.user()?, &message);
                let Some(message) = self.in_turn(connection.id, message) else { return Ok(()) };
                Command::Decoded { connection: connection.id, message }
            }
            Attachment::Console { console, .. } => Command::Receive {
                connection: console.id,
                message: ConsoleMessage::decode(&console, &message),
            },
            Attachment::Ended { .. } => return Ok(()),
        };
        self.run(&command, With { on: Some(ws), ..With::default() }).await.map(drop)
    }

    /// Knows what a new instance knows.
    #[cfg(feature = "probe")]
    fn forget(&self) {
        self.has_reconciled.set(false);
        self.tables.set(Tables::default());
        self.pace.set(Pace::default());
        self.last_date.set(Timestamp::default());
        self.openings.take();
        self.has_parts.set(false);
    }

    /// The end of a socket.
    async fn left(self: Rc<Self>, ws: &WebSocket, reason: CloseReason) {
        // The close of a connection that has left the live set was counted when it began.
        if Attachment::of(ws).is_some_and(|attachment| attachment.is_live()) {
            metrics::closed(&self.env, reason);
        }
        match sockets::connection(ws) {
            Some(connection) => self.end(connection, Some(ws)).await,
            None => self.reconcile_again(),
        }
    }

    /// Takes a connection out of the live set and closes its socket.
    async fn hang_up(self: Rc<Self>, connection: ConnId, ws: &WebSocket, reason: CloseReason) {
        metrics::closed(&self.env, reason);
        let close = match reason {
            CloseReason::Closed(close) => Some(close),
            _ => None,
        };
        self.end(connection, Some(ws)).await;
        // A closing socket needs no second close.
        let _ = ws.close(close.map(Close::code), close.map(Close::reason));
    }

    async fn end(self: Rc<Self>, connection: ConnId, ws: Option<&WebSocket>) {
        self.subscribing.borrow_mut().end(connection);
        let command = Command::Close { connection };
        if let Err(error) = self.clone().run(&command, With { on: ws, ..With::default() }).await {
            tracing::error!(error = %Chain(&error), "the end of a connection is not durable yet");
            // No reader shows it any more, and the next reconciliation ends its record.
            if let Some(ws) = ws {
                sockets::mark_ended(ws, connection);
            }
            self.has_reconciled.set(false);
            self.try_later();
        }
    }

    fn configuration(&self) -> Result<Arc<Configuration>, RunError> {
        Ok(config::load(&self.env)?)
    }

    /// The user of this object. The runtime knows the name of an object that was called by it; an alarm after a restart
    /// reads it from the store.
    fn user(&self) -> Result<UserId, RunError> {
        self.user_if_known()?.ok_or(RunError::Nameless)
    }

    fn user_if_known(&self) -> Result<Option<UserId>, RunError> {
        match self.state.id().name() {
            Some(name) => UserId::new(name).map(Some).map_err(|_| RunError::Nameless),
            None => self.user_from_store(),
        }
    }

    fn sql(&self) -> Sql<'_> {
        Sql::new(&self.state, StoreKind::User, &self.tables)
    }
}

fn failed(error: &RunError) -> UserAnswer {
    if let RunError::OtherTenant(home) = error {
        return UserAnswer::OtherTenant(*home);
    }
    tracing::error!(error = %Chain(error), "a command was not carried out");
    UserAnswer::Failed(Chain(error).to_string())
}

fn respond(answer: &UserAnswer) -> worker::Result<Response> {
    match wire::write(answer) {
        Ok(text) => Response::ok(text),
        Err(error) => Response::error(error.to_string(), 500),
    }
}
