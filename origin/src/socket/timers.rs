//! The moments at which a socket's task has to act by itself.

use std::time::Duration;

use rollcall_core::stomp::Heartbeat;
use tokio::time::Instant;

/// A client that sends nothing for this long is gone (`docs/rules/openim.md#liveness`).
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// The interval of the pings to a client that cannot send pings itself.
const WEB_PING: Duration = Duration::from_secs(27);

/// The deadlines of one socket. [`Timers::next`] is the earliest.
pub(super) struct Timers {
    /// When the client is gone if nothing arrives.
    read_deadline: Instant,
    /// When the next ping is due, if the client cannot send pings.
    ping: Option<Instant>,
    /// Boxed, since most sockets have none and there may be very many sockets.
    beats: Option<Box<Beats>>,
}

/// The heartbeats that a STOMP session agreed on.
struct Beats {
    heartbeat: Heartbeat,
    /// When the next heartbeat is due.
    next: Option<Instant>,
    /// When a client that promised heartbeats is gone if no message arrives.
    promise: Option<Instant>,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TimerAction {
    /// End the connection: its client is gone.
    TimeOut,
    /// Send a ping, which the client answers.
    Ping,
    /// Send a heartbeat.
    Beat(&'static str),
    /// Nothing: the deadline has moved.
    Nothing,
}

impl Timers {
    /// The timers of a new socket. `needs_pings` says that its client cannot send pings itself.
    pub(super) fn new(needs_pings: bool) -> Self {
        let now = Instant::now();
        let ping = needs_pings.then(|| now + WEB_PING);
        Self { read_deadline: now + READ_DEADLINE, ping, beats: None }
    }

    /// Sets the heartbeats that a STOMP session agreed on.
    pub(super) fn keep(&mut self, heartbeat: Heartbeat) {
        let now = Instant::now();
        let next = heartbeat.beat.map(|(every, _)| now + every);
        let promise = heartbeat.timeout.map(|timeout| now + timeout);
        self.beats = Some(Box::new(Beats { heartbeat, next, promise }));
    }

    /// A frame arrived. `message` says that the application sent it, and not the WebSocket layer below.
    pub(super) fn received(&mut self, message: bool) {
        let now = Instant::now();
        self.read_deadline = now + READ_DEADLINE;
        if let Some(beats) = self.beats.as_mut().filter(|_| message) {
            beats.promise = beats.heartbeat.timeout.map(|timeout| now + timeout);
        }
    }

    /// The action that is due now that [`Timers::next`] is reached, one at a time.
    pub(super) fn due(&mut self) -> TimerAction {
        let now = Instant::now();
        let is_over = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        if self.time_out() <= now {
            TimerAction::TimeOut
        } else if is_over(self.ping) {
            self.ping = Some(now + WEB_PING);
            TimerAction::Ping
        } else {
            self.beats.as_mut().map_or(TimerAction::Nothing, |beats| beats.due(now))
        }
    }

    /// When the client is gone if nothing more arrives.
    fn time_out(&self) -> Instant {
        let promise = self.beats.as_ref().and_then(|beats| beats.promise);
        promise.map_or(self.read_deadline, |promise| promise.min(self.read_deadline))
    }

    /// When the next action is due.
    pub(super) fn next(&self) -> Instant {
        let beat = self.beats.as_ref().and_then(|beats| beats.next);
        [self.ping, beat].into_iter().flatten().fold(self.time_out(), Instant::min)
    }
}

impl Beats {
    fn due(&mut self, now: Instant) -> TimerAction {
        match (self.heartbeat.beat, self.next) {
            (Some((every, text)), Some(next)) if next <= now => {
                self.next = Some(now + every);
                TimerAction::Beat(text)
            }
            _ => TimerAction::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;
    use crate::deadline::{TICK, reached};

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// The actions that are due within a span, with their seconds, while the WebSocket layer below the client goes on.
    async fn play(timers: &mut Timers, span: Duration, answers: bool) -> Vec<(u64, TimerAction)> {
        let begun = Instant::now();
        let mut seen = Vec::new();
        let mut sleep = std::pin::pin!(sleep_until(begun));
        while timers.next() <= begun + span {
            let next = timers.next();
            reached(sleep.as_mut(), || Some(next)).await;
            assert!(Instant::now() <= next + TICK + Duration::from_millis(2), "the timer is late");
            let due = timers.due();
            if due == TimerAction::Ping && answers {
                timers.received(false);
            }
            let timed_out = due == TimerAction::TimeOut;
            if due != TimerAction::Nothing {
                seen.push((begun.elapsed().as_secs(), due));
            }
            if timed_out {
                break;
            }
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_pings_is_kept_and_one_that_does_not_times_out() {
        let mut timers = Timers::new(true);
        assert_eq!(
            play(&mut timers, seconds(60), true).await,
            [(27, TimerAction::Ping), (54, TimerAction::Ping)]
        );
        assert_eq!(
            play(&mut timers, seconds(60), false).await,
            [(27, TimerAction::Ping), (30, TimerAction::TimeOut)]
        );
        assert_eq!(play(&mut Timers::new(false), seconds(60), true).await, [(30, TimerAction::TimeOut)]);
    }

    #[tokio::test(start_paused = true)]
    async fn any_frame_keeps_a_client_and_a_browser_is_pinged_all_the_same() {
        let (mut native, mut browser) = (Timers::new(false), Timers::new(true));
        let mut pings = 0;
        for _ in 0..20 {
            let seen = play(&mut browser, seconds(29), false).await;
            pings += seen.iter().filter(|(_, due)| *due == TimerAction::Ping).count();
            assert!(seen.iter().all(|(_, due)| *due != TimerAction::TimeOut), "{seen:?}");
            advance(seconds(2)).await;
            native.received(false);
            browser.received(true);
        }
        assert!((19..=22).contains(&pings), "{pings} pings");
        assert_eq!(native.due(), TimerAction::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_go_out_as_often_as_was_agreed_on_last() {
        let mut timers = Timers::new(true);
        timers.keep(Heartbeat { beat: Some((seconds(25), "h")), timeout: None });
        assert_eq!(play(&mut timers, seconds(26), true).await, [(25, TimerAction::Beat("h"))]);
        timers.keep(Heartbeat { beat: Some((seconds(10), "x")), timeout: None });
        let seen = play(&mut timers, seconds(25), true).await;
        assert_eq!(seen.iter().filter(|(_, due)| *due == TimerAction::Beat("x")).count(), 2, "{seen:?}");
        assert_eq!(seen.iter().filter(|(_, due)| *due == TimerAction::Ping).count(), 1, "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_breaks_its_promise_times_out_although_the_layer_below_it_answers() {
        let mut timers = Timers::new(true);
        timers.keep(Heartbeat { beat: None, timeout: Some(seconds(90)) });
        advance(seconds(20)).await;
        timers.received(true);
        let seen = play(&mut timers, seconds(200), true).await;
        assert_eq!(seen.last(), Some(&(90, TimerAction::TimeOut)));
        assert_eq!(seen.len(), 5, "{seen:?}");
    }
}
