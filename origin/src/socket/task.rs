//! The task that owns one socket, from its upgrade to its end.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::FutureExt as _;
use rollcall_core::{
    gateway::{Close, Incoming, Payload},
    id::{ConnId, UserId},
    user::request::Receive,
};
use tokio::time::{Sleep, sleep_until};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::timers::{TimerAction, Timers};
use crate::{
    backend::Origin,
    deadline::reached,
    metrics::CloseReason,
    outbox::{Outbox, SocketAction},
    users::{PendingSocket, Users},
};

/// One connection that its user knows as live, or is about to.
///
/// There may be very many: what is needed for a moment only (a command, a goodbye) is boxed for that moment, so that
/// the task of a socket that waits stays small.
pub(super) struct Session {
    pub(super) users: Users,
    pub(super) user: UserId,
    pub(super) connection: ConnId,
    /// Whether the client cannot send pings by itself, as browsers cannot.
    needs_pings: bool,
    pub(super) outbox: Outbox,
    /// Held until the end is durable: the process waits for it.
    session: TaskTrackerToken,
}

/// How a conversation ended.
enum End {
    /// It is ours to say goodbye.
    Goodbye(Close),
    /// There is nobody to say it to.
    Gone(CloseReason),
}

impl Session {
    /// A connection that is about to be opened. `needs_pings`: whether the client cannot send pings by itself, as browsers
    /// cannot.
    pub(super) fn new(origin: &Origin, user: UserId, connection: ConnId, needs_pings: bool) -> Self {
        let (users, session) = (origin.users.clone(), origin.sessions().token());
        let outbox = Outbox::default();
        Self { users, user, connection, needs_pings, outbox, session }
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

    /// Serves the socket until it ends, then tells the user. `greeting` is sent before anything else.
    pub(super) fn serve(self, mut socket: WebSocket, greeting: Option<Payload>) -> impl Future<Output = ()> {
        if let Some(greeting) = greeting {
            // Sent with everything else, and bounded like it.
            self.outbox.send_first(greeting);
        }
        // Not an `async fn`: that would keep room for its arguments twice.
        async move {
            // A bug that ends this task must not leave its connection live for ever.
            let end = match AssertUnwindSafe(self.converse(&mut socket)).catch_unwind().await {
                Ok(Err(end)) => end,
                Err(_) => self.broke(),
            };
            Box::pin(self.part(socket, end)).await;
        }
    }

    /// Says goodbye and ends the connection.
    async fn part(&self, mut socket: WebSocket, end: End) {
        self.users.metrics().closed(match end {
            End::Goodbye(close) => CloseReason::Closed(close),
            End::Gone(reason) => reason,
        });
        let goodbye = async {
            if let End::Goodbye(close) = end {
                finish(&mut socket, &self.outbox, close).await;
            }
            drop(socket);
            self.outbox.set_closed();
        };
        // Together: nobody sees the connection while its client takes its time, and nobody who waits for the close
        // waits for the store.
        tokio::join!(self.users.end(&self.user, self.connection), goodbye);
    }

    fn broke(&self) -> End {
        tracing::error!("a socket's task broke");
        self.users.metrics().panicked();
        End::Gone(CloseReason::Failed)
    }

    /// Reads and writes until one side is done.
    async fn converse(&self, socket: &mut WebSocket) -> Result<Infallible, End> {
        let mut timers = Timers::new(self.needs_pings);
        // Boxed, so that the task stays small.
        let mut sleep = Box::pin(sleep_until(timers.next()));
        loop {
            tokio::select! {
                biased;
                next = self.outbox.next() => match next {
                    SocketAction::Close(close) => return Err(End::Goodbye(close)),
                    SocketAction::Keep(heartbeat) => timers.keep(heartbeat),
                    SocketAction::Send(payload) => {
                        Box::pin(self.send(socket, message(payload), &mut timers, sleep.as_mut())).await?;
                    }
                },
                received = socket.recv() => {
                    let received = received.ok_or(End::Gone(CloseReason::ConnectionLost))?;
                    timers.received(matches!(received, Ok(Message::Text(_) | Message::Binary(_))));
                    match received {
                        Ok(Message::Text(text)) => {
                            Box::pin(self.receive(Incoming::Text(text.as_str().to_owned()))).await?;
                        }
                        Ok(Message::Binary(bytes)) => {
                            Box::pin(self.receive(Incoming::Binary(bytes.into()))).await?;
                        }
                        Ok(Message::Ping(_) | Message::Pong(_)) => {}
                        Ok(Message::Close(_)) => return Err(End::Gone(CloseReason::ClientClose)),
                        Err(error) => return Err(reason(error)),
                    }
                }
                () = reached(sleep.as_mut(), || Some(timers.next())) => {
                    let heartbeat = match timers.due() {
                        TimerAction::TimeOut => return Err(End::Gone(CloseReason::IdleTimeout)),
                        TimerAction::Nothing => continue,
                        TimerAction::Ping => Message::Ping(Vec::new().into()),
                        TimerAction::Beat(text) => Message::Text(text.into()),
                    };
                    Box::pin(self.send(socket, heartbeat, &mut timers, sleep.as_mut())).await?;
                }
            }
        }
    }

    /// Sends a message, unless the client is gone, or lets it wait for too long.
    async fn send(
        &self,
        socket: &mut WebSocket,
        message: Message,
        timers: &mut Timers,
        mut sleep: Pin<&mut Sleep>,
    ) -> Result<(), End> {
        let mut sending = pin!(socket.send(message));
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => return sent.map_err(|_| End::Gone(CloseReason::ConnectionLost)),
                () = self.outbox.close_timed_out() => {
                    let wish = self.outbox.requested_close().map_or(CloseReason::ConnectionLost, CloseReason::Closed);
                    return Err(End::Gone(wish));
                }
                // While it waits, it is neither asked for anything more nor given a sign of life.
                () = reached(sleep.as_mut(), || Some(timers.next())) => if timers.due() == TimerAction::TimeOut {
                    return Err(End::Gone(CloseReason::IdleTimeout));
                },
            }
        }
    }

    /// Hands a message to the user. When the user could not be asked, the client comes back and asks again.
    async fn receive(&self, message: Incoming) -> Result<(), End> {
        let received = Receive { connection: self.connection, message };
        match self.users.run(&self.user, received).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "a message could not be carried out");
                Err(End::Gone(CloseReason::Failed))
            }
        }
    }
}

/// Sends the Close frame and waits for the client's, within what is left of the close timeout.
pub(super) async fn finish(socket: &mut WebSocket, outbox: &Outbox, close: Close) {
    // A close that nobody asked for through the outbox has its bound from now.
    let _ = outbox.close(close);
    let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
    let goodbye = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            outbox.set_closed();
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    tokio::select! {
        () = goodbye => {}
        () = outbox.close_timed_out() => {}
    }
}

pub(super) fn message(payload: Payload) -> Message {
    match payload {
        Payload::Text(text) => Message::Text(text.into()),
        Payload::Binary(bytes) => Message::Binary(bytes.into()),
    }
}

/// What to say to a client whose bytes made no message; nothing when the connection is gone.
fn reason(error: axum::Error) -> End {
    use tungstenite::Error;
    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => End::Goodbye(Close::TooBig),
        Some(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
            End::Gone(CloseReason::ConnectionLost)
        }
        Some(Error::Protocol(_) | Error::Utf8(_)) => End::Goodbye(Close::Undecodable),
        _ => End::Gone(CloseReason::ConnectionLost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of what a function that is given a session, a socket and a greeting returns.
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
