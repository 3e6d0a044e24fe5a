//! Counts of tests, read from what test runners print.

/// How many tests a step ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Skipped by a suite, or marked `#[ignore]`: either is as bad as a failure.
    pub(crate) skipped: usize,
}

impl Tally {
    /// One failure more.
    pub(crate) fn with_failure(self) -> Self {
        Self { failed: self.failed + 1, ..self }
    }

    /// The sum of two.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// What is wrong with it, if anything. A step that `counts` must have passed at least one test;
    /// where it has not, that is a failure.
    pub(crate) fn verdict(self, counts: bool) -> (Self, Option<String>) {
        if self.failed > 0 {
            return (self, Some(format!("{} failed", self.failed)));
        }
        if self.skipped > 0 {
            return (self, Some(format!("{} were skipped or ignored", self.skipped)));
        }
        if counts && self.passed == 0 {
            return (self.with_failure(), Some("it reported no test".to_owned()));
        }
        (self, None)
    }
}

/// Watches the output of a runner: of cargo's, of which there is a line for each binary, or of a suite that
/// closes with `NAME: N passed, N failed, N skipped` or `NAME: N passed, N failed, N not applicable`.
#[derive(Default)]
pub(crate) struct Watch {
    cargo: Option<Tally>,
    /// The last one counts: earlier ones are parts of it.
    suite: Option<Tally>,
}

impl Watch {
    /// Looks at one line.
    pub(crate) fn see(&mut self, line: &str) {
        if let Some(tally) = cargo_line(line) {
            self.cargo = Some(self.cargo.unwrap_or_default().plus(tally));
        } else if let Some(tally) = suite_line(line) {
            self.suite = Some(tally);
        }
    }

    /// Whether a line with counts was seen.
    pub(crate) fn has_seen(&self) -> bool {
        self.cargo.is_some() || self.suite.is_some()
    }

    /// What was seen in all.
    pub(crate) fn tally(&self) -> Tally {
        self.cargo.unwrap_or_default().plus(self.suite.unwrap_or_default())
    }
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn cargo_line(line: &str) -> Option<Tally> {
    let counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for part in counts.split(';') {
        match count(part) {
            Some((n, "passed")) => tally.passed = n,
            Some((n, "failed")) => tally.failed = n,
            Some((n, "ignored")) => tally.skipped = n,
            _ => {}
        }
    }
    Some(tally)
}

/// `conformance: 3 passed, 0 failed, 0 skipped`, with or without the name and the skipped ones.
fn suite_line(line: &str) -> Option<Tally> {
    let line = line.trim();
    let counts = match line.split_once(": ") {
        Some((name, counts)) if !name.contains(' ') => counts,
        Some(_) => return None,
        None => line,
    };
    let mut parts = counts.split(',');
    let (passed, "passed") = count(parts.next()?)? else { return None };
    let (failed, "failed") = count(parts.next()?)? else { return None };
    let skipped = match parts.next().map(count) {
        None => 0,
        Some(Some((n, "skipped"))) => n,
        // Not a test that was left out, but one that there is not.
        Some(Some((_, "not applicable"))) => 0,
        Some(_) => return None,
    };
    Some(Tally { passed, failed, skipped })
}

/// A number and what it counts.
fn count(part: &str) -> Option<(usize, &str)> {
    let (number, word) = part.trim().split_once(' ')?;
    Some((number.parse().ok()?, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &[&str]) -> Tally {
        let mut watch = Watch::default();
        for line in lines {
            watch.see(line);
        }
        watch.tally()
    }

    #[test]
    fn results_of_all_binaries_add_up() {
        let tally = seen(&[
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 2 passed; 1 failed; 4 ignored; 0 measured; 7 filtered out; finished in 1.20s",
        ]);
        assert_eq!(tally, Tally { passed: 5, failed: 1, skipped: 4 });
    }

    #[test]
    fn only_the_last_line_of_a_suite_counts() {
        let tally = seen(&[
            "FAILED health: no answer",
            "part: 1 passed, 2 failed, 0 skipped",
            "not applicable: 3",
            "conformance: 12 passed, 0 failed, 1 skipped",
        ]);
        assert_eq!(tally, Tally { passed: 12, failed: 0, skipped: 1 });
        assert_eq!(seen(&["4 passed, 0 failed"]), Tally { passed: 4, failed: 0, skipped: 0 });
        let clients = seen(&["clients: 67 passed, 1 failed, 17 not applicable"]);
        assert_eq!(clients, Tally { passed: 67, failed: 1, skipped: 0 });
    }

    #[test]
    fn other_lines_are_not_counts() {
        for line in ["", "test x ... ok", "a case with: 3 passed, 0 failed", "3 passed", "passed, failed"] {
            assert_eq!(seen(&[line]), Tally::default(), "{line}");
        }
    }

    #[test]
    fn an_ignored_test_fails_the_step() {
        let (_, error) = Tally { passed: 9, failed: 0, skipped: 1 }.verdict(true);
        assert_eq!(error.as_deref(), Some("1 were skipped or ignored"));
    }

    #[test]
    fn a_step_that_ran_no_test_has_failed() {
        let (tally, error) = Tally::default().verdict(true);
        assert!(error.is_some() && tally.failed == 1);
        assert_eq!(Tally::default().verdict(false), (Tally::default(), None));
    }
}
