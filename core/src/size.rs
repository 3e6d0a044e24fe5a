//! How large tests are: small by default, long under `cargo xtask test --full`.

/// The variable of the environment that `--full` sets.
const FULL: &str = "ROLLCALL_TEST_FULL";

/// `small`, or `full` in a long run.
pub(crate) fn sized<T>(small: T, full: T) -> T {
    if std::env::var(FULL).is_ok_and(|value| value == "1") { full } else { small }
}
