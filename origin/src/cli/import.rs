//! `rollcall import`: records of another system, or an export, in batches, from a file or a pipe.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rollcall_core::{config::Settings, directory::import::LINE_BYTES, population::LAST_LINE};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server},
    exit::{self, CliError},
    output::{print_json, print_line, sanitize},
};

const RECORDS: &str = "/admin/v1/records:import";
const POPULATION: &str = "/admin/v1/population:import";
/// The beginning of an export.
const EXPORTED: &[u8] = br#"{"type":"population""#;
/// Lines of a batch: no more than a server names rejected ones.
const BATCH_LINES: u64 = 1_000;
/// Bytes of a batch: below it a line more is taken.
const BATCH_BYTES: usize = 1024 * 1024;
/// Rejected lines that the JSON document names.
const NAMED: usize = 1_000;
const STDIN: &str = "-";

const EXAMPLES: &str = "\
Examples:
  rollcall import records.ndjson
  zcat records.ndjson.gz | rollcall import -
  rollcall import records.ndjson --from 250001      go on behind line 250,000
  rollcall import population.ndjson                 what rollcall export wrote

One JSON object a line: id, tenantId, userId, fullName, avatar, userAgent, deviceId, remoteAddress, onlineDate, offlineDate,
leaseUntil (dates of RFC 3339). Good lines are imported though others are rejected; rejected ones are named on stderr with
their number in FILE. The last line of an id wins, so that a file may be repeated as often as one likes.

A file of `rollcall export` is known by its first line. Repeating it changes nothing. The server must have the auth.secret of the
exporting one, or have it among auth.previous_secrets.

--json prints {\"imported\":N,\"rejected\":[{\"error\":\"…\",\"line\":N}],\"rejectedTotal\":N,\"updated\":N}, of an export
cutoffs, users, tokens, records and kept (records and orders of which the server has its own) in the place of imported and
updated; of the rejected lines the first 1,000 are in it.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Import {
    /// NDJSON; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The first line to import
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    #[command(flatten)]
    call: CallArgs,
}

pub(super) fn import(settings: &Settings, args: &Import) -> anyhow::Result<()> {
    let server = args.call.server(settings)?;
    let (input, size) = open(&args.file)?;
    let bar = progress(size);
    let mut report =
        Report { name: args.file.display().to_string(), json: args.call.json, ..Report::default() };
    let mut lines = Lines { input: BufReader::new(bar.wrap_read(input)), number: 0 };
    let sent = send_all(&server, &mut lines, args.from, &mut report, &bar);
    bar.finish_and_clear();
    // What was imported until then stays imported, and is reported.
    report.print()?;
    sent.with_context(|| {
        let next = report.done.max(args.from - 1) + 1;
        format!("it broke off before line {next}; repeat it, with --from {next} to go on there")
    })?;
    if report.is_population && !report.is_whole {
        bail!(CliError::Negative(format!(
            "{} has no last line: the export was not finished; go on with rollcall export --resume",
            report.name
        )));
    }
    if report.rejected_total == 0 {
        return Ok(());
    }
    bail!(CliError::Negative(format!("{} lines were rejected", report.rejected_total)))
}

/// The input, and its size where it has one.
fn open(path: &Path) -> anyhow::Result<(Box<dyn Read>, Option<u64>)> {
    if path == Path::new(STDIN) {
        return Ok((Box::new(io::stdin()), None));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let found = file.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    if found.is_dir() {
        bail!(CliError::Usage(format!("{} is a directory; one NDJSON file is expected", path.display())));
    }
    let size = found.is_file().then_some(found.len());
    Ok((Box::new(file), size))
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(size: Option<u64>) -> ProgressBar {
    let (bar, form) = match size {
        Some(size) => (ProgressBar::new(size), "{wide_bar} {bytes}/{total_bytes} {eta} left, {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {elapsed}, {msg}"),
    };
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn send_all(
    server: &Server,
    lines: &mut Lines<impl BufRead>,
    from: u64,
    report: &mut Report,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    loop {
        let line = lines.next()?;
        let full = batch.lines == BATCH_LINES || batch.bytes.len() >= BATCH_BYTES;
        if (line.is_none() || full) && batch.lines > 0 {
            batch.send(server, report, bar)?;
        }
        match line {
            None => return Ok(()),
            Some(Line::Whole(line)) if lines.number == 1 && line.starts_with(EXPORTED) => {
                report.is_population = true;
            }
            Some(Line::Whole(line)) if report.is_population && line == LAST_LINE.as_bytes() => {
                report.is_whole = true;
            }
            Some(_) if lines.number < from => {}
            Some(line) => batch.add(lines.number, line),
        }
    }
}

/// Lines that go in one request.
#[derive(Default)]
struct Batch {
    /// The number of its first line.
    first: u64,
    lines: u64,
    bytes: Vec<u8>,
    /// Which of its lines are too long to be sent; an empty one goes in their place.
    too_long: Vec<u64>,
}

impl Batch {
    fn add(&mut self, number: u64, line: Line) {
        if self.lines == 0 {
            self.first = number;
        }
        self.lines += 1;
        match line {
            Line::Whole(bytes) => self.bytes.extend_from_slice(&bytes),
            Line::TooLong => self.too_long.push(number),
        }
        self.bytes.push(b'\n');
    }

    /// Sends it and starts another one.
    fn send(&mut self, server: &Server, report: &mut Report, bar: &ProgressBar) -> anyhow::Result<()> {
        let Self { first, lines, bytes, too_long } = std::mem::take(self);
        let path = if report.is_population { POPULATION } else { RECORDS };
        let answer = server.post_lines(path, &bytes)?;
        for name in report.counted() {
            let count = answer.get(name).and_then(Value::as_u64).context("the answer holds no counts")?;
            *report.counts.entry(name).or_default() += count;
        }
        let mut rejected: Vec<(u64, String)> = too_long
            .into_iter()
            .map(|line| (line, format!("the line is longer than {LINE_BYTES} bytes")))
            .collect();
        for one in answer.get("rejected").and_then(Value::as_array).into_iter().flatten() {
            let line = one.get("line").and_then(Value::as_u64).context("a rejected line has no number")?;
            let error = one.get("error").and_then(Value::as_str).unwrap_or_default();
            rejected.push((first + line.saturating_sub(1), sanitize(error, None)));
        }
        rejected.sort();
        bar.suspend(|| rejected.into_iter().try_for_each(|(line, error)| report.reject(line, error)))?;
        report.done = first + lines - 1;
        bar.set_message(format!("line {}, {} rejected", report.done, report.rejected_total));
        Ok(())
    }
}

/// What became of the lines until now.
#[derive(Default)]
struct Report {
    /// The input's name.
    name: String,
    json: bool,
    /// Whether it is an export.
    is_population: bool,
    /// Whether the last line of an export was among its lines.
    is_whole: bool,
    counts: BTreeMap<&'static str, u64>,
    rejected: Vec<Value>,
    rejected_total: u64,
    /// The last line that was answered.
    done: u64,
}

impl Report {
    /// What the server counts.
    fn counted(&self) -> &'static [&'static str] {
        if self.is_population {
            &["cutoffs", "users", "tokens", "records", "kept"]
        } else {
            &["imported", "updated"]
        }
    }

    fn reject(&mut self, line: u64, error: String) -> io::Result<()> {
        use io::Write as _;
        self.rejected_total += 1;
        if self.json {
            if self.rejected.len() < NAMED {
                self.rejected.push(json!({"line": line, "error": error}));
            }
            return Ok(());
        }
        writeln!(io::stderr(), "{}:{line}: {error}", self.name)
    }

    fn print(&self) -> io::Result<()> {
        let count = |name: &&'static str| self.counts.get(name).copied().unwrap_or_default();
        if self.json {
            let mut document = json!({"rejected": self.rejected, "rejectedTotal": self.rejected_total});
            if let Some(members) = document.as_object_mut() {
                members.extend(self.counted().iter().map(|name| ((*name).to_owned(), count(name).into())));
            }
            return print_json(&document);
        }
        let counts = self.counted().iter().map(|name| format!("{} {name}, ", count(name)));
        print_line(&format!("{}{} rejected", counts.collect::<String>(), self.rejected_total))
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
}

/// Lines of which no more is held than a server takes.
struct Lines<R> {
    input: R,
    /// Of the line that came last, from 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> anyhow::Result<Option<Line>> {
        let mut line = Vec::new();
        // One more for the end of the line, and one by which a longer one is known.
        let limit = LINE_BYTES as u64 + 2;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut line);
        if read.context("the input broke off")? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LINE_BYTES {
            self.input.skip_until(b'\n').context("the input broke off")?;
        }
        Ok(Some(if line.len() > LINE_BYTES { Line::TooLong } else { Line::Whole(line) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &str) -> Vec<Option<usize>> {
        let mut lines = Lines { input: text.as_bytes(), number: 0 };
        std::iter::from_fn(|| lines.next().unwrap())
            .map(|line| match line {
                Line::Whole(bytes) => Some(bytes.len()),
                Line::TooLong => None,
            })
            .collect()
    }

    #[test]
    fn long_lines_are_skipped_whole_and_counted() {
        let line = |length: usize| "x".repeat(length);
        let limit = LINE_BYTES;
        let text = format!(
            "a\n\n{}\n{}\n{}\n{}\nlast",
            line(limit),
            line(limit + 1),
            line(limit + 2),
            line(5 * limit)
        );
        assert_eq!(lengths(&text), [Some(1), Some(0), Some(limit), None, None, None, Some(4)]);
        assert_eq!(lengths(&line(limit + 1)), [None]);
        assert_eq!(lengths(""), []);
    }
}
