//! The number of shards, stored by the first write. The shard of a row depends on it, so another number is rejected.

use crate::store::{Statement, Value};

/// The configuration has another number of shards than the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "presence.directory_shards is {configured}, but this directory was laid out with {stored}; \
     set presence.directory_shards = {stored}"
)]
pub struct LayoutError {
    /// The directory's number.
    pub stored: u32,
    /// The configured number.
    pub configured: u32,
}

/// Selects the number; no row before the first write.
pub fn get() -> Statement {
    Statement::new("SELECT shards FROM layout", [])
}

/// Stores the number, unless there is one.
pub fn keep(shards: u32) -> Statement {
    Statement::new(
        "INSERT INTO layout (id, shards) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING",
        [Value::Int(shards.into())],
    )
}

/// The number in the rows of [`get`].
pub fn read(rows: &[Vec<Value>]) -> Option<u32> {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Int(number)]) => u32::try_from(*number).ok(),
        _ => None,
    }
}

/// Checks the configured number against the stored one.
///
/// # Errors
/// When there is a stored number and it differs.
pub fn check(stored: Option<u32>, configured: u32) -> Result<(), LayoutError> {
    match stored {
        Some(stored) if stored != configured => Err(LayoutError { stored, configured }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_number_is_refused_by_the_name_of_its_key() {
        assert_eq!(check(None, 16), Ok(()));
        assert_eq!(check(Some(16), 16), Ok(()));
        let error = check(Some(16), 32).unwrap_err().to_string();
        assert!(error.contains("presence.directory_shards is 32"), "{error}");
    }
}
