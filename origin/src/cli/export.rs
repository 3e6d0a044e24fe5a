//! `rollcall export`: a population, page by page, into a file that says where to go on.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rollcall_core::{
    config::Settings,
    population::{LAST_LINE, page_line},
};
use serde_json::{Value, json};

use super::{
    client::{CallArgs, Server},
    exit::{self, CliError},
    output::{print_json, print_line},
};

const EXPORT: &str = "/admin/v1/population:export";
/// Users of a request that names them.
const NAMED: usize = 500;
/// What a line begins with, by its kind.
const KINDS: [(&str, &str); 4] = [
    ("cutoffs", "{\"type\":\"cutoff\""),
    ("users", "{\"type\":\"user\""),
    ("tokens", "{\"type\":\"token\""),
    ("records", "{\"type\":\"record\""),
];
const PAGE: &str = "{\"type\":\"page\"";

const EXAMPLES: &str = "\
Examples:
  rollcall export population.ndjson
  rollcall export population.ndjson --resume        go on after an interruption
  rollcall export population.ndjson --url https://edge.example.com --tenant 0 --tenant 7 --users ids.txt

The file holds users with their accounts, tokens (SHA-256 and state, no text), orders to tenants, and records; rollcall import
takes it. It does not hold auth.secret, nor sockets and what lives on them, such as subscriptions. A server on one machine knows
all of its users. At the edge a user is found by its records, in tenant 0, those of auth.tokens, or those of --tenant; any other
is exported if --users names it.

--json prints {\"cutoffs\":N,\"records\":N,\"tokens\":N,\"users\":N}.";

#[derive(Args)]
#[command(after_help = exit::HELP, after_long_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Export {
    /// The file to write; it must not be there
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Go on with a file whose export broke off
    #[arg(long)]
    resume: bool,
    /// At the edge: a tenant whose records to look for
    #[arg(long = "tenant", value_name = "TENANT")]
    tenants: Vec<i64>,
    /// A file with further userIDs, one a line
    #[arg(long, value_name = "FILE")]
    users: Option<PathBuf>,
    #[command(flatten)]
    call: CallArgs,
}

pub(super) fn export(settings: &Settings, args: &Export) -> anyhow::Result<()> {
    let server = args.call.server(settings)?;
    let named = args.users.as_deref().map(read_users).transpose()?.unwrap_or_default();
    let mut output = Output::open(&args.file, args.resume)?;
    let done = output.run(&server, &args.tenants, &named);
    output.bar.finish_and_clear();
    done.with_context(|| {
        format!("the export broke off; go on with rollcall export {} --resume", args.file.display())
    })?;
    let counts: Vec<(&str, u64)> = KINDS.iter().map(|(name, _)| *name).zip(output.counts).collect();
    if args.call.json {
        let members = counts.into_iter().map(|(name, count)| (name.to_owned(), count.into()));
        return Ok(print_json(&Value::Object(members.collect()))?);
    }
    let counts: Vec<String> = counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    Ok(print_line(&counts.join(", "))?)
}

fn read_users(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Where an export goes on.
enum Next {
    /// At the cursor of the server's walk; `None` begins.
    Walk(Option<String>),
    /// Behind so many of the named users.
    Named(usize),
    /// It has ended.
    End,
}

struct Output {
    file: File,
    next: Next,
    counts: [u64; 4],
    bar: ProgressBar,
}

impl Output {
    /// A new file, or one that is cut behind its last whole page.
    fn open(path: &Path, resume: bool) -> anyhow::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).create_new(!resume);
        let file = options.open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let bar = ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{spinner} {elapsed}, {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        let mut output = Self { file, next: Next::Walk(None), counts: [0; 4], bar };
        if resume {
            output.find_end().with_context(|| format!("{} is no export", path.display()))?;
        }
        Ok(output)
    }

    fn find_end(&mut self) -> anyhow::Result<()> {
        let (mut whole, mut read, mut counts) = (0, 0, [0; 4]);
        let mut input = BufReader::new(&self.file);
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            read += line.len() as u64;
            let text = String::from_utf8_lossy(&line);
            count(&text, &mut counts);
            let next = match text.strip_suffix('\n') {
                Some(LAST_LINE) => Some(Next::End),
                Some(page) if page.starts_with(PAGE) => Some(next_of(page)?),
                _ => None,
            };
            if let Some(next) = next {
                (self.next, whole, self.counts) = (next, read, counts);
            }
            line.clear();
        }
        self.file.set_len(whole)?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(())
    }

    fn run(&mut self, server: &Server, tenants: &[i64], named: &[String]) -> anyhow::Result<()> {
        loop {
            self.next = match std::mem::replace(&mut self.next, Next::End) {
                Next::Walk(cursor) => self.walk(server, tenants, cursor)?,
                Next::Named(done) => self.name(server, named, done)?,
                Next::End => {
                    self.file.sync_all()?;
                    return Ok(());
                }
            };
            let [_, users, tokens, records] = self.counts;
            self.bar.set_message(format!("{users} users, {tokens} tokens, {records} records"));
            self.bar.tick();
        }
    }

    fn walk(&mut self, server: &Server, tenants: &[i64], cursor: Option<String>) -> anyhow::Result<Next> {
        let mut asked = json!({"cursor": cursor});
        if !tenants.is_empty()
            && let Some(members) = asked.as_object_mut()
        {
            members.insert("tenantIds".to_owned(), json!(tenants));
        }
        let (lines, last) = page(server, &asked)?;
        let next = if last == LAST_LINE { Next::Named(0) } else { next_of(&last)? };
        self.write(&lines, &mark(&next))?;
        Ok(next)
    }

    fn name(&mut self, server: &Server, named: &[String], done: usize) -> anyhow::Result<Next> {
        let rest = named.get(done..).unwrap_or_default();
        if rest.is_empty() {
            self.write("", LAST_LINE)?;
            return Ok(Next::End);
        }
        let some = rest.get(..NAMED).unwrap_or(rest);
        let (lines, _) = page(server, &json!({"userIds": some}))?;
        let next = Next::Named(done + some.len());
        self.write(&lines, &mark(&next))?;
        Ok(next)
    }

    /// Lines and the mark behind them, in one piece.
    fn write(&mut self, lines: &str, mark: &str) -> anyhow::Result<()> {
        lines.lines().for_each(|line| count(line, &mut self.counts));
        Ok(self.file.write_all(format!("{lines}{mark}\n").as_bytes())?)
    }
}

/// The lines of an answer, and the last one without its end.
fn page(server: &Server, asked: &Value) -> anyhow::Result<(String, String)> {
    let text = String::from_utf8(server.lines(EXPORT, asked)?).context("the answer is no text")?;
    let whole = text.strip_suffix('\n').context("the answer broke off")?;
    let begin = whole.rfind('\n').map_or(0, |end| end + 1);
    let (lines, last) = whole.split_at(begin);
    Ok((lines.to_owned(), last.to_owned()))
}

fn mark(next: &Next) -> String {
    match next {
        Next::Walk(cursor) => page_line(cursor.as_deref().unwrap_or_default()),
        Next::Named(done) => format!("{PAGE},\"named\":{done}}}"),
        Next::End => LAST_LINE.to_owned(),
    }
}

/// What the line at the end of a page says.
fn next_of(line: &str) -> anyhow::Result<Next> {
    let line: Value = serde_json::from_str(line).context("a page has no end")?;
    let named = line.get("named").and_then(Value::as_u64).and_then(|named| usize::try_from(named).ok());
    let cursor = line.get("cursor").and_then(Value::as_str);
    match (named, cursor) {
        (Some(named), _) => Ok(Next::Named(named)),
        (None, Some(cursor)) => Ok(Next::Walk(Some(cursor.to_owned()))),
        (None, None) => bail!(CliError::Negative("the end of a page does not say where to go on".to_owned())),
    }
}

fn count(line: &str, counts: &mut [u64; 4]) {
    for ((_, start), count) in KINDS.iter().zip(counts) {
        *count += u64::from(line.starts_with(start));
    }
}
