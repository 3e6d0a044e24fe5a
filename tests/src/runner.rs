//! Runs the cases profile by profile and counts.

use std::{
    fs::{self, File},
    io::{Write as _, stdout},
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use tokio::time::timeout;

use crate::{
    cases::{self, Case},
    console::issuer::Issuer,
    mask::Masks,
    profile::Profile,
    settings::Settings,
    subject::{Kind, Launch, Stopped, Subject},
    transcript::{CaseTranscript, Recorder},
    world::{Shared, World},
};

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// How to get a subject.
    pub launch: Launch,
    /// The configuration of a server that is already running.
    pub settings: Option<Settings>,
    /// Only cases whose full name contains this.
    pub only: Option<String>,
    /// Fewer repetitions in cases about load.
    pub light: bool,
    /// The bound for a case that names none.
    pub case_timeout: Duration,
    /// Where to write the transcript.
    pub transcript: Option<PathBuf>,
    /// Where to keep the subjects' output.
    pub keep_logs: Option<PathBuf>,
}

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Held.
    pub passed: usize,
    /// Did not hold.
    pub failed: usize,
    /// Should have run and did not.
    pub skipped: usize,
    /// This server's configuration cannot exercise them.
    pub not_applicable: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.not_applicable += other.not_applicable;
    }

    /// Whether everything that should have held was seen to hold.
    pub fn clean(self) -> bool {
        self.failed == 0 && self.skipped == 0 && self.passed > 0
    }
}

/// Two checks that follow the cases of every profile, counted like cases.
const STOPS: &str = "the_server_stops_when_it_is_asked_to";
const SECRETS: &str = "no_token_and_no_secret_is_in_the_log";

struct Runner {
    options: Options,
    transcript: Option<File>,
    failures: Vec<String>,
}

/// Runs everything that the options select, and prints as it goes.
pub async fn run(options: Options) -> Result<Counts> {
    let transcript =
        options.transcript.as_ref().map(File::create).transpose().context("the transcript file")?;
    if let Some(directory) = &options.keep_logs {
        fs::create_dir_all(directory)?;
    }
    let mut runner = Runner { options, transcript, failures: Vec::new() };
    let mut table = Vec::new();
    for profile in Profile::ALL {
        let selected: Vec<Case> =
            cases::all().into_iter().filter(|c| c.profile == profile && runner.selects(c.name)).collect();
        if selected.is_empty() {
            continue;
        }
        let begun = Instant::now();
        let counts = runner.profile(profile, &selected).await?;
        table.push((profile, counts, begun.elapsed()));
    }
    runner.report(&table)
}

impl Runner {
    /// `--only` matches the name of a case with its profile before it.
    fn selects(&self, name: &str) -> bool {
        self.options.only.as_ref().is_none_or(|pattern| name.contains(pattern.as_str()))
    }

    async fn profile(&mut self, profile: Profile, selected: &[Case]) -> Result<Counts> {
        let mut counts = Counts::default();
        let mut settings = self.options.settings.clone().unwrap_or_else(|| profile.settings());
        let shared_server = self.options.settings.is_some() && !profile.leaves_others_alone();
        let why_not = |case: &Case| match shared_server {
            true => Some("orders everybody offline: needs a server to itself".to_owned()),
            false => case.mismatch(&settings),
        };
        let (runnable, other): (Vec<&Case>, Vec<&Case>) =
            selected.iter().partition(|case| why_not(case).is_none());
        for case in other {
            counts.not_applicable += 1;
            let why = why_not(case).unwrap_or_default();
            say(&format!("n/a    {}: {why}", case.name))?;
        }
        if runnable.is_empty() {
            return Ok(counts);
        }
        let issuer = Issuer::wanted(&mut settings).await?;
        let begun = Instant::now();
        let mut subject = match Subject::start(&self.options.launch, &settings).await {
            Ok(subject) => subject,
            Err(error) => {
                say(&format!("FAILED {profile}: the subject did not start: {error:#}"))?;
                self.failures.push(format!("{profile}: the subject did not start: {error}"));
                counts.failed += 1;
                counts.skipped += runnable.len();
                return Ok(counts);
            }
        };
        say(&format!(
            "-- {profile}: {} cases, ready after {} ms",
            runnable.len(),
            begun.elapsed().as_millis()
        ))?;
        let shared = Shared::new(subject.address, subject.kind, settings, self.options.light);
        let shared = Arc::new(shared.asking(issuer));
        for case in runnable {
            let passed = self.case(case, &shared).await?;
            counts.passed += usize::from(passed);
            counts.failed += usize::from(!passed);
        }
        counts.add(self.closing(profile, &mut subject, &shared).await?);
        Ok(counts)
    }

    async fn case(&mut self, case: &Case, shared: &Arc<Shared>) -> Result<bool> {
        let begun = Instant::now();
        let recorder = Recorder::new();
        let world = World::new(Arc::clone(shared), case.name, recorder.clone());
        let bound = case.bound.unwrap_or(self.options.case_timeout);
        // A task of its own, so that a panic is the failure of one case.
        let mut task = tokio::spawn((case.run)(world));
        let outcome = match timeout(bound, &mut task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(broken)) => Err(match broken.try_into_panic() {
                Ok(payload) => anyhow!("panicked: {}", panic_text(payload.as_ref())),
                Err(error) => anyhow!("{error}"),
            }),
            Err(_) => {
                task.abort();
                Err(anyhow!("did not end within {bound:?}"))
            }
        };
        let took = begun.elapsed().as_millis();
        let entries = recorder.masked();
        match &outcome {
            Ok(()) => say(&format!("ok     {} {took}ms{}", case.name, shared.take_figures()))?,
            Err(error) => {
                let tail: Vec<String> =
                    entries.iter().rev().take(4).rev().map(|entry| format!("         {entry}")).collect();
                self.failed(case.name, &format!("{error:#}"))?;
                say(&tail.join("\n"))?;
            }
        }
        if let Some(file) = &mut self.transcript {
            let line = CaseTranscript { case: case.name.to_owned(), passed: outcome.is_ok(), entries };
            writeln!(file, "{}", serde_json::to_string(&line)?)?;
        }
        Ok(outcome.is_ok())
    }

    /// Stops the subject and reads its log, which is complete only then.
    async fn closing(&mut self, profile: Profile, subject: &mut Subject, shared: &Shared) -> Result<Counts> {
        let mut counts = Counts::default();
        let early = subject.ended();
        let stopped = subject.stop().await?;
        let (Some(stopped), Some(log)) = (stopped, subject.log()) else {
            counts.not_applicable += 2;
            for name in [STOPS, SECRETS] {
                say(&format!("n/a    {profile}/{name}: the suite did not start this server"))?;
            }
            return Ok(counts);
        };
        if let Some(directory) = &self.options.keep_logs {
            fs::copy(log, directory.join(format!("{profile}.log")))?;
        }
        let ended = match early {
            Some(status) => Err(anyhow!("the server had already ended by itself: {status}")),
            None => judge_stop(&stopped, subject.kind),
        };
        let forbidden = shared.forbidden.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let hits = forbidden.search(log)?;
        let clean = if hits.count > 0 {
            let samples: Vec<String> = hits.samples.iter().map(|line| Masks::default().apply(line)).collect();
            Err(anyhow!(
                "{} of {} lines, such as\n         {}",
                hits.count,
                hits.lines,
                samples.join("\n         ")
            ))
        } else {
            Ok(format!(
                "{} tokens and {} other secrets searched in {} lines, 0 found",
                forbidden.token_count(),
                forbidden.text_count(),
                hits.lines
            ))
        };
        for (name, outcome) in [(STOPS, ended), (SECRETS, clean)] {
            match outcome {
                Ok(note) => {
                    counts.passed += 1;
                    say(&format!("ok     {profile}/{name} ({note})"))?;
                }
                Err(error) => {
                    counts.failed += 1;
                    self.failed(&format!("{profile}/{name}"), &format!("{error:#}"))?;
                }
            }
        }
        Ok(counts)
    }

    fn failed(&mut self, name: &str, why: &str) -> Result<()> {
        self.failures.push(format!("{name}: {why}"));
        say(&format!("FAILED {name}: {why}"))
    }

    fn report(&self, table: &[(Profile, Counts, Duration)]) -> Result<Counts> {
        let mut total = Counts::default();
        say(&format!(
            "\n{:<14}{:>8}{:>8}{:>8}{:>8}{:>10}",
            "profile", "passed", "failed", "skipped", "n/a", "seconds"
        ))?;
        for (profile, counts, took) in table {
            let Counts { passed, failed, skipped, not_applicable } = counts;
            let seconds = took.as_secs_f32();
            let name = profile.name();
            say(&format!("{name:<14}{passed:>8}{failed:>8}{skipped:>8}{not_applicable:>8}{seconds:>10.1}"))?;
            total.add(*counts);
        }
        for failure in &self.failures {
            say(&format!("FAILED {failure}"))?;
        }
        say(&format!("not applicable: {}", total.not_applicable))?;
        let Counts { passed, failed, skipped, .. } = total;
        say(&format!("conformance: {passed} passed, {failed} failed, {skipped} skipped"))?;
        Ok(total)
    }
}

/// A native server ends with success; what a development runtime returns is its own affair.
fn judge_stop(stopped: &Stopped, kind: Kind) -> Result<String> {
    let status = stopped.status.with_context(|| format!("had to be killed after {:?}", stopped.after))?;
    if kind == Kind::Origin && !status.success() {
        return Err(anyhow!("ended with {status}"));
    }
    Ok(format!("{} ms", stopped.after.as_millis()))
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
