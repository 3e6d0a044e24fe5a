//! Where the random inputs of property tests come from.

use crate::workspace::Workspace;

/// What proptest takes its seed from.
pub(super) const VARIABLE: &str = "PROPTEST_RNG_SEED";

/// What the tests run. A commit that changes only documents keeps its inputs.
const SOURCES: [&str; 6] =
    ["HEAD:core", "HEAD:api", "HEAD:origin", "HEAD:worker", "HEAD:tests", "HEAD:Cargo.lock"];

/// The seed of the usual run: one for each state of the sources, so that the same commit has the same answer everywhere, and
/// the next change tries other inputs. Nothing where the caller gives one, or where no commit is known: then every run has its
/// own.
pub(super) fn of_sources(workspace: &Workspace) -> Option<String> {
    if std::env::var_os(VARIABLE).is_some() {
        return None;
    }
    let mut git = std::process::Command::new("git");
    let output = git.arg("rev-parse").args(SOURCES).current_dir(&workspace.root).output().ok()?;
    let hashes = std::str::from_utf8(&output.stdout).ok().filter(|_| output.status.success())?;
    number(hashes).map(|seed| seed.to_string())
}

/// Hashes of git, one a line, as a number: proptest takes 64 bits.
fn number(hashes: &str) -> Option<u64> {
    let mut number = None;
    for hash in hashes.lines() {
        let part = u64::from_str_radix(hash.get(..16)?, 16).ok()?;
        number = Some(number.unwrap_or(0_u64).rotate_left(7) ^ part);
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_have_a_number() {
        const HASH: &str = "00000000000000ff0123456789abcdef01234567\n";
        const OTHER: &str = "0000000000000001ffffffffffffffffffffffff\n";
        assert_eq!(number(HASH), Some(255));
        assert_eq!(number(&[HASH, OTHER].concat()), Some(255 << 7 | 1));
        assert_ne!(number(&[HASH, OTHER].concat()), number(&[OTHER, HASH].concat()));
        assert_eq!(number(""), None);
        assert_eq!(number("fatal: not a git repository"), None);
    }
}
