//! Which parcels were brought. Each is read until its row is gone, and brought once.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use rollcall_core::id::UserId;
use tokio::time::Instant;

use super::parcel::Parcel;

/// How long a number is known that no read shows any more: one may be under way that began before, and an engine that crashes may
/// bring a row back.
const KEPT: Duration = Duration::from_secs(30);

/// What was read, or brought before it was.
#[derive(Default)]
pub(super) struct Known {
    /// Numbers that are being brought.
    in_hand: HashSet<i64>,
    /// Those of them that close nothing, by user: they come to sockets in their order.
    frames: HashMap<UserId, BTreeMap<i64, Parcel>>,
    /// When they were brought.
    brought: HashMap<i64, Instant>,
}

impl Known {
    /// Takes what was read, the oldest rows; `is_all` where there are no others. Returns those that are new, and those that were brought
    /// and are still there.
    pub(super) fn take(&mut self, read: Vec<Parcel>, is_all: bool) -> (Vec<Parcel>, Vec<Parcel>) {
        let shown: HashSet<i64> = read.iter().map(|parcel| parcel.id).collect();
        let last = shown.iter().max().copied().unwrap_or(i64::MIN);
        self.brought
            .retain(|id, since| shown.contains(id) || !(is_all || *id < last) || since.elapsed() < KEPT);
        let (mut new, mut brought) = (Vec::new(), Vec::new());
        for parcel in read {
            if self.brought.contains_key(&parcel.id) {
                brought.push(parcel);
            } else if self.in_hand.insert(parcel.id) {
                if let Some((user, _)) = parcel.address.as_ref().filter(|_| !parcel.closes) {
                    self.frames.entry(user.clone()).or_default().insert(parcel.id, parcel.clone());
                }
                new.push(parcel);
            }
        }
        (new, brought)
    }

    /// From here on it is brought. Whether it was not.
    pub(super) fn bring(&mut self, parcel: &Parcel) -> bool {
        self.in_hand.remove(&parcel.id);
        if let Some((user, _)) = &parcel.address
            && let Some(frames) = self.frames.get_mut(user)
        {
            frames.remove(&parcel.id);
            if frames.is_empty() {
                self.frames.remove(user);
            }
        }
        self.brought.insert(parcel.id, Instant::now()).is_none()
    }

    /// What was read for sockets of a user and closes none, in its order. From here on it is brought.
    pub(super) fn frames_of(&mut self, user: &UserId) -> Vec<Parcel> {
        let frames: Vec<Parcel> = self.frames.remove(user).unwrap_or_default().into_values().collect();
        for parcel in &frames {
            self.bring(parcel);
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(parcels: &[Parcel]) -> Vec<i64> {
        parcels.iter().map(|parcel| parcel.id).collect()
    }

    fn rows(ids: impl IntoIterator<Item = i64>) -> Vec<Parcel> {
        ids.into_iter().map(Parcel::of_test).collect()
    }

    /// The known-wrong way was to forget what was brought once it was acknowledged: a push came twice where that was lost.
    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_brought_once_however_often_it_is_read() {
        let mut known = Known::default();
        let (new, brought) = known.take(rows([3, 5]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![3, 5], vec![]));
        assert!(known.bring(&new[1]) && !known.bring(&new[1]));
        let (new, brought) = known.take(rows([2, 3, 5]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![2], vec![5]), "a smaller number may come later");
        let early = rows([7]);
        assert!(known.bring(&early[0]), "before it was read here");
        let (new, brought) = known.take(rows([7]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![], vec![7]));
        tokio::time::advance(KEPT).await;
        // A full page does not say what is behind it.
        known.take(rows([6]), false);
        assert!(known.brought.contains_key(&7) && !known.brought.contains_key(&5));
        known.take(rows([6]), true);
        assert!(known.brought.is_empty(), "what is gone is forgotten");
    }

    /// The known-wrong way was a task for each read: the later one could be quicker.
    #[test]
    fn the_frames_of_a_user_are_taken_together_and_in_their_order() {
        let mut known = Known::default();
        known.take(rows([5]), true);
        known.take(rows([3, 5, 9]), true);
        let user = UserId::from(7);
        assert_eq!(ids(&known.frames_of(&user)), [3, 5, 9]);
        assert_eq!(ids(&known.frames_of(&user)), [] as [i64; 0]);
        let (new, brought) = known.take(rows([3, 5, 9]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![], vec![3, 5, 9]));
    }
}
