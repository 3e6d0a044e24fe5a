//! When a socket's task has to do something by itself.

use std::time::Duration;

use rollcall_core::stomp::Pulse;
use tokio::time::Instant;

/// A client that sends nothing for this long is gone (`docs/rules/openim.md#liveness`).
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// How often a client that cannot send pings is asked for a sign of life.
const WEB_PING: Duration = Duration::from_secs(27);

/// The timers of one socket.
pub(super) struct Timers {
    pulse: Pulse,
    deadline: Instant,
    ping: Option<Instant>,
    /// When the next beat is due.
    beat: Option<Instant>,
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

impl Timers {
    /// Those of a new socket. `asked` is whether its client cannot send pings.
    pub(super) fn new(asked: bool) -> Self {
        let now = Instant::now();
        Self {
            pulse: Pulse::default(),
            deadline: now + READ_DEADLINE,
            ping: asked.then_some(now + WEB_PING),
            beat: None,
            promise: None,
        }
    }

    /// Something else was agreed on.
    pub(super) fn keep(&mut self, pulse: Pulse) {
        let now = Instant::now();
        self.beat = pulse.beat.map(|(every, _)| now + every);
        self.promise = pulse.patience.map(|patience| now + patience);
        self.pulse = pulse;
    }

    /// The client sent something; `message` is whether it did so itself, and not the machine below it.
    pub(super) fn heard(&mut self, message: bool) {
        let now = Instant::now();
        self.deadline = now + READ_DEADLINE;
        if message {
            self.promise = self.pulse.patience.map(|patience| now + patience);
        }
    }

    /// When the client is given up if nothing comes.
    pub(super) fn deadline(&self) -> Instant {
        self.promise.map_or(self.deadline, |promise| promise.min(self.deadline))
    }

    /// When to look at what is [due](Self::due).
    pub(super) fn next(&self) -> Instant {
        [self.ping, self.beat].into_iter().flatten().fold(self.deadline(), Instant::min)
    }

    /// What has to be done now, one thing at a time.
    pub(super) fn due(&mut self) -> Due {
        let now = Instant::now();
        let is_over = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        if self.deadline() <= now {
            Due::Gone
        } else if is_over(self.ping) {
            self.ping = Some(now + WEB_PING);
            Due::Ping
        } else if let Some((every, text)) = self.pulse.beat.filter(|_| is_over(self.beat)) {
            self.beat = Some(now + every);
            Due::Beat(text)
        } else {
            Due::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// What is due within a span, with the second at which it was, while the machine below the client goes on.
    async fn play(timers: &mut Timers, span: Duration, answers: bool) -> Vec<(u64, Due)> {
        let begun = Instant::now();
        let mut seen = Vec::new();
        while timers.next() <= begun + span {
            sleep_until(timers.next()).await;
            let due = timers.due();
            if due == Due::Ping && answers {
                timers.heard(false);
            }
            let gone = due == Due::Gone;
            seen.push((begun.elapsed().as_secs(), due));
            if gone {
                break;
            }
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_asked_and_answers_is_kept_and_one_that_does_not_is_given_up() {
        let mut timers = Timers::new(true);
        assert_eq!(play(&mut timers, seconds(60), true).await, [(27, Due::Ping), (54, Due::Ping)]);
        assert_eq!(play(&mut timers, seconds(60), false).await, [(27, Due::Ping), (30, Due::Gone)]);
        assert_eq!(play(&mut Timers::new(false), seconds(60), true).await, [(30, Due::Gone)]);
    }

    #[tokio::test(start_paused = true)]
    async fn beats_go_out_as_often_as_was_agreed_on_last() {
        let mut timers = Timers::new(true);
        timers.keep(Pulse { beat: Some((seconds(25), "h")), patience: None });
        assert_eq!(play(&mut timers, seconds(26), true).await, [(25, Due::Beat("h"))]);
        timers.keep(Pulse { beat: Some((seconds(10), "x")), patience: None });
        let seen = play(&mut timers, seconds(25), true).await;
        assert_eq!(seen, [(2, Due::Ping), (10, Due::Beat("x")), (20, Due::Beat("x"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_breaks_its_promise_is_given_up_although_the_machine_below_it_answers() {
        let mut timers = Timers::new(true);
        timers.keep(Pulse { beat: None, patience: Some(seconds(90)) });
        advance(seconds(20)).await;
        timers.heard(true);
        let seen = play(&mut timers, seconds(200), true).await;
        assert_eq!(seen.last(), Some(&(90, Due::Gone)));
        assert_eq!(seen.len(), 5, "{seen:?}");
    }
}
