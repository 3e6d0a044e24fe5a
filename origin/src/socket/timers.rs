//! When a socket's task has to do something by itself.

use std::time::Duration;

use rollcall_core::stomp::Heartbeat;
use tokio::time::Instant;

use crate::wheel::Alarm;

/// A client that sends nothing for this long is gone (`docs/rules/openim.md#liveness`).
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// How often a client that cannot send pings is asked for a sign of life.
const WEB_PING: Duration = Duration::from_secs(27);

/// The times of one socket, behind its one alarm.
pub(super) struct Timers<'a> {
    alarm: &'a Alarm,
    deadline: Instant,
    ping: Option<Instant>,
    /// Apart, since most sockets have none and there may be very many.
    beats: Option<Box<Beats>>,
}

/// What a conversation agreed on.
struct Beats {
    heartbeat: Heartbeat,
    /// When the next beat is due.
    next: Option<Instant>,
    /// When a client that promised beats is taken for gone.
    promise: Option<Instant>,
}

/// What has to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Give the client up.
    Gone,
    /// Ask it for a sign of life.
    Ping,
    /// Give it one.
    Beat(&'static str),
    /// Nothing after all.
    Nothing,
}

impl<'a> Timers<'a> {
    /// Those of a new socket. `asked` is whether its client cannot send pings.
    pub(super) fn new(alarm: &'a Alarm, asked: bool) -> Self {
        let now = Instant::now();
        let ping = asked.then(|| now + WEB_PING);
        let timers = Self { alarm, deadline: now + READ_DEADLINE, ping, beats: None };
        timers.set();
        timers
    }

    /// Something else was agreed on.
    pub(super) fn keep(&mut self, heartbeat: Heartbeat) {
        let now = Instant::now();
        let next = heartbeat.beat.map(|(every, _)| now + every);
        let promise = heartbeat.timeout.map(|timeout| now + timeout);
        self.beats = Some(Box::new(Beats { heartbeat, next, promise }));
        self.set();
    }

    /// The client sent something; `message` is whether it did so itself, and not the machine below it.
    pub(super) fn heard(&mut self, message: bool) {
        let now = Instant::now();
        self.deadline = now + READ_DEADLINE;
        if let Some(beats) = self.beats.as_mut().filter(|_| message) {
            beats.promise = beats.heartbeat.timeout.map(|timeout| now + timeout);
        }
        self.set();
    }

    /// What has to be done now that the alarm rang, one thing at a time.
    pub(super) fn due(&mut self) -> Due {
        let now = Instant::now();
        let is_over = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        let due = if self.given_up() <= now {
            Due::Gone
        } else if is_over(self.ping) {
            self.ping = Some(now + WEB_PING);
            Due::Ping
        } else {
            self.beats.as_mut().map_or(Due::Nothing, |beats| beats.due(now))
        };
        self.set();
        due
    }

    /// When the client is given up if nothing comes.
    fn given_up(&self) -> Instant {
        let promise = self.beats.as_ref().and_then(|beats| beats.promise);
        promise.map_or(self.deadline, |promise| promise.min(self.deadline))
    }

    /// When something is due next.
    fn next(&self) -> Instant {
        let beat = self.beats.as_ref().and_then(|beats| beats.next);
        [self.ping, beat].into_iter().flatten().fold(self.given_up(), Instant::min)
    }

    fn set(&self) {
        self.alarm.set(self.next());
    }
}

impl Beats {
    fn due(&mut self, now: Instant) -> Due {
        match (self.heartbeat.beat, self.next) {
            (Some((every, text)), Some(next)) if next <= now => {
                self.next = Some(now + every);
                Due::Beat(text)
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::wheel::{TICK, Wheel};

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// What is due within a span, with the second at which it was, while the machine below the client goes on.
    async fn play(timers: &mut Timers<'_>, span: Duration, answers: bool) -> Vec<(u64, Due)> {
        let begun = Instant::now();
        let mut seen = Vec::new();
        while timers.next() <= begun + span {
            timers.alarm.rung().await;
            assert!(Instant::now() <= timers.next() + 2 * TICK, "the alarm is late");
            let due = timers.due();
            if due == Due::Ping && answers {
                timers.heard(false);
            }
            let gone = due == Due::Gone;
            if due != Due::Nothing {
                seen.push((begun.elapsed().as_secs(), due));
            }
            if gone {
                break;
            }
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_asked_and_answers_is_kept_and_one_that_does_not_is_given_up() {
        let wheel = Wheel::start();
        let [first, second] = [wheel.alarm(), wheel.alarm()];
        let mut timers = Timers::new(&first, true);
        assert_eq!(play(&mut timers, seconds(60), true).await, [(27, Due::Ping), (54, Due::Ping)]);
        assert_eq!(play(&mut timers, seconds(60), false).await, [(27, Due::Ping), (30, Due::Gone)]);
        assert_eq!(play(&mut Timers::new(&second, false), seconds(60), true).await, [(30, Due::Gone)]);
    }

    #[tokio::test(start_paused = true)]
    async fn any_frame_keeps_a_client_and_a_browser_is_asked_all_the_same() {
        let wheel = Wheel::start();
        let [quiet, loud] = [wheel.alarm(), wheel.alarm()];
        let (mut native, mut browser) = (Timers::new(&quiet, false), Timers::new(&loud, true));
        let mut asked = 0;
        for _ in 0..20 {
            let seen = play(&mut browser, seconds(29), false).await;
            asked += seen.iter().filter(|(_, due)| *due == Due::Ping).count();
            assert!(seen.iter().all(|(_, due)| *due != Due::Gone), "{seen:?}");
            advance(seconds(2)).await;
            native.heard(false);
            browser.heard(true);
        }
        assert!((19..=22).contains(&asked), "asked {asked} times");
        assert_eq!(native.due(), Due::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn beats_go_out_as_often_as_was_agreed_on_last() {
        let wheel = Wheel::start();
        let alarm = wheel.alarm();
        let mut timers = Timers::new(&alarm, true);
        timers.keep(Heartbeat { beat: Some((seconds(25), "h")), timeout: None });
        assert_eq!(play(&mut timers, seconds(26), true).await, [(25, Due::Beat("h"))]);
        timers.keep(Heartbeat { beat: Some((seconds(10), "x")), timeout: None });
        let seen = play(&mut timers, seconds(25), true).await;
        assert_eq!(seen.iter().filter(|(_, due)| *due == Due::Beat("x")).count(), 2, "{seen:?}");
        assert_eq!(seen.iter().filter(|(_, due)| *due == Due::Ping).count(), 1, "{seen:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_breaks_its_promise_is_given_up_although_the_machine_below_it_answers() {
        let wheel = Wheel::start();
        let alarm = wheel.alarm();
        let mut timers = Timers::new(&alarm, true);
        timers.keep(Heartbeat { beat: None, timeout: Some(seconds(90)) });
        advance(seconds(20)).await;
        timers.heard(true);
        let seen = play(&mut timers, seconds(200), true).await;
        assert_eq!(seen.last(), Some(&(90, Due::Gone)));
        assert_eq!(seen.len(), 5, "{seen:?}");
    }
}
