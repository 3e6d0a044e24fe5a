//! Which of the other processes give no sign of life any more.
//!
//! They are judged by this machine's clock and by what this process sees of them, and by no wall clock: one that is set kills nobody.
//! While the engine cannot be read nobody is watched, so that its outage kills nobody either. Each is judged by its own lease.

use std::{collections::HashMap, time::Duration};

use crate::store::{Node, NodeState};

/// Beats in a lease.
pub(super) const BEATS: u32 = 5;
/// Intervals of somebody's signs of life without a look after which it is watched anew.
const GAP: u32 = 2;

/// What was seen of the others.
pub(super) struct Observer {
    own: i64,
    /// The last beat of each, and when it was first seen.
    seen: HashMap<i64, (i64, Duration)>,
    looked: Duration,
}

impl Observer {
    pub(super) fn new(own: i64) -> Self {
        Self { own, seen: HashMap::new(), looked: Duration::ZERO }
    }

    /// Looks at all processes. Returns those that gave no sign of life for their lease, with their last beats. The times are of one clock.
    pub(super) fn look(&mut self, nodes: &[Node], now: Duration) -> Vec<(i64, i64)> {
        let gap = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        let before = std::mem::take(&mut self.seen);
        let mut silent = Vec::new();
        for node in nodes.iter().filter(|node| node.state == NodeState::Serving && node.id != self.own) {
            let known = before.get(&node.id).filter(|_| gap <= interval_of(node.lease) * GAP);
            let (beat, since) =
                known.copied().filter(|(beat, _)| *beat == node.beat).unwrap_or((node.beat, now));
            if now.saturating_sub(since) >= node.lease {
                silent.push((node.id, beat));
            }
            self.seen.insert(node.id, (beat, since));
        }
        silent
    }
}

/// The time between two signs of life of a process of this lease.
pub(super) fn interval_of(lease: Duration) -> Duration {
    lease / BEATS
}

/// The time between two looks at these processes: whoever may be silent for the shortest time is seen often enough to be judged.
pub(super) fn interval_among(nodes: &[Node], own: Duration) -> Duration {
    let serving = nodes.iter().filter(|node| node.state == NodeState::Serving);
    interval_of(serving.map(|node| node.lease).fold(own, Duration::min))
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
            lease: 5 * SECOND,
            state: NodeState::Serving,
            is_swept: false,
        }
    }

    /// The second at which each of the others is declared dead, where these were looked at in these seconds.
    fn declared(looks: impl IntoIterator<Item = (u32, Vec<Node>)>) -> Vec<(u32, i64)> {
        let mut observer = Observer::new(1);
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

    /// The known-wrong way was to judge others by one's own lease: who has a longer one was killed while it served, and who has a
    /// shorter one was alive for long.
    #[test]
    fn each_is_judged_by_its_own_lease() {
        let of = |id, seconds| Node { lease: seconds * SECOND, ..node(id, 7) };
        let all = || vec![of(1, 30), of(2, 5), of(3, 60)];
        assert_eq!(interval_among(&all(), 30 * SECOND), SECOND);
        let looks = declared((0..70).map(|second| (second, all())));
        let first = |id| looks.iter().find(|(_, of)| *of == id).copied();
        assert_eq!((first(1), first(2), first(3)), (None, Some((5, 2)), Some((60, 3))));
        let seldom = declared((0..70).step_by(6).map(|second| (second, all())));
        assert_eq!(seldom.first(), Some(&(60, 3)), "too seldom to judge who has the shorter one");
        let gone = Node { state: NodeState::Left, ..of(2, 5) };
        assert_eq!(interval_among(&[of(1, 30), gone], 30 * SECOND), 6 * SECOND);
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
