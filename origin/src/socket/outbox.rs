//! What waits to be sent on one socket. Others fill it, the socket's task empties it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_core::{
    gateway::{Close, Payload},
    stomp::Heartbeat,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

/// Bytes that may wait. A client that lets more gather reads too slowly to be worth waiting for.
const BYTES: usize = 256 * 1024;
/// From the wish to close to the end of the TCP connection, whatever the client does: less than the second that is
/// promised, since the commit before it and a busy machine take time as well.
pub(super) const CUT: Duration = Duration::from_millis(700);

/// A handle to a socket's queue; clones share it.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    closed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Payload>,
    bytes: usize,
    closing: Option<(Close, Instant)>,
    closed: bool,
    heartbeat: Heartbeat,
    /// Whether the socket's task has not heard of the heartbeat yet.
    pulse_changed: bool,
}

/// What the socket's task has to do next.
pub(super) enum Next {
    Send(Payload),
    Close(Close),
    Keep(Heartbeat),
}

/// The wish to close a socket, to be waited for.
pub struct Closed {
    shared: Arc<Shared>,
}

impl Default for Outbox {
    fn default() -> Self {
        let shared = Shared { state: Mutex::default(), changed: Notify::new(), closed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }
}

impl Outbox {
    /// Queues a message. Beyond the bound the socket is closed instead; after a close nothing is queued. How many messages
    /// were dropped because the client reads too slowly comes back.
    pub fn send(&self, payload: Payload) -> usize {
        let mut dropped = 0;
        let mut state = self.shared.state.lock();
        match state.closing {
            Some((Close::TooSlow, _)) => return 1,
            Some(_) => return 0,
            None => {}
        }
        state.bytes += size(&payload);
        if state.bytes > BYTES {
            dropped = state.waiting.len() + 1;
            state.waiting.clear();
            state.closing = Some((Close::TooSlow, Instant::now() + CUT));
        } else {
            state.waiting.push_back(payload);
        }
        drop(state);
        self.shared.changed.notify_one();
        dropped
    }

    /// Puts a message before everything that waits.
    pub(super) fn send_first(&self, payload: Payload) {
        let mut state = self.shared.state.lock();
        state.bytes += size(&payload);
        state.waiting.push_front(payload);
    }

    /// Asks for the socket to be closed after what is queued. The first wish counts.
    pub fn close(&self, close: Close) -> Closed {
        self.shared.state.lock().closing.get_or_insert((close, Instant::now() + CUT));
        self.shared.changed.notify_one();
        Closed { shared: self.shared.clone() }
    }

    /// From now on the socket beats like this.
    pub fn keep_heartbeat(&self, heartbeat: Heartbeat) {
        let mut state = self.shared.state.lock();
        if state.heartbeat == heartbeat {
            return;
        }
        state.heartbeat = heartbeat;
        state.pulse_changed = true;
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Waits for something to do.
    pub(super) async fn next(&self) -> Next {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.shared.state.lock();
                if let Some(payload) = state.waiting.pop_front() {
                    state.bytes -= size(&payload);
                    return Next::Send(payload);
                }
                if let Some((close, _)) = state.closing {
                    return Next::Close(close);
                }
                if std::mem::take(&mut state.pulse_changed) {
                    return Next::Keep(state.heartbeat);
                }
            }
            changed.await;
        }
    }

    /// How the socket is to be closed, if anybody wishes it.
    pub(crate) fn wish(&self) -> Option<Close> {
        self.shared.state.lock().closing.map(|(close, _)| close)
    }

    /// Resolves when a socket that is to be closed has had its time, and never before there is such a wish.
    pub(super) async fn cut(&self) {
        loop {
            let changed = self.shared.changed.notified();
            let deadline = self.shared.state.lock().closing.map(|(_, deadline)| deadline);
            match deadline {
                Some(deadline) => return tokio::time::sleep_until(deadline).await,
                None => changed.await,
            }
        }
    }

    /// Tells everybody that the socket is closed.
    pub(super) fn closed(&self) {
        self.shared.state.lock().closed = true;
        self.shared.closed.notify_waiters();
    }
}

impl Closed {
    /// Waits until the socket is closed, or cut.
    pub async fn wait(self) {
        // The cut comes from the socket's own task; twice its bound is for a machine that is late with everything.
        if timeout(2 * CUT, self.told()).await.is_err() {
            tracing::warn!("a socket was not closed in time");
        }
    }

    async fn told(&self) {
        let closed = self.shared.closed.notified();
        tokio::pin!(closed);
        // Enrolled before looking, so that a close in between is not missed.
        closed.as_mut().enable();
        if !self.shared.state.lock().closed {
            closed.await;
        }
    }
}

fn size(payload: &Payload) -> usize {
    match payload {
        Payload::Text(text) => text.len(),
        Payload::Binary(bytes) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_leave_in_order_and_before_the_close() {
        let outbox = Outbox::default();
        outbox.send(Payload::Text("1".into()));
        outbox.send(Payload::Text("2".into()));
        let _ = outbox.close(Close::Kicked);
        outbox.send(Payload::Text("after the close".into()));
        let mut seen = Vec::new();
        let close = loop {
            match outbox.next().await {
                Next::Send(Payload::Text(text)) => seen.push(text),
                Next::Send(Payload::Binary(_)) | Next::Keep(_) => unreachable!(),
                Next::Close(close) => break close,
            }
        };
        assert_eq!((seen, close), (vec!["1".to_owned(), "2".to_owned()], Close::Kicked));
    }

    #[tokio::test]
    async fn a_client_that_lets_too_much_gather_is_closed() {
        let outbox = Outbox::default();
        let fits = BYTES / 1024;
        let sent = (0..fits + 2).map(|_| outbox.send(Payload::Binary(vec![0; 1024])));
        let dropped: Vec<usize> = sent.filter(|dropped| *dropped > 0).collect();
        assert_eq!(dropped, [fits + 1, 1], "all that waited, and what came after");
        assert!(matches!(outbox.next().await, Next::Close(Close::TooSlow)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_is_waited_for_and_cut_after_its_bound() {
        let outbox = Outbox::default();
        let started = Instant::now();
        let closed = outbox.close(Close::Kicked);
        outbox.cut().await;
        assert_eq!(started.elapsed(), CUT);
        outbox.closed();
        closed.wait().await;
        outbox.close(Close::Done).wait().await;
    }
}
