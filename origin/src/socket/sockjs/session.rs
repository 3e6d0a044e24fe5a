//! The task that owns one session over requests. For its user it is a console like one with a socket.

use std::{convert::Infallible, future::pending, mem, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use rollcall_api::metrics::CloseReason;
use rollcall_core::{
    gateway::{Incoming, Payload},
    stomp::{Heartbeat, sockjs},
};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{SessionRequest, receiver::Receiver, table::Place};
use crate::{
    outbox::SocketAction,
    socket::task::{Session, SessionEnd},
};

/// The time from the end of an answer to the next one's request. Afterwards the client is gone; and for this long the close
/// of a session can be asked for.
const BETWEEN_ANSWERS: Duration = Duration::from_secs(5);
/// The time in which a client has to read what is written.
const WRITING: Duration = Duration::from_secs(30);

/// Bytes that are written at once; what is queued behind them stays in the outbox, which has a bound.
const CHUNK_BYTES: usize = 16 * 1024;

/// A session.
pub(super) struct FallbackSession {
    session: Session,
    place: Place,
    /// The answer under way.
    receiver: Option<Receiver>,
    /// When the last answer ended.
    alone_since: Instant,
    last_message: Instant,
    heartbeat: Heartbeat,
    /// When the next heartbeat is due, while an answer is under way.
    beat: Instant,
    /// Whether the client has read that the session is closed.
    is_announced: bool,
}

impl FallbackSession {
    pub(super) fn new(session: Session, place: Place) -> Self {
        let now = Instant::now();
        Self {
            session,
            place,
            receiver: None,
            alone_since: now,
            last_message: now,
            heartbeat: Heartbeat::default(),
            beat: now,
            is_announced: false,
        }
    }

    /// Serves the session until it ends, ends the console, and tells late requests that it has.
    pub(super) async fn serve(mut self) {
        // A panic must not leave the connection live for ever.
        let end = match AssertUnwindSafe(self.run()).catch_unwind().await {
            Ok(Err(end)) => end,
            Err(_) => self.session.panicked(),
        };
        let closing = match end {
            SessionEnd::Close(close) => sockjs::close(close),
            SessionEnd::Left | SessionEnd::Gone(_) => sockjs::closing(1002, "Connection interrupted"),
        };
        self.session.users.metrics().closed(end.reason());
        let mut last = String::new();
        while let Some(SocketAction::Send(payload)) = self.session.outbox.next().now_or_never() {
            self.add(&mut last, payload);
        }
        if !mem::take(&mut self.is_announced) {
            line(&mut last, &closing);
        }
        let Self { session, place, receiver, .. } = self;
        if let Some(receiver) = receiver {
            receiver.finish(mem::take(&mut last));
        }
        session.outbox.set_closed();
        session.users.end(&session.user, session.connection).await;
        // The end of the process waits for the session, and not for what follows.
        drop(session);
        answer_late_requests(place, last, &closing).await;
    }

    async fn run(&mut self) -> Result<Infallible, SessionEnd> {
        loop {
            let is_alone = self.receiver.is_none();
            let deadline = self.deadline();
            tokio::select! {
                biased;
                () = left(self.receiver.as_ref()) => return Err(SessionEnd::Gone(CloseReason::ConnectionLost)),
                action = self.session.outbox.next(), if !is_alone => self.act(action).await?,
                close = self.session.outbox.close_requested(), if is_alone => {
                    return Err(SessionEnd::Close(close));
                }
                request = self.place.receiver.recv() => match request {
                    Some(SessionRequest::Receive(receiver)) => self.attach(receiver),
                    Some(SessionRequest::Message(text, done)) => {
                        self.last_message = Instant::now();
                        self.session.receive(Incoming::Text(text)).await?;
                        // Its client may have left.
                        let _ = done.send(());
                    }
                    // Never: the place holds a sender.
                    None => return Err(SessionEnd::Gone(CloseReason::Failed)),
                },
                () = sleep_until(deadline) => self.due().await?,
            }
        }
    }

    /// Begins an answer; one at a time.
    fn attach(&mut self, receiver: Receiver) {
        if self.receiver.is_some() {
            receiver.finish(sockjs::closing(2010, "Another connection still open") + "\n");
            return;
        }
        self.receiver = Some(receiver);
        self.beat = Instant::now();
        self.next_beat();
    }

    /// Writes what is queued.
    async fn act(&mut self, action: SocketAction) -> Result<(), SessionEnd> {
        let mut lines = String::new();
        let mut next = Some(action);
        let mut requested = None;
        while let Some(action) = next {
            match action {
                SocketAction::Send(payload) => self.add(&mut lines, payload),
                SocketAction::Keep(heartbeat) => {
                    self.heartbeat = heartbeat;
                    self.next_beat();
                }
                SocketAction::Close(close) => {
                    requested = Some(close);
                    break;
                }
            }
            if lines.len() >= CHUNK_BYTES {
                break;
            }
            next = self.session.outbox.next().now_or_never();
        }
        if !lines.is_empty() {
            self.write(lines).await?;
        }
        requested.map_or(Ok(()), |close| Err(SessionEnd::Close(close)))
    }

    /// Writes lines to the answer under way, and ends it if that was enough.
    async fn write(&mut self, lines: String) -> Result<(), SessionEnd> {
        let Some(receiver) = &mut self.receiver else { return Ok(()) };
        let outbox = &self.session.outbox;
        tokio::select! {
            biased;
            written = receiver.write(lines) => {
                if !written {
                    return Err(SessionEnd::Gone(CloseReason::ConnectionLost));
                }
            }
            () = outbox.close_timed_out() => {
                let close = outbox.requested_close().map_or(CloseReason::ConnectionLost, CloseReason::Closed);
                return Err(SessionEnd::Gone(close));
            }
            () = tokio::time::sleep(WRITING) => return Err(SessionEnd::Gone(CloseReason::IdleTimeout)),
        }
        if receiver.is_full() {
            self.end_answer();
        }
        Ok(())
    }

    fn end_answer(&mut self) {
        self.receiver = None;
        self.alone_since = Instant::now();
    }

    fn add(&mut self, lines: &mut String, payload: Payload) {
        // Consoles are sent texts only.
        if let Payload::Text(text) = payload {
            self.is_announced |= sockjs::is_closing(&text);
            line(lines, &text);
        }
    }

    /// What is due, one at a time.
    async fn due(&mut self) -> Result<(), SessionEnd> {
        let now = Instant::now();
        let gone = Err(SessionEnd::Gone(CloseReason::IdleTimeout));
        if self.promise().is_some_and(|promise| promise <= now) {
            return gone;
        }
        let Some(receiver) = &self.receiver else {
            return if self.alone_since + BETWEEN_ANSWERS <= now { gone } else { Ok(()) };
        };
        if receiver.ends_at() <= now {
            self.end_answer();
            return Ok(());
        }
        match self.heartbeat.beat {
            Some((_, text)) if self.beat <= now => {
                self.next_beat();
                self.write(format!("{text}\n")).await
            }
            _ => Ok(()),
        }
    }

    fn deadline(&self) -> Instant {
        let own = match &self.receiver {
            None => self.alone_since + BETWEEN_ANSWERS,
            Some(receiver) if self.heartbeat.beat.is_some() => receiver.ends_at().min(self.beat),
            Some(receiver) => receiver.ends_at(),
        };
        self.promise().map_or(own, |promise| promise.min(own))
    }

    /// When a client that promised heartbeats is gone if it sends nothing.
    fn promise(&self) -> Option<Instant> {
        self.heartbeat.timeout.map(|timeout| self.last_message + timeout)
    }

    fn next_beat(&mut self) {
        if let Some((every, _)) = self.heartbeat.beat {
            self.beat = Instant::now() + every;
        }
    }
}

/// Resolves when the client of an answer under way has left.
async fn left(receiver: Option<&Receiver>) {
    match receiver {
        Some(receiver) => receiver.left().await,
        None => pending().await,
    }
}

/// Tells requests that come now how the session has ended, the first one with what had to be said before.
async fn answer_late_requests(mut place: Place, mut last: String, closing: &str) {
    let until = Instant::now() + BETWEEN_ANSWERS;
    while let Ok(Some(request)) = timeout_at(until, place.receiver.recv()).await {
        // A message gets no answer, and its sender is told that there is no such session.
        if let SessionRequest::Receive(receiver) = request {
            if last.is_empty() {
                line(&mut last, closing);
            }
            receiver.finish(mem::take(&mut last));
        }
    }
}

fn line(lines: &mut String, text: &str) {
    lines.push_str(text);
    lines.push('\n');
}
