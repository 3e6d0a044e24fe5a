//! The task that owns one socket, from its upgrade to its end.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use rollcall_core::{
    gateway::{Close, Incoming, Payload},
    id::{ConnId, UserId},
    user::Command,
};
use tokio::time::sleep_until;

use super::{
    outbox::{Next, Outbox},
    timers::{Due, Timers},
};
use crate::users::Users;

/// One connection that its user knows as live.
pub(super) struct Session {
    pub(super) users: Users,
    pub(super) user: UserId,
    pub(super) connection: ConnId,
    /// Whether the client cannot send pings by itself, as browsers cannot.
    pub(super) must_be_asked: bool,
    pub(super) outbox: Outbox,
}

impl Session {
    /// For a client that was accepted and is gone before its upgrade.
    pub(super) fn never_came(&self) -> impl FnOnce(axum::Error) + Send + 'static {
        let (users, user, outbox) = (self.users.clone(), self.user.clone(), self.outbox.clone());
        let connection = self.connection;
        move |error| {
            tracing::debug!(%error, "an accepted client was gone before its upgrade");
            outbox.closed();
            tokio::spawn(async move { users.end(&user, connection).await });
        }
    }

    /// Serves the socket until it ends, then tells the user. `greeting` is sent before anything else.
    pub(super) async fn serve(self, mut socket: WebSocket, greeting: Option<Payload>) {
        if let Some(greeting) = greeting {
            // What fails here fails again below.
            let _ = socket.send(message(greeting)).await;
        }
        let close = self.converse(&mut socket).await;
        let goodbye = async {
            if let Some(close) = close {
                finish(&mut socket, &self.outbox, close).await;
            }
            drop(socket);
            self.outbox.closed();
        };
        // Together: nobody sees the connection while its client takes its time, and nobody who waits for the close
        // waits for the store.
        tokio::join!(self.users.end(&self.user, self.connection), goodbye);
    }

    /// Reads and writes until one side is done. `Some` when it is ours to say goodbye.
    async fn converse(&self, socket: &mut WebSocket) -> Option<Close> {
        let mut timers = Timers::new(self.must_be_asked);
        loop {
            tokio::select! {
                biased;
                next = self.outbox.next() => match next {
                    Next::Close(close) => return Some(close),
                    Next::Keep(pulse) => timers.keep(pulse),
                    Next::Send(payload) => self.send(socket, message(payload), &timers).await?,
                },
                received = socket.recv() => {
                    let received = received?;
                    timers.heard(matches!(received, Ok(Message::Text(_) | Message::Binary(_))));
                    match received {
                        Ok(Message::Text(text)) => self.receive(Incoming::Text(text.as_str().to_owned())).await?,
                        Ok(Message::Binary(bytes)) => self.receive(Incoming::Binary(bytes.into())).await?,
                        Ok(Message::Ping(_) | Message::Pong(_)) => {}
                        Ok(Message::Close(_)) => return None,
                        Err(error) => return reason(error),
                    }
                }
                () = sleep_until(timers.next()) => match timers.due() {
                    Due::Gone => return None,
                    Due::Ping => self.send(socket, Message::Ping(Vec::new().into()), &timers).await?,
                    Due::Beat(text) => self.send(socket, Message::Text(text.into()), &timers).await?,
                    Due::Nothing => {}
                },
            }
        }
    }

    /// Sends, for no longer than its client may be silent. `None` when it could not be sent.
    async fn send(&self, socket: &mut WebSocket, message: Message, timers: &Timers) -> Option<()> {
        tokio::select! {
            sent = socket.send(message) => sent.ok(),
            () = self.outbox.cut() => None,
            () = sleep_until(timers.deadline()) => None,
        }
    }

    /// Hands a message to the user. `None` when the user could not be asked: the client comes back and asks again.
    async fn receive(&self, message: Incoming) -> Option<()> {
        let command = Command::Receive { connection: self.connection, message };
        match self.users.run(&self.user, command).await {
            Ok(_) => Some(()),
            Err(error) => {
                tracing::error!(%error, "a message could not be carried out");
                None
            }
        }
    }
}

/// Sends the Close frame and waits for the client's, both within what is left of the cut.
pub(super) async fn finish(socket: &mut WebSocket, outbox: &Outbox, close: Close) {
    // A close that nobody asked for through the outbox has its bound from now.
    let _ = outbox.close(close);
    let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
    let goodbye = async {
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            outbox.closed();
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    tokio::select! {
        () = goodbye => {}
        () = outbox.cut() => {}
    }
}

pub(super) fn message(payload: Payload) -> Message {
    match payload {
        Payload::Text(text) => Message::Text(text.into()),
        Payload::Binary(bytes) => Message::Binary(bytes.into()),
    }
}

/// What to say to a client whose bytes made no message; nothing when the connection is gone.
fn reason(error: axum::Error) -> Option<Close> {
    use tungstenite::Error;
    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => Some(Close::TooBig),
        Some(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => None,
        Some(Error::Protocol(_) | Error::Utf8(_)) => Some(Close::Undecodable),
        _ => None,
    }
}
