//! The task that owns one socket, from its upgrade to its end.

use std::{
    convert::Infallible,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::Poll,
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use rollcall_api::metrics::CloseReason;
use rollcall_core::{
    gateway::{Close, Incoming, Payload, Wire},
    id::{ConnId, UserId},
    platform::Platform,
    user::{ClientMessage, ConsoleOpening, Opening},
};
use tokio::time::{Sleep, sleep_until};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::timers::{TimerAction, Timers};
use crate::{
    backend::Origin,
    deadline::reached,
    outbox::{Outbox, SocketAction},
    users::{PendingSocket, Users},
};

/// Bytes of a pong's frame beside its payload.
const PONG_HEAD: usize = 2;

/// A connection that is live for its user, or about to be.
///
/// There may be very many. Futures that run for moments only (a command, a close) are boxed for those moments, so that the
/// task of an idle socket stays small.
pub(super) struct Session {
    pub(super) users: Users,
    pub(super) user: UserId,
    pub(super) connection: ConnId,
    /// How a gateway client's messages are encoded; `None` for a console.
    wire: Option<Wire>,
    /// Whether the client cannot send pings itself, as browsers cannot.
    needs_pings: bool,
    pub(super) outbox: Outbox,
    /// Held until the connection's end is durable, which the end of the process waits for.
    session: TaskTrackerToken,
}

/// How a session ended.
pub(super) enum SessionEnd {
    /// The server closes the socket, with a Close frame.
    Close(Close),
    /// The client closes the socket. Its Close frame is answered.
    Left,
    /// The client is gone, and gets no Close frame.
    Gone(CloseReason),
}

impl SessionEnd {
    /// As metrics count it.
    pub(super) const fn reason(&self) -> CloseReason {
        match self {
            Self::Close(close) => CloseReason::Closed(*close),
            Self::Left => CloseReason::ClientClose,
            Self::Gone(reason) => *reason,
        }
    }
}

impl Session {
    /// A gateway connection that is about to be opened.
    pub(super) fn of_client(origin: &Origin, opening: &Opening) -> Self {
        let needs_pings = opening.token.platform == Platform::Web;
        Self::new(origin, opening.token.user.clone(), opening.connection, Some(opening.wire), needs_pings)
    }

    /// A console that is about to be opened.
    pub(super) fn of_console(origin: &Origin, opening: &ConsoleOpening) -> Self {
        Self::new(origin, opening.principal.user.clone(), opening.connection, None, true)
    }

    fn new(origin: &Origin, user: UserId, connection: ConnId, wire: Option<Wire>, needs_pings: bool) -> Self {
        let (users, session) = (origin.users.clone(), origin.sessions().token());
        let outbox = Outbox::default();
        Self { users, user, connection, wire, needs_pings, outbox, session }
    }

    /// The argument of [`Users::open`].
    pub(super) fn pending(&self) -> PendingSocket {
        PendingSocket { outbox: self.outbox.clone(), on_abandoned: Box::new(self.on_abandoned()) }
    }

    /// Ends a connection whose client left between the acceptance and the upgrade.
    pub(super) fn on_abandoned(&self) -> impl FnOnce() + Send + 'static {
        let (users, user, outbox) = (self.users.clone(), self.user.clone(), self.outbox.clone());
        let (connection, session) = (self.connection, self.session.clone());
        move || {
            tracing::debug!("an accepted client left before its upgrade");
            outbox.set_closed();
            users.metrics().closed(CloseReason::Abandoned);
            tokio::spawn(async move {
                users.end(&user, connection).await;
                drop(session);
            });
        }
    }

    /// Serves the socket until it ends, then ends the connection. `greeting` is sent first.
    pub(super) fn serve(self, mut socket: WebSocket, greeting: Option<Payload>) -> impl Future<Output = ()> {
        if let Some(greeting) = greeting {
            // Through the outbox, so that its limits apply.
            self.outbox.send_first(greeting);
        }
        // No `async fn`, which would reserve memory for its arguments twice.
        async move {
            // A panic must not leave the connection live for ever.
            let end = match AssertUnwindSafe(self.run(&mut socket)).catch_unwind().await {
                Ok(Err(end)) => end,
                Err(_) => self.panicked(),
            };
            Box::pin(self.finish(socket, end)).await;
        }
    }

    /// Closes the socket and ends the connection.
    pub(super) async fn finish(&self, mut socket: WebSocket, end: SessionEnd) {
        self.users.metrics().closed(end.reason());
        let closing = async {
            match end {
                SessionEnd::Close(close) => close_socket(&mut socket, &self.outbox, close).await,
                SessionEnd::Left => answer_close(&mut socket, &self.outbox).await,
                SessionEnd::Gone(_) => {}
            }
            drop(socket);
            self.outbox.set_closed();
        };
        // Concurrently: the connection leaves all answers while its client still reads the close, and whoever awaits the
        // close does not wait for the store.
        tokio::join!(self.users.end(&self.user, self.connection), closing);
    }

    pub(super) fn panicked(&self) -> SessionEnd {
        tracing::error!("a socket's task panicked");
        self.users.metrics().panicked();
        SessionEnd::Gone(CloseReason::Failed)
    }

    /// Reads and writes until one side is done.
    async fn run(&self, socket: &mut WebSocket) -> Result<Infallible, SessionEnd> {
        let mut timers = Timers::new(self.needs_pings);
        // Boxed, so that the task stays small.
        let mut sleep = Box::pin(sleep_until(timers.next()));
        loop {
            tokio::select! {
                biased;
                next = self.outbox.next() => match next {
                    SocketAction::Close(close) => return Err(SessionEnd::Close(close)),
                    SocketAction::Keep(heartbeat) => timers.keep(heartbeat),
                    SocketAction::Send(payload) => {
                        Box::pin(self.send(socket, message(payload), &mut timers, sleep.as_mut())).await?;
                    }
                },
                received = self.next_frame(socket) => {
                    let received = received.ok_or(SessionEnd::Gone(CloseReason::ConnectionLost))?;
                    timers.received(matches!(received, Ok(Message::Text(_) | Message::Binary(_))));
                    match received {
                        Ok(Message::Text(text)) => {
                            Box::pin(self.receive(Incoming::Text(text.as_str().to_owned()))).await?;
                        }
                        Ok(Message::Binary(bytes)) => {
                            Box::pin(self.receive(Incoming::Binary(bytes.into()))).await?;
                        }
                        Ok(Message::Ping(ping)) => {
                            self.users.metrics().dropped(self.outbox.pong_waits(PONG_HEAD + ping.len()));
                        }
                        Ok(Message::Pong(_)) => {}
                        Ok(Message::Close(_)) => return Err(SessionEnd::Left),
                        Err(error) => return Err(end_of(error)),
                    }
                }
                () = reached(sleep.as_mut(), || Some(timers.next())) => {
                    let heartbeat = match timers.due() {
                        TimerAction::TimeOut => return Err(SessionEnd::Gone(CloseReason::IdleTimeout)),
                        TimerAction::Nothing => continue,
                        TimerAction::Ping => Message::Ping(Vec::new().into()),
                        TimerAction::Beat(text) => Message::Text(text.into()),
                    };
                    Box::pin(self.send(socket, heartbeat, &mut timers, sleep.as_mut())).await?;
                }
            }
        }
    }

    /// The next frame. The library below queues a pong for each ping that it returns; these are written meanwhile.
    async fn next_frame(&self, socket: &mut WebSocket) -> Option<Result<Message, axum::Error>> {
        poll_fn(|context| {
            if self.outbox.has_waiting_pongs() {
                match socket.poll_flush_unpin(context) {
                    Poll::Ready(Ok(())) => self.outbox.pongs_are_sent(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                    Poll::Pending => {}
                }
            }
            socket.poll_next_unpin(context)
        })
        .await
    }

    /// Sends a message. Fails when the client is gone or does not read in time.
    async fn send(
        &self,
        socket: &mut WebSocket,
        message: Message,
        timers: &mut Timers,
        mut sleep: Pin<&mut Sleep>,
    ) -> Result<(), SessionEnd> {
        let mut sending = pin!(socket.send(message));
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => return sent.map_err(end_of),
                () = self.outbox.close_timed_out() => {
                    let reason = self.outbox.requested_close().map_or(CloseReason::ConnectionLost, CloseReason::Closed);
                    return Err(SessionEnd::Gone(reason));
                }
                // Only the timeout counts here: a ping could not overtake the message that waits.
                () = reached(sleep.as_mut(), || Some(timers.next())) => if timers.due() == TimerAction::TimeOut {
                    return Err(SessionEnd::Gone(CloseReason::Closed(Close::TooSlow)));
                },
            }
        }
    }

    /// Executes a client message. If that fails the socket ends, and the client reconnects and repeats it.
    pub(super) async fn receive(&self, message: Incoming) -> Result<(), SessionEnd> {
        let connection = self.connection;
        let received = match self.wire {
            Some(wire) => {
                let message = ClientMessage::decode(wire, &self.user, &message);
                self.users.receive(&self.user, connection, message).await
            }
            None => self.users.carry_out_message(&self.user, connection, &message).await,
        };
        match received {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "a client message could not be executed");
                Err(SessionEnd::Gone(CloseReason::Failed))
            }
        }
    }
}

/// Sends the Close frame and waits for the client's, within what is left of the close timeout.
async fn close_socket(socket: &mut WebSocket, outbox: &Outbox, close: Close) {
    // The close timeout of a close that was not requested through the outbox starts here.
    let _ = outbox.close(close);
    let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
    let handshake = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            outbox.set_closed();
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    tokio::select! {
        () = handshake => {}
        () = outbox.close_timed_out() => {}
    }
}

/// Sends these messages, then the Close frame. The close timeout bounds all of it: a client that does not read is
/// disconnected.
pub(super) async fn say_and_close(mut socket: WebSocket, messages: Vec<Payload>, close: Close) {
    let outbox = Outbox::default();
    let _ = outbox.close(close);
    let sending = async {
        for payload in messages {
            socket.send(message(payload)).await?;
        }
        Ok::<_, axum::Error>(())
    };
    let sent = tokio::select! {
        sent = sending => sent.is_ok(),
        () = outbox.close_timed_out() => false,
    };
    if sent {
        close_socket(&mut socket, &outbox, close).await;
    }
}

/// Answers the client's Close frame (RFC 6455, 5.5.1), within the close timeout.
async fn answer_close(socket: &mut WebSocket, outbox: &Outbox) {
    let _ = outbox.close(Close::Done);
    // The library below has queued the answer, writes it while it reads on, and ends behind it.
    let answered = async { while let Some(Ok(_)) = socket.recv().await {} };
    tokio::select! {
        () = answered => {}
        () = outbox.close_timed_out() => {}
    }
}

pub(super) fn message(payload: Payload) -> Message {
    match payload {
        Payload::Text(text) => Message::Text(text.into()),
        Payload::Binary(bytes) => Message::Binary(bytes.into()),
    }
}

/// The end that an error means: a Close frame for bytes that are no message, none if the connection is gone.
fn end_of(error: axum::Error) -> SessionEnd {
    use tungstenite::Error;
    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => SessionEnd::Close(Close::TooBig),
        Some(Error::WriteBufferFull(_)) => SessionEnd::Gone(CloseReason::Closed(Close::TooSlow)),
        Some(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
            SessionEnd::Gone(CloseReason::ConnectionLost)
        }
        Some(Error::Protocol(_) | Error::Utf8(_)) => SessionEnd::Close(Close::Undecodable),
        _ => SessionEnd::Gone(CloseReason::ConnectionLost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that `Session::serve` returns.
    fn size_of_task<F>(_serve: impl Fn(Session, WebSocket, Option<Payload>) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_socket_stays_small() {
        let (task, socket) = (size_of_task(Session::serve), size_of::<WebSocket>());
        println!("a socket's task: {task} bytes, {socket} of them axum's WebSocket");
        assert!(task <= socket + 512, "{task} bytes, {socket} of them the socket's");
    }
}
