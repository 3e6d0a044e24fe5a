//! Where the buckets of a tenant's directory are, as versioned data (`docs/rules/edge.md#directory`).
//!
//! Shard 0 keeps the layout for all. Buckets move in their order, some at a time: while they are copied, their records are published
//! to their old and their new shard. Every question and every change carries the layout that its sender knows; a shard that knows a newer one
//! refuses it, and one that knows an older one takes the newer over.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::BUCKETS;
use crate::store::{Statement, Value};

/// The most shards of a directory: a bucket each.
pub const MOST_SHARDS: u32 = BUCKETS as u32;

/// The place of every bucket, at one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Grows by one with every change; 0 while nothing is stored.
    pub version: u32,
    /// The number of shards, or the former one during a change.
    pub shards: u32,
    /// The number of shards that it changes to; [`Self::shards`] otherwise.
    pub target: u32,
    /// Buckets below this one have moved.
    pub moved: u16,
    /// The number of buckets from [`Self::moved`] on that are being copied.
    pub copying: u16,
}

/// Another change of the number of shards is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory is on its way from {from} to {to} shards")]
pub struct UnderWay {
    /// The former number.
    pub from: u32,
    /// The number that it changes to.
    pub to: u32,
}

/// The next layout in a change of the number of shards, and what has to be done before it is put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing. Then the next buckets may be copied.
    Copy(Layout),
    /// The buckets that are being copied have to be where they go to.
    HandOver(Layout),
    /// Nothing: every bucket has moved.
    End(Layout),
}

/// The fewest buckets that are copied together. A copy reads all rows of a shard, so there must not be many; one that is broken off
/// begins anew, so it must not take long.
pub const LEAST_COPIED: u16 = 16;
/// The most buckets that are copied together, which is when they have few records.
pub const MOST_COPIED: u16 = 64;
/// Records of a shard that are few.
const FEW_RECORDS: u64 = 5_000;

impl Layout {
    /// The layout of a directory that was never written (`presence.directory_shards`).
    pub const fn unwritten(shards: u32) -> Self {
        Self { version: 0, shards, target: shards, moved: 0, copying: 0 }
    }

    /// The first layout of a directory.
    pub const fn first(shards: u32) -> Self {
        Self { version: 1, ..Self::unwritten(shards) }
    }

    /// The shard that answers for a bucket.
    pub fn home(&self, bucket: u16) -> u32 {
        let shards = if bucket < self.moved { self.target } else { self.shards };
        u32::from(bucket) % shards.max(1)
    }

    /// The shard that receives a bucket beside its home.
    pub fn receiver(&self, bucket: u16) -> Option<u32> {
        let to = u32::from(bucket) % self.target.max(1);
        (self.is_copied(bucket) && to != self.home(bucket)).then_some(to)
    }

    /// Whether the bucket is among those that are being copied.
    pub fn is_copied(&self, bucket: u16) -> bool {
        self.copied().contains(&bucket)
    }

    /// The buckets that are being copied.
    pub fn copied(&self) -> Range<u16> {
        self.moved..self.moved.saturating_add(self.copying)
    }

    /// The number of shards that may hold records.
    pub fn places(&self) -> u32 {
        self.shards.max(self.target)
    }

    /// Whether the number of shards is changing.
    pub const fn is_changing(&self) -> bool {
        self.shards != self.target
    }

    /// The layout with which a change to `target` shards begins; the same, if that is its number or under way already.
    ///
    /// # Errors
    /// When another change is under way.
    pub const fn change_to(self, target: u32) -> Result<Self, UnderWay> {
        if self.target == target {
            Ok(self)
        } else if self.is_changing() {
            Err(UnderWay { from: self.shards, to: self.target })
        } else {
            Ok(Self { version: self.version.saturating_add(1), target, moved: 0, copying: 0, ..self })
        }
    }

    /// The number of buckets that may be copied together, by the counters of one shard: buckets are alike.
    pub fn copied_together(counters: &[(u16, u64)]) -> u16 {
        let records = counters.iter().fold(0_u64, |sum, (_, records)| sum.saturating_add(*records));
        let each = records.div_ceil(counters.len().max(1) as u64).max(1);
        u16::try_from(FEW_RECORDS / each).unwrap_or(MOST_COPIED).clamp(LEAST_COPIED, MOST_COPIED)
    }

    /// What follows, where so many buckets may be copied together; `None` without a change under way.
    pub fn next(&self, together: u16) -> Option<Next> {
        if !self.is_changing() {
            return None;
        }
        let next = Self { version: self.version.saturating_add(1), copying: 0, ..*self };
        Some(if self.copying > 0 {
            Next::HandOver(Self { moved: self.copied().end, ..next })
        } else if self.moved < BUCKETS {
            Next::Copy(Self { copying: together.max(1).min(BUCKETS - self.moved), ..next })
        } else {
            Next::End(Self { shards: self.target, moved: 0, ..next })
        })
    }
}

/// Selects the layout; no row before the first write.
pub fn get() -> Statement {
    Statement::new("SELECT version, shards, coalesce(target, shards), moved, copying FROM layout", [])
}

/// Stores the layout, unless a newer one is stored.
pub fn keep(layout: &Layout) -> Statement {
    Statement::new(
        "INSERT INTO layout (id, version, shards, target, moved, copying, counted, widest) \
         VALUES (1, ?1, ?2, ?3, ?4, ?5, 1, max(?2, ?3)) \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, shards = excluded.shards, \
         target = excluded.target, moved = excluded.moved, copying = excluded.copying, \
         widest = max(layout.widest, layout.shards, excluded.widest), \
         since_copy = CASE WHEN layout.version = excluded.version THEN layout.since_copy ELSE 0 END \
         WHERE excluded.version >= layout.version",
        [
            Value::Int(layout.version.into()),
            Value::Int(layout.shards.into()),
            Value::Int(layout.target.into()),
            Value::Int(layout.moved.into()),
            Value::Int(layout.copying.into()),
        ],
    )
}

/// Selects the most shards that the directory ever had; no row before the first write.
pub fn widest() -> Statement {
    Statement::new("SELECT max(widest, shards, coalesce(target, 0)) FROM layout", [])
}

/// The number in the rows of [`widest`].
pub fn read_widest(rows: &[Vec<Value>]) -> u32 {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Int(shards)]) => u32::try_from(*shards).unwrap_or(MOST_SHARDS).min(MOST_SHARDS),
        _ => 0,
    }
}

/// The layout in the rows of [`get`].
pub fn read(rows: &[Vec<Value>]) -> Option<Layout> {
    let [Value::Int(version), Value::Int(shards), Value::Int(target), Value::Int(moved), Value::Int(copying)] =
        rows.first()?.as_slice()
    else {
        return None;
    };
    Some(Layout {
        version: u32::try_from(*version).ok()?,
        shards: u32::try_from(*shards).ok()?,
        target: u32::try_from(*target).ok()?,
        moved: u16::try_from(*moved).ok()?,
        copying: u16::try_from(*copying).ok()?,
    })
}

/// What happened in the buckets that are being copied since the copy began, beside publications, which reach both shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinceCopy {
    /// Nothing.
    Same,
    /// Records changed: they have to be copied again.
    Changed,
    /// Nothing, and nothing may until they are handed over.
    Sealed,
}

/// Notes what happened.
pub fn note(since: SinceCopy) -> Statement {
    let number = match since {
        SinceCopy::Same => 0,
        SinceCopy::Changed => 1,
        SinceCopy::Sealed => 2,
    };
    Statement::new("UPDATE layout SET since_copy = ?1 WHERE since_copy <> ?1", [Value::Int(number)])
}

/// Selects what happened.
pub fn since_copy() -> Statement {
    Statement::new("SELECT since_copy FROM layout", [])
}

/// What happened, by the rows of [`since_copy`].
pub fn read_since_copy(rows: &[Vec<Value>]) -> SinceCopy {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Int(1)]) => SinceCopy::Changed,
        Some([Value::Int(2)]) => SinceCopy::Sealed,
        _ => SinceCopy::Same,
    }
}

/// One row if the shard's records have no buckets and counters yet: an earlier program wrote them.
pub fn is_uncounted() -> Statement {
    Statement::new("SELECT 1 FROM layout WHERE counted = 0", [])
}

/// Notes that they have.
pub fn note_counted() -> Statement {
    Statement::new("UPDATE layout SET counted = 1", [])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{directory::tests::support::Database, store::migrations::StoreKind};

    /// Every layout on the way from one number of shards to another, so many buckets at a time.
    fn way(from: u32, to: u32, together: u16) -> Vec<Layout> {
        let mut all = vec![Layout::first(from), Layout::first(from).change_to(to).unwrap()];
        while let Some(next) = all.last().unwrap().next(together) {
            let (Next::Copy(layout) | Next::HandOver(layout) | Next::End(layout)) = next;
            all.push(layout);
        }
        all
    }

    #[test]
    fn a_change_moves_every_bucket_that_has_another_place_and_no_other() {
        for (from, to) in [(3, 8), (8, 3), (1, 2), (16, 64), (64, 1), (1_024, 7)] {
            for together in [LEAST_COPIED, MOST_COPIED, 100] {
                let way = way(from, to, together);
                let end = Layout { version: way.last().unwrap().version, ..Layout::first(to) };
                assert_eq!(way.last(), Some(&end));
                for (before, after) in way.iter().zip(&way[1..]) {
                    assert_eq!(after.version, before.version + 1);
                    let changed: Vec<u16> =
                        (0..BUCKETS).filter(|bucket| before.home(*bucket) != after.home(*bucket)).collect();
                    // A bucket goes to the shard that received it.
                    for bucket in changed {
                        assert_eq!(before.receiver(bucket), Some(after.home(bucket)));
                    }
                    assert!((0..BUCKETS).all(|bucket| after.home(bucket) < after.places()));
                    let received = (0..BUCKETS).filter(|bucket| after.receiver(*bucket).is_some()).count();
                    assert!(received <= usize::from(together));
                }
            }
        }
    }

    #[test]
    fn more_buckets_are_copied_together_while_they_have_few_records() {
        for (counters, expected) in [
            (&[][..], MOST_COPIED),
            (&[(7, 1), (9, 2)], MOST_COPIED),
            (&[(7, FEW_RECORDS / 20), (9, FEW_RECORDS / 20)], 20),
            (&[(7, FEW_RECORDS), (9, FEW_RECORDS)], LEAST_COPIED),
            (&[(7, u64::MAX), (9, u64::MAX)], LEAST_COPIED),
        ] {
            assert_eq!(Layout::copied_together(counters), expected, "{counters:?}");
        }
    }

    #[test]
    fn one_change_is_under_way_at_a_time() {
        let stable = Layout::first(3);
        assert_eq!(stable.change_to(3), Ok(stable));
        let changing = stable.change_to(8).unwrap();
        assert_eq!(changing.change_to(8), Ok(changing));
        assert_eq!(changing.change_to(3), Err(UnderWay { from: 3, to: 8 }));
        assert_eq!(stable.next(LEAST_COPIED), None);
    }

    #[test]
    fn a_layout_is_stored_and_what_is_noted_is_of_one_version() {
        let shard = Database::of(StoreKind::Shard);
        let noted = || read_since_copy(&shard.run(&since_copy()));
        assert_eq!(read(&shard.run(&get())), None);
        let way = way(3, 8, LEAST_COPIED);
        for layout in way.iter().take(4) {
            shard.run(&keep(layout));
            assert_eq!(read(&shard.run(&get())).as_ref(), Some(layout));
            for since in [SinceCopy::Same, SinceCopy::Changed, SinceCopy::Sealed] {
                shard.run(&note(since));
                assert_eq!(noted(), since);
                shard.run(&keep(layout));
                assert_eq!(noted(), since, "the same layout again");
            }
        }
        shard.run(&keep(&way[1]));
        assert_eq!(read(&shard.run(&get())).as_ref(), Some(&way[3]), "an older one changes nothing");
        assert!(shard.run(&is_uncounted()).is_empty());
    }

    #[test]
    fn a_layout_of_an_earlier_program_is_the_first_version_of_its_number() {
        let shard = Database::of(StoreKind::Shard);
        shard.run(&Statement::new("INSERT INTO layout (id, shards) VALUES (1, 16)", []));
        assert_eq!(read(&shard.run(&get())), Some(Layout::first(16)));
        assert!(!shard.run(&is_uncounted()).is_empty());
        shard.run(&note_counted());
        assert!(shard.run(&is_uncounted()).is_empty());
    }
}
