//! One timer for very many deadlines that are moved all the time and seldom come: every connection has one.
//!
//! Moving an [`Alarm`] is a store into an atomic. It stands in the slot of its first moment, and is looked at when
//! that moment comes: by then it has usually been moved, and goes to the slot of its new one. So a socket that sends a
//! frame every second costs the wheel one look every thirty.

use std::{
    future::poll_fn,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How late an alarm may ring.
pub const TICK: Duration = Duration::from_millis(100);
/// Slots of a turn: an alarm further ahead than this many ticks is looked at once a turn.
const SLOTS: u64 = 512;

/// No moment.
const NEVER: u64 = u64::MAX;
/// The moment has come. No real moment is tick 0.
const RUNG: u64 = 0;

/// Rings alarms. Clones share the wheel; it turns until the last is gone.
#[derive(Clone)]
pub struct Wheel {
    shared: Arc<Shared>,
}

struct Shared {
    started: Instant,
    /// The last tick whose slot was, or is being, looked at.
    turned: AtomicU64,
    slots: Vec<Mutex<Vec<Weak<Hand>>>>,
}

/// A deadline of one task. Dropped, it never rings.
pub struct Alarm {
    wheel: Wheel,
    hand: Arc<Hand>,
}

struct Hand {
    /// The tick at which to ring.
    due: AtomicU64,
    /// The tick at which it will be looked at; entries in other slots are leftovers.
    look: AtomicU64,
    waker: AtomicWaker,
}

impl Wheel {
    /// A turning wheel. Must be called within a tokio runtime.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            started: Instant::now(),
            turned: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
        });
        tokio::spawn(turn(Arc::downgrade(&shared), shared.started));
        Self { shared }
    }

    /// An alarm that is not set.
    pub fn alarm(&self) -> Alarm {
        let hand =
            Hand { due: AtomicU64::new(NEVER), look: AtomicU64::new(NEVER), waker: AtomicWaker::new() };
        Alarm { wheel: self.clone(), hand: Arc::new(hand) }
    }
}

impl Alarm {
    /// Moves the alarm: it rings no earlier than `at` and about a [`TICK`] later at most. One task at a time may move it.
    pub fn set(&self, at: Instant) {
        let due = self.wheel.shared.tick_of(at) + 1;
        self.hand.due.store(due, SeqCst);
        if due < self.hand.look.load(SeqCst) {
            self.wheel.shared.queue(&self.hand, due);
        }
    }

    /// Takes the deadline away.
    pub fn clear(&self) {
        self.hand.due.store(NEVER, SeqCst);
    }

    /// Resolves once the alarm rings, and from then on until it is set anew. One task may wait.
    pub async fn rung(&self) {
        let _waiting = Waiting(&self.hand.waker);
        poll_fn(|context| {
            self.hand.waker.register(context.waker());
            if self.hand.due.load(SeqCst) == RUNG { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A wait for an alarm. When it is over nothing of the task is kept: the memory of one that has ended would stay for as long
/// as the alarm.
struct Waiting<'a>(&'a AtomicWaker);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl Shared {
    fn tick_of(&self, at: Instant) -> u64 {
        let ticks = at.saturating_duration_since(self.started).as_millis() / TICK.as_millis();
        // Never reached: it would be a date in the far future.
        u64::try_from(ticks).unwrap_or(NEVER - 1).min(NEVER - 2)
    }

    /// Enters the hand to be looked at when `due`, or as far ahead as the wheel has slots.
    fn queue(&self, hand: &Arc<Hand>, due: u64) {
        loop {
            let turned = self.turned.load(SeqCst);
            let look = due.clamp(turned + 1, turned + SLOTS - 1);
            let Some(slot) = self.slot(look) else { return };
            let mut slot = slot.lock();
            // Whoever turns says so before taking the slot's lock: not yet said means not yet emptied.
            if self.turned.load(SeqCst) < look {
                hand.look.store(look, SeqCst);
                slot.push(Arc::downgrade(hand));
                return;
            }
        }
    }

    fn slot(&self, tick: u64) -> Option<&Mutex<Vec<Weak<Hand>>>> {
        self.slots.get(usize::try_from(tick % SLOTS).unwrap_or(0))
    }

    fn turn_to(&self, tick: u64) {
        self.turned.store(tick, SeqCst);
        let Some(slot) = self.slot(tick) else { return };
        let hands = std::mem::take(&mut *slot.lock());
        hands.iter().filter_map(Weak::upgrade).for_each(|hand| self.look_at(&hand, tick));
    }

    fn look_at(&self, hand: &Arc<Hand>, tick: u64) {
        if hand.look.load(SeqCst) != tick {
            return;
        }
        loop {
            let due = hand.due.load(SeqCst);
            if due > tick && due != NEVER {
                self.queue(hand, due);
            } else {
                if due <= tick && due != RUNG {
                    if hand.due.compare_exchange(due, RUNG, SeqCst, SeqCst).is_err() {
                        continue;
                    }
                    hand.waker.wake();
                }
                hand.look.store(NEVER, SeqCst);
            }
            // Whoever moves it stores the moment and then looks here; this is the other way round, so that one of the
            // two sees what the other did.
            let due = hand.due.load(SeqCst);
            if due == RUNG || due >= hand.look.load(SeqCst) {
                return;
            }
        }
    }
}

async fn turn(shared: Weak<Shared>, started: Instant) {
    let mut ticks = interval_at(started + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        for tick in shared.turned.load(SeqCst) + 1..=shared.tick_of(Instant::now()) {
            shared.turn_to(tick);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn rings_after(alarm: &Alarm) -> Duration {
        let begun = Instant::now();
        alarm.rung().await;
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_wait_that_is_over_keeps_nothing_of_its_task() {
        struct Task;
        impl std::task::Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let (task, alarm) = (Arc::new(Task), Wheel::start().alarm());
        let waker = task.clone().into();
        let mut wait = Box::pin(alarm.rung());
        assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 2, "the alarm wakes it");
        drop(wait);
        assert_eq!(Arc::strong_count(&task), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_it_is_due_and_not_before() {
        let wheel = Wheel::start();
        for seconds in [0, 1, 30, 51, 52, 75, 600] {
            let alarm = wheel.alarm();
            alarm.set(Instant::now() + SECOND * seconds);
            let after = rings_after(&alarm).await;
            assert!(
                after >= SECOND * seconds && after <= SECOND * seconds + 2 * TICK,
                "{seconds}: {after:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_can_be_moved_both_ways_and_taken_away() {
        let wheel = Wheel::start();
        let alarm = wheel.alarm();
        alarm.set(Instant::now() + 75 * SECOND);
        alarm.set(Instant::now() + 5 * SECOND);
        assert!(rings_after(&alarm).await < 6 * SECOND);
        // Set anew after it rang, and put off whenever it is about to ring.
        for _ in 0..20 {
            alarm.set(Instant::now() + 5 * SECOND);
            tokio::time::sleep(4 * SECOND).await;
            assert_ne!(alarm.hand.due.load(SeqCst), RUNG);
        }
        alarm.clear();
        let silent = tokio::time::timeout(600 * SECOND, alarm.rung()).await;
        assert!(silent.is_err(), "an alarm rang that was taken away");
        alarm.set(Instant::now() + SECOND);
        assert!(rings_after(&alarm).await < 2 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_that_is_moved_all_the_time_stands_in_few_slots() {
        let wheel = Wheel::start();
        let alarms: Vec<_> = (0..100).map(|_| wheel.alarm()).collect();
        for _ in 0..1_000 {
            for alarm in &alarms {
                alarm.set(Instant::now() + 30 * SECOND);
                alarm.set(Instant::now() + 5 * SECOND);
            }
            tokio::time::sleep(TICK).await;
        }
        let entries: usize = wheel.shared.slots.iter().map(|slot| slot.lock().len()).sum();
        assert!(entries <= 2 * alarms.len(), "{entries}");
        drop(alarms);
        tokio::time::sleep(60 * SECOND).await;
        let left: usize = wheel.shared.slots.iter().map(|slot| slot.lock().len()).sum();
        assert_eq!(left, 0, "what nobody waits for any more is forgotten");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn none_is_lost_while_the_wheel_turns() {
        let wheel = Wheel::start();
        let tasks: Vec<_> = (0..2_000_u64)
            .map(|n| {
                let alarm = wheel.alarm();
                tokio::spawn(async move {
                    for round in 0..20 {
                        alarm.set(Instant::now() + 2 * SECOND);
                        if (n + round) % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                        let at = Instant::now() + Duration::from_millis((n * 7 + round * 13) % 120);
                        alarm.set(at);
                        alarm.rung().await;
                        assert!(Instant::now() >= at);
                    }
                })
            })
            .collect();
        let all = async {
            for task in tasks {
                task.await.unwrap();
            }
        };
        tokio::time::timeout(60 * SECOND, all).await.expect("an alarm was lost");
    }
}
