//! The table at the end, and the line that machines read.

use std::fmt;
use std::time::Duration;

use super::tally::Tally;

/// What became of a step.
pub(crate) enum Outcome {
    Ran {
        time: Duration,
        processor: Option<Duration>,
        tally: Tally,
        ok: bool,
    },
    /// Something that it builds on had failed. Counts as one skipped.
    NotRun,
}

/// All steps so far.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// Adds a step.
    pub(crate) fn add(&mut self, name: &'static str, outcome: Outcome) {
        self.rows.push((name, outcome));
    }

    /// Whether everything ran and passed.
    pub(crate) fn is_clean(&self) -> bool {
        let total = self.total();
        total.failed == 0 && total.skipped == 0 && self.rows.iter().all(|(_, outcome)| outcome.is_ok())
    }

    /// `total: N passed, N failed, N skipped`.
    pub(crate) fn closing_line(&self) -> String {
        let Tally { passed, failed, skipped } = self.total();
        format!("total: {passed} passed, {failed} failed, {skipped} skipped")
    }

    /// The processor time of all steps.
    fn processor(&self) -> Duration {
        let of = |outcome: &Outcome| match outcome {
            Outcome::Ran { processor, .. } => *processor,
            Outcome::NotRun => None,
        };
        self.rows.iter().filter_map(|(_, outcome)| of(outcome)).sum()
    }

    fn total(&self) -> Tally {
        self.rows.iter().fold(Tally::default(), |sum, (_, outcome)| sum.plus(outcome.tally()))
    }
}

impl Outcome {
    /// Whether it ran and succeeded.
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Ran { ok: true, .. })
    }

    fn tally(&self) -> Tally {
        match self {
            Self::Ran { tally, .. } => *tally,
            Self::NotRun => Tally { skipped: 1, ..Tally::default() },
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |name: &str, time: &str, processor: &str, counts: [&str; 3], mark: &str| {
            let [passed, failed, skipped] = counts;
            format!("{name:<14}{time:>13}{processor:>13}{passed:>9}{failed:>9}{skipped:>9}{mark}")
        };
        let clock = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), clock);
        writeln!(f, "{}", row("step", "time", "processor", ["passed", "failed", "skipped"], ""))?;
        for (name, outcome) in &self.rows {
            let (time, processor, mark) = match outcome {
                Outcome::Ran { time, processor, ok, .. } => {
                    (Some(*time), *processor, if *ok { "" } else { "  FAILED" })
                }
                Outcome::NotRun => (None, None, "  not run"),
            };
            let Tally { passed, failed, skipped } = outcome.tally();
            let counts = [passed, failed, skipped].map(|count| count.to_string());
            writeln!(
                f,
                "{}",
                row(name, &clock(time), &clock(processor), counts.each_ref().map(String::as_str), mark)
            )?;
        }
        writeln!(f, "{}", row("", "", &clock(Some(self.processor())), [""; 3], ""))
    }
}

/// A duration for people: `4.2 s`, `3 min 07 s`.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(passed: usize, failed: usize, ok: bool) -> Outcome {
        Outcome::Ran {
            time: Duration::from_secs(1),
            processor: None,
            tally: Tally { passed, failed, skipped: 0 },
            ok,
        }
    }

    #[test]
    fn a_step_that_did_not_run_is_skipped_and_not_clean() {
        let mut report = Report::default();
        report.add("build", ran(0, 1, false));
        report.add("origin", Outcome::NotRun);
        assert!(!report.is_clean());
        assert_eq!(report.closing_line(), "total: 0 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn passed_steps_are_clean() {
        let mut report = Report::default();
        report.add("unit", ran(7, 0, true));
        report.add("fmt", ran(0, 0, true));
        assert!(report.is_clean());
        assert_eq!(report.closing_line(), "total: 7 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn minutes_are_told_apart_from_seconds() {
        assert_eq!(clock(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(clock(Duration::from_secs(187)), "3 min 07 s");
    }
}
