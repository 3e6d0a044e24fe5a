//! Sizes of cases: small in the usual run, large under `--full`.

use std::env;

/// The variable that asks for the large sizes by `1`.
pub const FULL: &str = "ROLLCALL_TEST_FULL";

/// The small size, or the full one when [`FULL`] is `1`.
pub fn size<T>(small: T, full: T) -> T {
    if env::var_os(FULL).is_some_and(|value| value == "1") { full } else { small }
}
