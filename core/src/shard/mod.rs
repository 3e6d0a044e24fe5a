//! A tenant's directory in several shards, as at the edge: the shard of a user's records, and the rows beside the records.
//!
//! Users fall into fixed buckets, and a [layout](layout::Layout) puts buckets into shards. A record's shard depends on its user alone, so an upsert
//! goes to one place; lists ask all of them and merge (`crate::directory::page`).

pub mod cutoff;
pub mod delivery;
pub mod imports;
pub mod layout;
pub mod parts;
pub mod progress;
pub mod scoped;
pub mod undelivered;

use sha2::{Digest as _, Sha256};

/// The number of buckets, whatever the number of shards. Never changes: stored rows would be looked for in other shards.
pub const BUCKETS: u16 = 1024;

/// The bucket of a user number. The hash is part of the stored layout, so it is a fixed standard one.
pub fn bucket(user: i64) -> u16 {
    bucket_of(&user.to_string())
}

/// The bucket of any userID, which is that of its number where it is one.
pub fn bucket_of(user: &str) -> u16 {
    let [high, low, ..] = <[u8; 32]>::from(Sha256::digest(user.as_bytes()));
    u16::from_be_bytes([high, low]) % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_never_moves() {
        assert_eq!([0, 1, 42, -7, i64::MAX].map(bucket), [1004, 902, 839, 880, 842]);
    }

    #[test]
    fn users_are_spread_over_all_shards() {
        for shards in [1, 2, 16, 1024] {
            let mut users = vec![0; usize::try_from(shards).unwrap()];
            let layout = layout::Layout::first(shards);
            (0..64 * 1024).for_each(|user| users[usize::try_from(layout.home(bucket(user))).unwrap()] += 1);
            let fair = 64 * 1024 / users.len();
            assert!(users.iter().all(|count| *count > fair / 3 && *count < fair * 3), "{shards}: {users:?}");
        }
    }
}
