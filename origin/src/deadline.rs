//! Waiting for a deadline that moves all the time and seldom comes: every connection has one.
//!
//! One [`Sleep`] a connection is reset lazily. A deadline that moves later costs nothing: the sleep ends at its old moment,
//! reads the deadline again and sleeps on. So a socket that receives a frame every second resets its sleep every thirty.
//!
//! Sleeps end at whole ticks of one clock, so that the process wakes once for all connections of a tick and not once for each. With a
//! wake-up for each, and a task for each ping, an idle connection took 6.0 µs/s in place of 4.3 (3,000 connections, `docs/performance.md`).

use std::{
    future::poll_fn,
    pin::Pin,
    sync::LazyLock,
    task::{Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// How late a deadline may come.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The moment that ticks are counted from.
static FIRST_TICK: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The first tick at or after `at`.
fn tick_after(at: Instant) -> Instant {
    let since = at.saturating_duration_since(*FIRST_TICK).as_nanos().div_ceil(TICK.as_nanos());
    u32::try_from(since).map_or(at, |ticks| *FIRST_TICK + ticks * TICK)
}

/// Resolves at `deadline` or up to a [`TICK`] later. The deadline is read again at every poll; never while there is none.
///
/// The task that moves the deadline must be the one that waits, and must poll this afterwards: nothing else wakes the wait
/// for a deadline that moved earlier.
pub(crate) async fn reached(mut sleep: Pin<&mut Sleep>, deadline: impl Fn() -> Option<Instant>) {
    poll_fn(|context| {
        loop {
            let Some(at) = deadline() else { return Poll::Pending };
            let tick = tick_after(at);
            if tick < sleep.deadline() {
                sleep.as_mut().reset(tick);
            }
            ready!(sleep.as_mut().poll(context));
            if at <= sleep.deadline() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(tick);
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeSet};

    use futures_util::poll;
    use tokio::time::{advance, sleep_until, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_deadline_comes_when_it_is_due_and_not_before() {
        for seconds in [0, 1, 30, 75, 600] {
            let begun = Instant::now();
            let at = begun + SECOND * seconds;
            let mut sleep = std::pin::pin!(sleep_until(at));
            reached(sleep.as_mut(), || Some(at)).await;
            let after = begun.elapsed();
            assert!(
                after >= SECOND * seconds && after < SECOND * seconds + TICK + SECOND / 100,
                "{seconds}: {after:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_of_many_wake_the_process_once_a_tick() {
        let begun = Instant::now();
        let waits = (0..1_000_u32).map(|n| async move {
            let (first, at) = (begun + SECOND / 1_000 * n, begun + SECOND + SECOND / 1_000 * n);
            // As of a connection whose deadline has moved since its sleep was set.
            let mut sleep = std::pin::pin!(sleep_until(first));
            reached(sleep.as_mut(), || Some(at)).await;
            let now = Instant::now();
            assert!(now >= at && now <= at + TICK + SECOND / 500);
            (now - begun).as_millis() / 10
        });
        let moments: BTreeSet<_> = futures_util::future::join_all(waits).await.into_iter().collect();
        assert!(moments.len() <= 12, "{} wake-ups for a second's deadlines", moments.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_can_move_both_ways_and_be_taken_away() {
        let begun = Instant::now();
        let deadline = Cell::new(Some(begun + 75 * SECOND));
        let mut sleep = std::pin::pin!(sleep_until(begun + 75 * SECOND));
        assert!(poll!(std::pin::pin!(reached(sleep.as_mut(), || deadline.get()))).is_pending());
        // Earlier.
        deadline.set(Some(begun + 5 * SECOND));
        reached(sleep.as_mut(), || deadline.get()).await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        // Later, each time just before it comes.
        for _ in 0..20 {
            deadline.set(Some(Instant::now() + 5 * SECOND));
            advance(4 * SECOND).await;
            assert!(poll!(std::pin::pin!(reached(sleep.as_mut(), || deadline.get()))).is_pending());
        }
        deadline.set(None);
        let never = timeout(600 * SECOND, reached(sleep.as_mut(), || deadline.get())).await;
        assert!(never.is_err(), "a deadline came that was taken away");
        deadline.set(Some(Instant::now() + SECOND));
        let begun = Instant::now();
        reached(sleep.as_mut(), || deadline.get()).await;
        assert_eq!(begun.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_all_the_time_rarely_wakes_its_task() {
        let begun = Instant::now();
        let deadline = Cell::new(begun);
        let polls = Cell::new(0);
        let mut sleep = std::pin::pin!(sleep_until(begun));
        let mut wait = std::pin::pin!(reached(sleep.as_mut(), || {
            polls.set(polls.get() + 1);
            Some(deadline.get())
        }));
        let mut moves = tokio::time::interval(SECOND / 10);
        for _ in 0..1_000 {
            deadline.set(Instant::now() + 30 * SECOND);
            tokio::select! {
                biased;
                () = wait.as_mut() => panic!("it moved before it came"),
                _ = moves.tick() => {}
            }
        }
        // Two polls belong to each move: the loop's own, and the one that finds the next move due.
        let woken = polls.get() - 2 * 1_000;
        assert!(woken <= 10, "the sleep ended {woken} times in 100 s");
        wait.await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn none_is_lost_among_many() {
        let tasks: Vec<_> = (0..2_000_u64)
            .map(|n| {
                tokio::spawn(async move {
                    let mut sleep = Box::pin(sleep_until(Instant::now() + 2 * SECOND));
                    for round in 0..20 {
                        let far = Instant::now() + 2 * SECOND;
                        assert!(poll!(std::pin::pin!(reached(sleep.as_mut(), || Some(far)))).is_pending());
                        let at = Instant::now() + Duration::from_millis((n * 7 + round * 13) % 120);
                        reached(sleep.as_mut(), || Some(at)).await;
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
        timeout(60 * SECOND, all).await.expect("a deadline was lost");
    }
}
