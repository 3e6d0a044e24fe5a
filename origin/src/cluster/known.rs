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
    /// Numbers of those that close something and are being brought.
    closing: HashSet<i64>,
    /// Those that close nothing and are being brought, by user: they come to sockets in their order.
    frames: HashMap<UserId, BTreeMap<i64, Parcel>>,
    brought: HashMap<i64, Brought>,
    /// Numbers whose rows are being removed.
    leaving: HashSet<i64>,
}

/// What is being brought: it may wait for long, and is read no more meanwhile.
#[derive(Default)]
pub(super) struct InHand {
    /// Users of whom frames are. Others of them wait for those.
    pub(super) users: HashSet<UserId>,
    /// Numbers of those that close something.
    pub(super) closing: HashSet<i64>,
}

/// One that was brought.
struct Brought {
    at: Instant,
    user: Option<UserId>,
}

impl Known {
    pub(super) fn in_hand(&self) -> InHand {
        InHand { users: self.frames.keys().cloned().collect(), closing: self.closing.clone() }
    }

    /// Takes what was read, the oldest rows; `is_all` where there are no others but those that were `in_hand`. Returns those that are new,
    /// and those that were brought and are still there.
    pub(super) fn take(
        &mut self,
        read: Vec<Parcel>,
        is_all: bool,
        in_hand: &InHand,
    ) -> (Vec<Parcel>, Vec<Parcel>) {
        let shown: HashSet<i64> = read.iter().map(|parcel| parcel.id).collect();
        let last = shown.iter().max().copied().unwrap_or(i64::MIN);
        self.brought.retain(|id, brought| {
            let is_hidden = brought.user.as_ref().is_some_and(|user| in_hand.users.contains(user));
            let may_be_there = shown.contains(id) || is_hidden || !(is_all || *id < last);
            may_be_there || brought.at.elapsed() < KEPT
        });
        let (mut new, mut brought) = (Vec::new(), Vec::new());
        for parcel in read {
            if self.brought.contains_key(&parcel.id) {
                if !self.leaving.contains(&parcel.id) {
                    brought.push(parcel);
                }
            } else if self.take_in(&parcel) {
                new.push(parcel);
            }
        }
        (new, brought)
    }

    /// Their rows are being removed from here on, or no more.
    pub(super) fn leave(&mut self, ids: &[i64], are_leaving: bool) {
        for id in ids {
            if are_leaving {
                self.leaving.insert(*id);
            } else {
                self.leaving.remove(id);
            }
        }
    }

    /// These may not have been brought: whoever reads them next brings them.
    pub(super) fn put_back(&mut self, parcels: &[Parcel]) {
        for parcel in parcels {
            self.take_out(parcel);
        }
    }

    /// It is in hand. Whether it was not.
    fn take_in(&mut self, parcel: &Parcel) -> bool {
        match parcel.address.as_ref().filter(|_| !parcel.closes) {
            Some((user, _)) => {
                let frames = self.frames.entry(user.clone()).or_default();
                frames.insert(parcel.id, parcel.clone()).is_none()
            }
            None => self.closing.insert(parcel.id),
        }
    }

    /// It is in hand no more.
    fn take_out(&mut self, parcel: &Parcel) {
        self.closing.remove(&parcel.id);
        if let Some((user, _)) = &parcel.address
            && let Some(frames) = self.frames.get_mut(user)
        {
            frames.remove(&parcel.id);
            if frames.is_empty() {
                self.frames.remove(user);
            }
        }
    }

    /// From here on it is brought. Whether it was not.
    pub(super) fn bring(&mut self, parcel: &Parcel) -> bool {
        self.take_out(parcel);
        let user = parcel.address.as_ref().map(|(user, _)| user.clone());
        self.brought.insert(parcel.id, Brought { at: Instant::now(), user }).is_none()
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

    impl Known {
        fn read(&mut self, read: Vec<Parcel>, is_all: bool) -> (Vec<Parcel>, Vec<Parcel>) {
            self.take(read, is_all, &InHand::default())
        }
    }

    /// The known-wrong way was to forget what was brought once it was acknowledged: a push came twice where that was lost.
    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_brought_once_however_often_it_is_read() {
        let mut known = Known::default();
        let (new, brought) = known.read(rows([3, 5]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![3, 5], vec![]));
        assert!(known.bring(&new[1]) && !known.bring(&new[1]));
        let (new, brought) = known.read(rows([2, 3, 5]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![2], vec![5]), "a smaller number may come later");
        known.leave(&[5], true);
        let (new, brought) = known.read(rows([2, 3, 5]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![], vec![]), "it is being acknowledged");
        known.leave(&[5], false);
        let (_, brought) = known.read(rows([2, 3, 5]), true);
        assert_eq!(ids(&brought), [5], "that has failed");
        let early = rows([7]);
        assert!(known.bring(&early[0]), "before it was read here");
        let (new, brought) = known.read(rows([7]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![], vec![7]));
        tokio::time::advance(KEPT).await;
        // A full page does not say what is behind it.
        known.read(rows([6]), false);
        assert!(known.brought.contains_key(&7) && !known.brought.contains_key(&5));
        let in_hand = InHand { users: HashSet::from([UserId::from(7)]), ..InHand::default() };
        known.take(rows([6]), true, &in_hand);
        assert!(known.brought.contains_key(&7), "nor one without frames of its user");
        known.read(rows([6]), true);
        assert!(known.brought.is_empty(), "what is gone is forgotten");
    }

    /// The known-wrong way was to keep what was being brought as it panicked: nobody brought it any more, and every kick of its user failed.
    #[test]
    fn what_is_put_back_is_brought_by_the_next_read() {
        let mut known = Known::default();
        let (new, _) = known.read(rows([3, 5]), true);
        known.bring(&new[0]);
        known.put_back(&new);
        assert!(known.in_hand().users.is_empty() && known.in_hand().closing.is_empty());
        let (new, brought) = known.read(rows([3, 5]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![5], vec![3]));
    }

    /// The known-wrong way was a task for each read: the later one could be quicker.
    #[test]
    fn the_frames_of_a_user_are_taken_together_and_in_their_order() {
        let mut known = Known::default();
        known.read(rows([5]), true);
        known.read(rows([3, 5, 9]), true);
        let user = UserId::from(7);
        assert_eq!(ids(&known.frames_of(&user)), [3, 5, 9]);
        assert_eq!(ids(&known.frames_of(&user)), [] as [i64; 0]);
        let (new, brought) = known.read(rows([3, 5, 9]), true);
        assert_eq!((ids(&new), ids(&brought)), (vec![], vec![3, 5, 9]));
    }
}
