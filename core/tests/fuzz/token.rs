//! A token as a client presents it: nothing that the fuzzer makes up is good.

use std::sync::LazyLock;

use rollcall_core::{secret::Secret, time::Timestamp, token::Keys};

/// A key that no input knows.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let secret: String = (0..32).map(|at| char::from(b'!' + (at * 7) % 90)).collect();
    Keys::new(&Secret::new(secret), &[])
});

pub fn check(input: &str) {
    assert!(KEYS.verify(input, Timestamp::from_secs(1_800_000_000)).is_err());
}
