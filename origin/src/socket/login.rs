//! Sockets whose clients bring their token in the first frame (`docs/rules/message-center.md#login`).

use std::{net::IpAddr, time::Duration};

use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt as _;
use rollcall_api::{
    Backend as _, BackendError, Health,
    message_center::socket::{ConnectError, PendingLogin},
};
use rollcall_core::{
    gateway::{Close, Incoming, Payload},
    id::ConnId,
    secret::Secret,
    stomp::{LoginOutcome, Refusal},
};
use tokio::time::timeout;

use super::task::{Session, message, say_and_close};
use crate::{
    backend::Origin,
    server::{
        admission::{AdmissionError, ConnectionPermit},
        rate::LaterProof,
    },
};

/// The time that a client has for its first frame.
const WITHIN: Duration = Duration::from_secs(5);

/// A socket that waits, with its place among those that do.
pub(super) struct WaitingSocket {
    origin: Origin,
    pending: PendingLogin,
    place: ConnectionPermit,
    limit: Option<LaterProof>,
}

/// The header `Authorization` of a first frame.
type Authorization = Option<Secret<String>>;

impl WaitingSocket {
    /// `limit` is that of tokens that are not good.
    ///
    /// # Errors
    /// When too many wait already.
    pub(super) fn new(
        origin: &Origin,
        pending: PendingLogin,
        address: IpAddr,
        limit: Option<LaterProof>,
    ) -> Result<Self, AdmissionError> {
        Ok(Self { origin: origin.clone(), pending, place: origin.logins().enter(address)?, limit })
    }

    /// Waits for the first frame, opens the console that it logs in, and serves that in a task of its own, which is smaller.
    pub(super) async fn serve(mut self, mut socket: WebSocket) {
        let read = timeout(WITHIN, self.read(&mut socket)).await;
        let refusal = match read {
            Ok(Some(Ok(_))) if self.origin.health() == Health::Draining => {
                self.pending.login.close(Close::Draining)
            }
            Ok(Some(Ok(authorization))) => match self.open(authorization).await {
                Ok(session) => {
                    drop(self.place);
                    return match session.receive(self.pending.login.unread()).await {
                        Ok(()) => drop(tokio::spawn(session.serve(socket, None))),
                        Err(end) => session.finish(socket, end).await,
                    };
                }
                Err(error) => {
                    self.origin.users.metrics().refused(error.key());
                    self.pending.login.refuse(error.key())
                }
            },
            Ok(Some(Err(refusal))) => refusal,
            // The client is gone.
            Ok(None) => return,
            Err(_) => self.pending.login.close(Close::Policy),
        };
        let texts = refusal.texts.into_iter().map(Payload::Text).collect();
        say_and_close(socket, texts, refusal.close).await;
    }

    /// Reads until the first frame is complete; `None` when the client leaves before that.
    async fn read(&mut self, socket: &mut WebSocket) -> Option<Result<Authorization, Refusal>> {
        let login = &mut self.pending.login;
        if let Some(greeting) = login.greeting() {
            socket.send(message(Payload::Text(greeting.to_owned()))).await.ok()?;
        }
        loop {
            let received = match socket.recv().await?.ok()? {
                Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
                Message::Binary(bytes) => Incoming::Binary(bytes.into()),
                // Nothing more is read until the pong is written: pongs wait in no account here.
                Message::Ping(_) => {
                    socket.flush().await.ok()?;
                    continue;
                }
                Message::Pong(_) => continue,
                Message::Close(_) => {
                    // Reading on sends the answer to it.
                    while let Some(Ok(_)) = socket.recv().await {}
                    return None;
                }
            };
            match login.on_message(&received) {
                LoginOutcome::Incomplete => {}
                LoginOutcome::Connect(authorization) => return Some(Ok(authorization)),
                LoginOutcome::Refused(refusal) => return Some(Err(refusal)),
            }
        }
    }

    /// Opens the console. A token that is not good counts like one of a request.
    async fn open(&mut self, authorization: Authorization) -> Result<Session, ConnectError> {
        let opened = self.try_open(authorization).await;
        match (&opened, &self.limit) {
            (Err(error), Some(limit)) if error.is_failed_proof() => {
                limit.failed().map_err(ConnectError::too_many_requests)?;
                opened
            }
            _ => opened,
        }
    }

    async fn try_open(&mut self, authorization: Authorization) -> Result<Session, ConnectError> {
        let origin = &self.origin;
        let connection = ConnId::from_bytes(rand::random());
        let wait = self.limit.as_ref().and_then(LaterProof::wait);
        let opening = self.pending.opening(origin, connection, authorization.as_ref(), wait).await?;
        let session = Session::of_console(origin, &opening);
        match origin.users.open(&session.user, opening, session.pending()).await {
            Ok(opened) => opened?,
            Err(error) => return Err(BackendError::new(error).into()),
        }
        Ok(session)
    }
}
