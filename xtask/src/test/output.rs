//! What the steps print: shown line by line, and kept in a file a step.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, stdout};
use std::path::Path;
use std::sync::mpsc::Sender;

use anyhow::{Context, Result};

use super::Event;

/// How many lines of a failed step are shown again at the end.
const SHOWN: usize = 60;

/// Standard output, to which all steps write. When it is closed, the run is to stop.
#[derive(Clone)]
pub(super) struct Output(Sender<Event>);

impl Output {
    pub(super) const fn new(events: Sender<Event>) -> Self {
        Self(events)
    }

    /// Prints a line with the step that it belongs to in front.
    pub(super) fn say(&self, name: &str, line: &str) {
        if let Err(error) = writeln!(stdout().lock(), "{name:>12} | {line}") {
            // The run may be over.
            let _ = self.0.send(Event::Stop(format!("cannot write to standard output: {error}")));
        }
    }

    /// Shows and keeps every line until the last process that holds the pipe has ended.
    pub(super) fn forward(&self, name: &str, output: impl Read, log: &Path) -> Result<()> {
        let mut log = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("reading the step's output")?;
            let line = String::from_utf8_lossy(&line);
            self.say(name, &line);
            writeln!(log, "{line}")?;
        }
        Ok(())
    }
}

/// Shows the last lines of a step once more.
pub(super) fn show_end(name: &str, log: &Path) -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "\n{name} failed; {} has all of its output, which ends with:", log.display())?;
    for line in last_lines(log).unwrap_or_default() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn last_lines(log: &Path) -> Result<VecDeque<String>> {
    let mut last = VecDeque::new();
    for line in BufReader::new(File::open(log)?).split(b'\n') {
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line?).into_owned());
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc};

    use super::*;

    #[test]
    fn the_end_of_a_log_is_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("step.log");
        let text: String = (0..SHOWN + 5).map(|line| format!("line {line}\n")).collect();
        Output::new(mpsc::channel().0).forward("step", text.as_bytes(), &log).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), text);
        let last = last_lines(&log).unwrap();
        assert_eq!((last.len(), last[0].as_str()), (SHOWN, "line 5"));
    }
}
