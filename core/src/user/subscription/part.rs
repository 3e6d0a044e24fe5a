//! A long request in parts. Each part is a short commit, so that others' commits come in between.

use std::collections::BTreeSet;

use super::{Subscribing, SubscriptionRequest};

/// The most users in a part.
pub const PART: usize = 250;

impl SubscriptionRequest {
    /// The request in parts of at most [`PART`] users, which together do what it does when they are carried out one after the
    /// other: cancels come first, and a user in both lists stays followed. The last part has users to follow if any has.
    pub fn parts(self) -> Vec<Self> {
        if self.subscribe.len() + self.unsubscribe.len() <= PART {
            return vec![self];
        }
        let followed: BTreeSet<&str> = self.subscribe.iter().map(String::as_str).collect();
        let cancelled: Vec<&String> =
            self.unsubscribe.iter().filter(|id| !followed.contains(id.as_str())).collect();
        let part = |subscribe: &[String], unsubscribe: &[&String]| Self {
            operation_id: self.operation_id.clone(),
            msg_incr: self.msg_incr.clone(),
            subscribe: subscribe.to_vec(),
            unsubscribe: unsubscribe.iter().map(|id| (*id).clone()).collect(),
            more: true,
        };
        let cancels = cancelled.chunks(PART).map(|ids| part(&[], ids));
        let mut parts: Vec<Self> =
            cancels.chain(self.subscribe.chunks(PART).map(|ids| part(ids, &[]))).collect();
        if let Some(last) = parts.last_mut() {
            last.more = self.more;
        }
        parts
    }
}

impl Subscribing {
    /// Adds what a later part of the same request leaves.
    pub fn extend(&mut self, later: Self) {
        self.watches.extend(later.watches);
        self.pending.asked.extend(later.pending.asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(subscribe: usize, unsubscribe: std::ops::Range<usize>) -> SubscriptionRequest {
        SubscriptionRequest {
            operation_id: "o".to_owned(),
            msg_incr: "m".to_owned(),
            subscribe: (0..subscribe).map(|number| number.to_string()).collect(),
            unsubscribe: unsubscribe.map(|number| number.to_string()).collect(),
            more: false,
        }
    }

    #[test]
    fn a_short_request_is_one_part() {
        for whole in [request(PART, 0..0), request(0, 0..PART), request(0, 0..0)] {
            assert_eq!(whole.clone().parts(), [whole]);
        }
    }

    #[test]
    fn a_long_request_cancels_first_and_keeps_who_is_in_both_lists() {
        let parts = request(2 * PART + 1, 10..3 * PART).parts();
        let sizes: Vec<_> = parts.iter().map(|part| (part.subscribe.len(), part.unsubscribe.len())).collect();
        assert_eq!(sizes, [(0, PART - 1), (PART, 0), (PART, 0), (1, 0)]);
        let more: Vec<_> = parts.iter().map(|part| part.more).collect();
        assert_eq!(more, [true, true, true, false]);
        assert_eq!(parts[0].unsubscribe.first().map(String::as_str), Some("501"));
    }

    #[test]
    fn only_the_last_part_of_cancels_is_answered() {
        let more: Vec<_> = request(0, 0..PART + 1).parts().iter().map(|part| part.more).collect();
        assert_eq!(more, [true, false]);
    }
}
