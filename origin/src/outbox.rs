//! The outgoing queue of one socket. Commands fill it, the socket's task empties it.

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

/// The most bytes that wait for a client: messages in the queue, the one that is being sent, and pongs. A client that lets more
/// accumulate reads too slowly, and is closed.
pub(crate) const CAPACITY: usize = 256 * 1024;
/// The longest time from a close request to the end of the TCP connection, whatever the client does. It is shorter than the
/// promised second, since the commit before it and a busy machine take time as well.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(700);

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
    /// Bytes that wait, wherever they are.
    bytes: usize,
    /// Those of the message that the socket's task is sending.
    sending: usize,
    /// Those of pongs in the socket's write buffer.
    pongs: usize,
    closing: Option<(Close, Instant)>,
    closed: bool,
    heartbeat: Heartbeat,
    /// Whether the socket's task has not taken the latest heartbeat yet.
    heartbeat_changed: bool,
}

/// What the socket's task has to do next.
pub(crate) enum SocketAction {
    Send(Payload),
    Close(Close),
    Keep(Heartbeat),
}

/// A requested close, to be awaited.
pub struct Closing {
    shared: Arc<Shared>,
}

impl Default for Outbox {
    fn default() -> Self {
        let shared = Shared { state: Mutex::default(), changed: Notify::new(), closed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }
}

impl Outbox {
    /// Queues a message, and returns how many messages were dropped because the client reads too slowly: when the queue is
    /// full, all of it is dropped and the socket closes. After a close request nothing is queued.
    pub fn send(&self, payload: Payload) -> usize {
        let mut state = self.shared.state.lock();
        match state.closing {
            Some((Close::TooSlow, _)) => return 1,
            Some(_) => return 0,
            None => {}
        }
        state.bytes += size(&payload);
        state.waiting.push_back(payload);
        let dropped = state.drop_above_capacity();
        drop(state);
        self.shared.changed.notify_one();
        dropped
    }

    /// Counts a pong that the socket's write buffer holds, as [`Outbox::send`] counts a message. Only the socket's own task
    /// calls it.
    pub(crate) fn pong_waits(&self, bytes: usize) -> usize {
        let mut state = self.shared.state.lock();
        state.bytes += bytes;
        state.pongs += bytes;
        if state.closing.is_none() { state.drop_above_capacity() } else { 0 }
    }

    /// Whether pongs may wait in the socket's write buffer.
    pub(crate) fn has_waiting_pongs(&self) -> bool {
        self.shared.state.lock().pongs > 0
    }

    /// The socket's write buffer is empty.
    pub(crate) fn pongs_are_sent(&self) {
        let mut state = self.shared.state.lock();
        state.bytes -= std::mem::take(&mut state.pongs);
    }

    /// Queues a message ahead of all others.
    pub(crate) fn send_first(&self, payload: Payload) {
        let mut state = self.shared.state.lock();
        state.bytes += size(&payload);
        state.waiting.push_front(payload);
    }

    /// Requests the close of the socket after what is queued. Only the first request counts.
    pub fn close(&self, close: Close) -> Closing {
        self.shared.state.lock().closing.get_or_insert((close, Instant::now() + CLOSE_TIMEOUT));
        self.shared.changed.notify_one();
        Closing { shared: self.shared.clone() }
    }

    /// Sets the heartbeats that the socket sends and expects.
    pub fn set_heartbeat(&self, heartbeat: Heartbeat) {
        let mut state = self.shared.state.lock();
        if state.heartbeat == heartbeat {
            return;
        }
        state.heartbeat = heartbeat;
        state.heartbeat_changed = true;
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Waits for the next action. Messages come before the close, so that a client reads why it is closed. The message that was
    /// returned before is sent by now.
    pub(crate) async fn next(&self) -> SocketAction {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.shared.state.lock();
                state.bytes -= std::mem::take(&mut state.sending);
                if let Some(payload) = state.waiting.pop_front() {
                    state.sending = size(&payload);
                    return SocketAction::Send(payload);
                }
                if let Some((close, _)) = state.closing {
                    return SocketAction::Close(close);
                }
                if std::mem::take(&mut state.heartbeat_changed) {
                    return SocketAction::Keep(state.heartbeat);
                }
            }
            changed.await;
        }
    }

    /// The requested close, if there is one.
    pub(crate) fn requested_close(&self) -> Option<Close> {
        self.shared.state.lock().closing.map(|(close, _)| close)
    }

    /// Resolves when a close is requested. What is queued before it stays queued.
    pub(crate) async fn close_requested(&self) -> Close {
        loop {
            let changed = self.shared.changed.notified();
            if let Some(close) = self.requested_close() {
                return close;
            }
            changed.await;
        }
    }

    /// Resolves when a requested close has reached its timeout; never without a request.
    pub(crate) async fn close_timed_out(&self) {
        loop {
            let changed = self.shared.changed.notified();
            let deadline = self.shared.state.lock().closing.map(|(_, deadline)| deadline);
            match deadline {
                Some(deadline) => return tokio::time::sleep_until(deadline).await,
                None => changed.await,
            }
        }
    }

    /// Reports that the socket is closed, to everyone who awaits a [`Closing`].
    pub(crate) fn set_closed(&self) {
        self.shared.state.lock().closed = true;
        self.shared.closed.notify_waiters();
    }
}

impl State {
    /// Drops the queue and closes the socket if more waits than may. Returns how many messages were dropped.
    fn drop_above_capacity(&mut self) -> usize {
        if self.bytes <= CAPACITY {
            return 0;
        }
        let dropped = std::mem::take(&mut self.waiting);
        self.bytes -= dropped.iter().map(size).sum::<usize>();
        self.closing = Some((Close::TooSlow, Instant::now() + CLOSE_TIMEOUT));
        dropped.len()
    }
}

impl Closing {
    /// Waits until the socket is closed.
    pub async fn wait(self) {
        // The socket's own task enforces the timeout. Twice that is for a machine that is late with everything.
        if timeout(2 * CLOSE_TIMEOUT, self.notified()).await.is_err() {
            tracing::warn!("a socket was not closed in time");
        }
    }

    async fn notified(&self) {
        let closed = self.shared.closed.notified();
        tokio::pin!(closed);
        // Registered before the check, so that a close in between is not missed.
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
                SocketAction::Send(Payload::Text(text)) => seen.push(text),
                SocketAction::Send(Payload::Binary(_)) | SocketAction::Keep(_) => unreachable!(),
                SocketAction::Close(close) => break close,
            }
        };
        assert_eq!((seen, close), (vec!["1".to_owned(), "2".to_owned()], Close::Kicked));
    }

    #[tokio::test]
    async fn a_client_that_lets_too_much_accumulate_is_closed() {
        let outbox = Outbox::default();
        let fits = CAPACITY / 1024;
        let sent = (0..fits + 2).map(|_| outbox.send(Payload::Binary(vec![0; 1024])));
        let dropped: Vec<usize> = sent.filter(|dropped| *dropped > 0).collect();
        assert_eq!(dropped, [fits + 1, 1], "all that waited, and what came after");
        assert!(matches!(outbox.next().await, SocketAction::Close(Close::TooSlow)));
    }

    #[tokio::test]
    async fn what_is_being_sent_and_pongs_are_counted_with_the_queue() {
        let outbox = Outbox::default();
        let half = || Payload::Binary(vec![0; CAPACITY / 2]);
        // The first half leaves the queue, and is not sent yet.
        outbox.send(half());
        assert!(matches!(outbox.next().await, SocketAction::Send(_)));
        assert_eq!(outbox.send(half()), 0);
        assert!(!outbox.has_waiting_pongs());
        assert_eq!(outbox.pong_waits(1), 1, "the second half is dropped");
        assert!(matches!(outbox.next().await, SocketAction::Close(Close::TooSlow)));
    }

    #[tokio::test]
    async fn pongs_that_are_sent_count_no_more() {
        let outbox = Outbox::default();
        for _ in 0..3 * CAPACITY / 1024 {
            assert_eq!(outbox.pong_waits(1024), 0);
            assert!(outbox.has_waiting_pongs());
            outbox.pongs_are_sent();
        }
        for _ in 0..CAPACITY / 1024 {
            outbox.pong_waits(1024);
        }
        assert_eq!(outbox.requested_close(), None);
        outbox.pong_waits(1);
        assert_eq!(outbox.requested_close(), Some(Close::TooSlow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_is_awaited_and_ends_at_its_timeout() {
        let outbox = Outbox::default();
        let started = Instant::now();
        let closed = outbox.close(Close::Kicked);
        outbox.close_timed_out().await;
        assert_eq!(started.elapsed(), CLOSE_TIMEOUT);
        outbox.set_closed();
        closed.wait().await;
        outbox.close(Close::Done).wait().await;
    }
}
