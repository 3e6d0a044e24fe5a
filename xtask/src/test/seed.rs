//! Where the random inputs of property tests come from.

use crate::workspace::Workspace;

/// What proptest takes its seed from.
pub(super) const VARIABLE: &str = "PROPTEST_RNG_SEED";

/// The seed of the usual run: one for each commit, so that the same commit has the same answer everywhere, and the next one tries
/// other inputs. Nothing where the caller gives one, or where no commit is known: then every run has its own.
pub(super) fn of_commit(workspace: &Workspace) -> Option<String> {
    if std::env::var_os(VARIABLE).is_some() {
        return None;
    }
    let mut git = std::process::Command::new("git");
    let output = git.args(["rev-parse", "HEAD"]).current_dir(&workspace.root).output().ok()?;
    number(std::str::from_utf8(&output.stdout).ok()?).map(|seed| seed.to_string())
}

/// A commit's name as a number: proptest takes 64 bits.
fn number(commit: &str) -> Option<u64> {
    u64::from_str_radix(commit.get(..16)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_a_number() {
        assert_eq!(number("00000000000000ff0123456789abcdef01234567\n"), Some(255));
        assert_eq!(number(""), None);
        assert_eq!(number("fatal: not a git repository"), None);
    }
}
