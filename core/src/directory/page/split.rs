//! The search for the beginning of a page, by counts.
//!
//! Each shard samples every n-th position of its part of the list. Between two neighbours of a sample lie at most n - 1
//! records, so that the number of records before any position, over all shards, is known within narrow bounds. The latest
//! position that certainly lies before the page becomes the new start, the earliest that certainly does not becomes the new
//! end. Each round makes the stretch between them some hundred times smaller.

use super::merge::Limits;
use crate::directory::query::{Order, Position, Stretch};

/// The stretch of the list in which the page begins, narrowed step by step.
#[derive(Debug)]
pub(super) struct Split {
    order: Order,
    stretch: Stretch,
    /// For each shard the upper bound of its records in the stretch.
    most: Vec<u64>,
    /// Records between the last counted position and the page.
    skip: u64,
    /// How many of them certainly lie before the stretch; their exact number is not counted yet.
    passed: u64,
}

/// How a shard was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampling {
    /// The distance between two sampled positions.
    pub(super) step: u64,
    /// The number of positions that the sample covers.
    pub(super) reach: u64,
}

impl Sampling {
    /// A sample that covers `reach` records: every position while the bounds allow so many keys, else every n-th.
    ///
    /// The first case ends the narrowing: among many shards even every second position would leave the bounds too wide.
    pub(super) const fn of(reach: u64, limits: Limits) -> Self {
        let step = if reach <= limits.slack { 1 } else { reach.div_ceil(limits.samples) };
        Self { step, reach }
    }
}

/// The bounds that a sample gives for one shard at some position.
#[derive(Clone, Copy, Debug, Default)]
struct Rank {
    /// Records up to the position, at least.
    low: u64,
    /// And at most.
    high: u64,
}

/// A shard's sample.
pub(super) type Sample = (Sampling, Vec<Position>);

impl Split {
    /// The whole list: `offset` records come before the page, and the shards have `most` records each.
    pub(super) const fn new(order: Order, offset: u64, most: Vec<u64>) -> Self {
        Self { order, stretch: Stretch { after: None, upto: None }, most, skip: offset, passed: 0 }
    }

    /// The stretch in which the page begins.
    pub(super) const fn stretch(&self) -> &Stretch {
        &self.stretch
    }

    /// Records of the stretch that come before the page, at most; exactly so once everything is counted.
    pub(super) const fn skip(&self) -> u64 {
        self.skip.saturating_sub(self.passed)
    }

    /// How to sample each shard next.
    pub(super) fn samplings(&self, limits: Limits) -> Vec<Sampling> {
        self.most.iter().map(|most| Sampling::of(*most, limits)).collect()
    }

    /// Takes the samples of all shards. Returns the stretch that was passed, which is counted for [`Split::counted`].
    pub(super) fn narrow(&mut self, samples: &[Sample]) -> Option<Stretch> {
        let (start, end) = self.around(samples);
        let most = self.most.clone();
        if let Some(end) = end {
            self.most = self.ranks(samples, &most, end).map(|rank| rank.high).collect();
            self.stretch.upto = Some(end.clone());
        }
        let start = start?;
        let low: Vec<_> = self.ranks(samples, &most, start).map(|rank| rank.low).collect();
        self.passed = low.iter().sum();
        self.most = self.most.iter().zip(low).map(|(most, low)| most.saturating_sub(low)).collect();
        let before = self.stretch.after.replace(start.clone());
        Some(Stretch { after: before, upto: Some(start.clone()) })
    }

    /// Takes the number of records in the stretch that [`Split::narrow`] passed.
    pub(super) const fn counted(&mut self, records: u64) {
        self.skip = self.skip.saturating_sub(records);
        self.passed = 0;
    }

    /// The last sampled position that certainly lies before the page, and the first that certainly does not.
    fn around<'a>(&self, samples: &'a [Sample]) -> (Option<&'a Position>, Option<&'a Position>) {
        let named = self.order.merged(samples.iter().map(|(_, positions)| positions.as_slice()));
        let rank = |shard: usize, seen: u64| match (self.most.get(shard), samples.get(shard)) {
            (Some(most), Some(sample)) => Rank::after(seen, *most, sample),
            _ => Rank::default(),
        };
        let mut seen = vec![0; samples.len()];
        let mut sum: Rank = (0..samples.len()).map(|shard| rank(shard, 0)).sum();
        let mut start = None;
        // Shards do not know of each other: two records may share a position, and then they count together.
        for group in named.chunk_by(|(_, one), (_, other)| one == other) {
            for (shard, _) in group {
                let Some(seen) = seen.get_mut(*shard) else { continue };
                let (before, after) = (rank(*shard, *seen), rank(*shard, *seen + 1));
                *seen += 1;
                sum =
                    Rank { low: sum.low + after.low - before.low, high: sum.high + after.high - before.high };
            }
            let position = group.first().map(|(_, position)| *position);
            if sum.high <= self.skip {
                start = position;
            } else if sum.low > self.skip {
                return (start, position);
            }
        }
        (start, None)
    }

    fn ranks(&self, samples: &[Sample], most: &[u64], position: &Position) -> impl Iterator<Item = Rank> {
        samples.iter().zip(most).map(move |(sample, most)| {
            let seen = sample.1.partition_point(|named| self.order.compare(named, position).is_le());
            Rank::after(seen as u64, *most, sample)
        })
    }
}

impl Rank {
    /// The bounds of a shard at a position after `seen` of its sample's positions and before the next.
    fn after(seen: u64, most: u64, (sampling, positions): &Sample) -> Self {
        let low = seen.saturating_mul(sampling.step);
        let next = low.saturating_add(sampling.step - 1);
        let high = if seen < positions.len() as u64 {
            next
        } else if sampling.reach >= most {
            next.min(most)
        } else {
            most
        };
        Self { low, high: high.max(low) }
    }
}

impl std::iter::Sum for Rank {
    fn sum<I: Iterator<Item = Self>>(ranks: I) -> Self {
        ranks.fold(Self::default(), |sum, rank| Self { low: sum.low + rank.low, high: sum.high + rank.high })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::merge::LIMITS, *};
    use crate::{
        directory::query::{Direction, OrderBy, SortValue},
        id::RecordId,
        size::sized,
    };

    fn position(id: i64) -> Position {
        Position { value: SortValue::Int(id), id: RecordId::from_number(id).unwrap() }
    }

    /// Narrows over shards that hold these ids in ascending order; returns the rounds, and where it began.
    fn narrowed(shards: &[Vec<i64>], offset: u64) -> (u32, u64) {
        let order = Order { by: OrderBy::Id, direction: Direction::Ascending };
        let mut split = Split::new(order, offset, shards.iter().map(|ids| ids.len() as u64).collect());
        let within = |ids: &[i64], stretch: &Stretch| -> std::ops::Range<usize> {
            let index = |position: &Option<Position>, none| {
                position
                    .as_ref()
                    .map_or(none, |position| ids.partition_point(|id| *id <= position.id.number()))
            };
            index(&stretch.after, 0)..index(&stretch.upto, ids.len())
        };
        for round in 0..20 {
            if split.skip() <= LIMITS.slack {
                return (round, split.skip());
            }
            let sample = |(ids, sampling): (&Vec<i64>, Sampling)| {
                let ids = &ids[within(ids, split.stretch())];
                let reached = ids.iter().take(sampling.reach as usize);
                let named: Vec<_> =
                    reached.skip(sampling.step as usize - 1).step_by(sampling.step as usize).collect();
                assert!(named.len() as u64 <= LIMITS.slack);
                (sampling, named.into_iter().map(|id| position(*id)).collect())
            };
            let samples: Vec<Sample> = shards.iter().zip(split.samplings(LIMITS)).map(sample).collect();
            if let Some(passed) = split.narrow(&samples) {
                split.counted(shards.iter().map(|ids| within(ids, &passed).len() as u64).sum());
            }
        }
        panic!("the narrowing does not end");
    }

    #[test]
    fn a_few_rounds_find_the_place_among_any_number_of_shards_of_any_size() {
        for (shards, tens, skew) in
            [(2, 30_000, 1), (16, 30_000, 1), (16, 30_000, 40), (300, 30_000, 3), (1_024, 70_000, 2)]
        {
            let records = tens * sized(1, 10);
            let mut parts = vec![Vec::new(); shards];
            for id in 1..=records {
                // A multiplier without a pattern to it; with skew, most records are in the first shards.
                let bits = (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
                let shard =
                    if bits.is_multiple_of(skew) { bits as usize / skew as usize } else { bits as usize % 2 };
                parts[shard % shards].push(id);
            }
            for offset in [1_001, records as u64 / 3, records as u64 - 5] {
                let (rounds, skip) = narrowed(&parts, offset);
                assert!(rounds <= 3, "{rounds} rounds for {offset} of {records} in {shards}");
                assert!(skip <= LIMITS.slack);
            }
        }
    }
}
