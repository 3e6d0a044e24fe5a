//! Which of the other processes give no sign of life any more.
//!
//! They are judged by this machine's clock and by what this process sees of them, and by no wall clock: one that is set kills nobody.
//! While the engine cannot be read nobody is watched, so that its outage kills nobody either.

use std::{collections::HashMap, time::Duration};

use crate::store::{Node, NodeState};

/// Beats in a lease.
pub(super) const BEATS: u32 = 5;
/// Intervals without a look after which everybody is watched anew.
const GAP: u32 = 2;

/// What was seen of the others.
pub(super) struct Observer {
    own: i64,
    lease: Duration,
    /// The last beat of each, and when it was first seen.
    seen: HashMap<i64, (i64, Duration)>,
    looked: Duration,
}

impl Observer {
    pub(super) fn new(own: i64, lease: Duration) -> Self {
        Self { own, lease, seen: HashMap::new(), looked: Duration::ZERO }
    }

    /// Looks at all processes. Returns those that gave no sign of life for a lease, with their last beats. The times are of one clock.
    pub(super) fn look(&mut self, nodes: &[Node], now: Duration) -> Vec<(i64, i64)> {
        if now.saturating_sub(self.looked) > self.lease / BEATS * GAP {
            self.seen.clear();
        }
        self.looked = now;
        let others = || nodes.iter().filter(|node| node.state == NodeState::Serving && node.id != self.own);
        let before = std::mem::take(&mut self.seen);
        self.seen = others()
            .map(|node| {
                let known = before.get(&node.id).filter(|(beat, _)| *beat == node.beat);
                (node.id, known.copied().unwrap_or((node.beat, now)))
            })
            .collect();
        let is_silent = |(_, (_, since)): &(&i64, &(i64, Duration))| now.saturating_sub(*since) >= self.lease;
        self.seen.iter().filter(is_silent).map(|(node, (beat, _))| (*node, *beat)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rollcall_core::time::Timestamp;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn node(id: i64, beat: i64) -> Node {
        Node {
            id,
            name: String::new(),
            version: String::new(),
            started_at: Timestamp::default(),
            alive_at: Timestamp::default(),
            beat,
            sockets: 0,
            state: NodeState::Serving,
            is_swept: false,
        }
    }

    /// The second at which each of the others is declared dead, where these were looked at in these seconds.
    fn declared(looks: impl IntoIterator<Item = (u32, Vec<Node>)>) -> Vec<(u32, i64)> {
        let mut observer = Observer::new(1, 5 * SECOND);
        looks
            .into_iter()
            .flat_map(|(second, nodes)| {
                let found = observer.look(&nodes, 1_000 * SECOND + second * SECOND);
                found.into_iter().map(move |(node, _)| (second, node))
            })
            .collect()
    }

    #[test]
    fn who_is_silent_for_a_lease_is_found_and_who_beats_is_not() {
        let looks = (0..8).map(|second| (second, vec![node(1, 0), node(2, 7), node(3, second.into())]));
        assert_eq!(declared(looks), [(5, 2), (6, 2), (7, 2)], "never this process itself");
    }

    #[test]
    fn one_beat_is_a_sign_of_life_for_a_whole_lease_more() {
        let looks = (0..12).map(|second| (second, vec![node(2, i64::from(second >= 4))]));
        assert_eq!(declared(looks).first(), Some(&(9, 2)));
    }

    /// The known-wrong way was to count the time of an outage of the engine.
    #[test]
    fn a_look_after_a_gap_begins_anew() {
        let seconds = (0..4).chain(24..34);
        let looks = seconds.map(|second| (second, vec![node(2, 7)]));
        assert_eq!(declared(looks).first(), Some(&(29, 2)));
        let seconds = (0..20).filter(|second| second % 3 == 0);
        assert_eq!(declared(seconds.map(|second| (second, vec![node(2, 7)]))), [], "too seldom to judge");
    }

    #[test]
    fn who_has_ended_or_gone_is_watched_no_more() {
        let ended = Node { state: NodeState::Dead, ..node(2, 7) };
        let looks = (0..20).map(|second| match second {
            0..4 => (second, vec![node(2, 7)]),
            4 => (second, vec![ended.clone()]),
            5..8 => (second, Vec::new()),
            _ => (second, vec![node(2, 7)]),
        });
        assert_eq!(declared(looks).first(), Some(&(13, 2)));
    }
}
