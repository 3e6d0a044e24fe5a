//! Runs the cases profile by profile, several at a time, and counts.

use std::{
    fs::{self, File},
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{
    cases::{self, Case, Isolation},
    console::issuer::Issuer,
    leak::Hits,
    mask::Masks,
    profile::Profile,
    settings::Settings,
    subject::{Kind, Launch, Stopped, Subject},
    transcript::{CaseTranscript, Recorder},
    world::{Shared, World},
};

/// The options of a run.
#[derive(Debug)]
pub struct Options {
    /// The way to a subject.
    pub launch: Launch,
    /// The configuration of a server that is already running.
    pub settings: Option<Settings>,
    /// Only cases whose full name contains this.
    pub only: Option<String>,
    /// The number of cases that run at the same time.
    pub jobs: usize,
    /// The time after which a case counts as hanging; a case may name a longer one.
    pub case_timeout: Duration,
    /// The file that gets the transcript.
    pub transcript: Option<PathBuf>,
    /// The folder that keeps the subjects' output.
    pub keep_logs: Option<PathBuf>,
}

/// Cases by their outcome.
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

/// The cases of one profile, and the configuration that their server gets.
struct Plan {
    profile: Profile,
    cases: Vec<Case>,
    settings: Settings,
    not_applicable: usize,
}

/// A server that serves, and what the cases on it share.
struct Served {
    subject: Subject,
    shared: Arc<Shared>,
    ready_after: Duration,
}

/// The outcome of one case.
struct Finished {
    /// Its position among the cases of its profile.
    position: usize,
    transcript: CaseTranscript,
    failure: Option<String>,
}

/// The outcome of one profile.
struct Ran {
    profile: Profile,
    counts: Counts,
    failures: Vec<String>,
    transcripts: Vec<CaseTranscript>,
    took: Duration,
}

/// How many profiles run at the same time, each with a server of its own. Many cases wait for a timer most of their time.
const PROFILES_AT_ONCE: usize = 2;

/// Who runs: each profile has one place, and cases that must be alone have all of them.
type Places = Semaphore;

/// Runs everything that the options select, and prints as it goes.
///
/// The transcript has the cases in the order of their declaration, whatever the order of their ends.
pub async fn run(options: Options) -> Result<Counts> {
    let mut transcript =
        options.transcript.as_ref().map(File::create).transpose().context("the transcript file")?;
    if let Some(directory) = &options.keep_logs {
        fs::create_dir_all(directory)?;
    }
    let places = Places::new(PROFILES_AT_ONCE);
    let running = stream::iter(plans(&options)?).map(|plan| profile(&options, plan, &places));
    let mut ended: Vec<Ran> = running.buffer_unordered(PROFILES_AT_ONCE).try_collect().await?;
    ended.sort_by_key(|ran| ran.profile);
    let (mut table, mut failures) = (Vec::new(), Vec::new());
    for ran in ended {
        for case in &ran.transcripts {
            if let Some(file) = &mut transcript {
                writeln!(file, "{}", serde_json::to_string(case)?)?;
            }
        }
        failures.extend(ran.failures);
        table.push((ran.profile, ran.counts, ran.took));
    }
    report(&table, &failures)
}

/// Runs the cases of one profile on a server of their own, and checks how it stops.
async fn profile(options: &Options, plan: Plan, places: &Places) -> Result<Ran> {
    let begun = Instant::now();
    let counts = Counts { not_applicable: plan.not_applicable, ..Counts::default() };
    let (failures, transcripts) = (Vec::new(), Vec::new());
    let mut ran = Ran { profile: plan.profile, counts, failures, transcripts, took: Duration::ZERO };
    let place = places.acquire().await?;
    let served = match serve(options.launch.clone(), plan.settings.clone()).await {
        Ok(served) => served,
        Err(error) => {
            let why = format!("{}: the subject did not start: {error:#}", plan.profile);
            say(&format!("FAILED {why}"))?;
            ran.failures.push(why);
            ran.counts.failed += 1;
            ran.counts.skipped += plan.cases.len();
            ran.took = begun.elapsed();
            return Ok(ran);
        }
    };
    say(&format!(
        "-- {}: {} cases, ready after {} ms",
        plan.profile,
        plan.cases.len(),
        served.ready_after.as_millis()
    ))?;
    let (alone, others) = by_isolation(&plan.cases);
    let mut finished = together(options, others, &served.shared).await?;
    drop(place);
    if !alone.is_empty() {
        let _places = places.acquire_many(u32::try_from(PROFILES_AT_ONCE)?).await?;
        for (position, case) in alone {
            finished.push(one(options, position, case, &served.shared).await?);
        }
    }
    finished.sort_by_key(|finished| finished.position);
    for Finished { transcript, failure, .. } in finished {
        ran.counts.passed += usize::from(transcript.passed);
        ran.counts.failed += usize::from(!transcript.passed);
        ran.failures.extend(failure);
        ran.transcripts.push(transcript);
    }
    let _place = places.acquire().await?;
    close(&mut ran, served, options.keep_logs.as_deref()).await?;
    ran.took = begun.elapsed();
    Ok(ran)
}

/// The plans of all profiles; cases that this server cannot exercise are named at once.
fn plans(options: &Options) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    for profile in Profile::ALL {
        let settings = options.settings.clone().unwrap_or_else(|| profile.settings());
        let only = options.only.as_deref();
        let selected = cases::all()
            .into_iter()
            .filter(|case| case.profile == profile && only.is_none_or(|pattern| case.name.contains(pattern)));
        let shared_server = options.settings.is_some() && !profile.leaves_others_alone();
        let mut plan = Plan { profile, cases: Vec::new(), settings, not_applicable: 0 };
        for case in selected {
            let why_not = match shared_server {
                true => Some("orders everybody offline: needs a server to itself".to_owned()),
                false => case.mismatch(&plan.settings),
            };
            match why_not {
                None => plan.cases.push(case),
                Some(why) => {
                    plan.not_applicable += 1;
                    say(&format!("n/a    {}: {why}", case.name))?;
                }
            }
        }
        if plan.not_applicable > 0 || !plan.cases.is_empty() {
            plans.push(plan);
        }
    }
    Ok(plans)
}

/// Starts a server, and the issuer that it asks where its settings want one.
async fn serve(launch: Launch, mut settings: Settings) -> Result<Served> {
    let begun = Instant::now();
    let issuer = Issuer::wanted(&mut settings).await?;
    let subject = Subject::start(&launch, &settings).await?;
    let ready_after = begun.elapsed();
    let shared =
        Arc::new(Shared::new(subject.address, subject.kind, settings).with_one(subject.one()).asking(issuer));
    Ok(Served { subject, shared, ready_after })
}

type Positioned<'a> = (usize, &'a Case);

/// Cases that must be alone, and the others in groups: the cases of a group run one after the other.
fn by_isolation(cases: &[Case]) -> (Vec<Positioned<'_>>, Vec<Vec<Positioned<'_>>>) {
    let (mut alone, mut shared, mut long, mut short) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (position, case) in cases.iter().enumerate() {
        match case.isolation {
            Isolation::Alone(_) => alone.push((position, case)),
            Isolation::Shares(state) => {
                let group = shared.iter_mut().find(|(name, _): &&mut (_, Vec<_>)| *name == state);
                match group {
                    Some((_, group)) => group.push((position, case)),
                    None => shared.push((state, vec![(position, case)])),
                }
            }
            Isolation::None if case.bound.is_some() => long.push(vec![(position, case)]),
            Isolation::None => short.push(vec![(position, case)]),
        }
    }
    // What takes longest begins first.
    (alone, shared.into_iter().map(|(_, group)| group).chain(long).chain(short).collect())
}

/// Runs groups of cases, several groups at a time.
async fn together(
    options: &Options,
    groups: Vec<Vec<Positioned<'_>>>,
    shared: &Arc<Shared>,
) -> Result<Vec<Finished>> {
    let running = stream::iter(groups).map(|group| async move {
        let mut finished = Vec::new();
        for (position, case) in group {
            finished.push(one(options, position, case, shared).await?);
        }
        Ok(finished)
    });
    let ended: Vec<Result<Vec<Finished>>> = running.buffer_unordered(options.jobs.max(1)).collect().await;
    ended.into_iter().collect::<Result<Vec<_>>>().map(|groups| groups.into_iter().flatten().collect())
}

/// Runs one case and prints its result.
async fn one(options: &Options, position: usize, case: &Case, shared: &Arc<Shared>) -> Result<Finished> {
    let begun = Instant::now();
    let recorder = Recorder::new();
    let world = World::new(Arc::clone(shared), case.name, recorder.clone());
    let bound = case.bound.unwrap_or_default().max(options.case_timeout);
    // A task of its own, so that a panic is the failure of one case.
    let mut task = tokio::spawn((case.run)(world.clone()));
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
    let failure = match &outcome {
        Ok(()) => {
            say(&format!("ok     {} {took}ms{}", case.name, world.figures()))?;
            None
        }
        Err(error) => {
            let last: Vec<String> =
                entries.iter().rev().take(4).rev().map(|entry| format!("\n         {entry}")).collect();
            let why = format!("{}: {error:#}", case.name);
            say(&format!("FAILED {why}{}", last.concat()))?;
            Some(why)
        }
    };
    let transcript = CaseTranscript { case: case.name.to_owned(), passed: outcome.is_ok(), entries };
    Ok(Finished { position, transcript, failure })
}

/// Stops a server and searches its log, which is complete only then.
async fn close(ran: &mut Ran, mut served: Served, keep_logs: Option<&Path>) -> Result<()> {
    let profile = ran.profile;
    let subject = &mut served.subject;
    let early = subject.ended();
    let stopped = subject.stop().await?;
    let (Some(stopped), Some(log)) = (stopped, subject.log().map(ToOwned::to_owned)) else {
        ran.counts.not_applicable += 2;
        for name in [STOPS, SECRETS] {
            say(&format!("n/a    {profile}/{name}: the suite did not start this server"))?;
        }
        return Ok(());
    };
    if let Some(directory) = keep_logs {
        fs::copy(&log, directory.join(format!("{profile}.log")))?;
    }
    let ended = match early {
        Some(status) => Err(anyhow!("the server had already ended by itself: {status}")),
        None => judge_stop(&stopped, subject.kind),
    };
    let forbidden = served.shared.forbidden.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (tokens, texts) = (forbidden.token_count(), forbidden.text_count());
    let hits = spawn_blocking(move || forbidden.search(&log)).await??;
    let clean = judge_log(&hits).map(|()| {
        format!("{tokens} tokens and {texts} other secrets searched in {} lines, 0 found", hits.lines)
    });
    for (name, outcome) in [(STOPS, ended), (SECRETS, clean)] {
        match outcome {
            Ok(note) => {
                ran.counts.passed += 1;
                say(&format!("ok     {profile}/{name} ({note})"))?;
            }
            Err(error) => {
                ran.counts.failed += 1;
                let why = format!("{profile}/{name}: {error:#}");
                say(&format!("FAILED {why}"))?;
                ran.failures.push(why);
            }
        }
    }
    Ok(())
}

type Table = Vec<(Profile, Counts, Duration)>;

fn report(table: &Table, failures: &[String]) -> Result<Counts> {
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
    for failure in failures {
        say(&format!("FAILED {failure}"))?;
    }
    say(&format!("not applicable: {}", total.not_applicable))?;
    let Counts { passed, failed, skipped, .. } = total;
    say(&format!("conformance: {passed} passed, {failed} failed, {skipped} skipped"))?;
    Ok(total)
}

/// A native server ends with success; what a development runtime returns is its own affair.
fn judge_stop(stopped: &Stopped, kind: Kind) -> Result<String> {
    let status = stopped.status.with_context(|| format!("had to be killed after {:?}", stopped.after))?;
    if kind == Kind::Origin && !status.success() {
        return Err(anyhow!("ended with {status}"));
    }
    Ok(format!("{} ms", stopped.after.as_millis()))
}

fn judge_log(hits: &Hits) -> Result<()> {
    if hits.count == 0 {
        return Ok(());
    }
    let samples: Vec<String> = hits.samples.iter().map(|line| Masks::default().apply(line)).collect();
    Err(anyhow!("{} of {} lines, such as\n         {}", hits.count, hits.lines, samples.join("\n         ")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &'static str, isolation: Isolation, bound: Option<u64>) -> Case {
        let bound = bound.map(Duration::from_secs);
        let run = |_| -> cases::Running { Box::pin(async { Ok(()) }) };
        Case { name, profile: Profile::Base, literal: false, bound, isolation, run }
    }

    #[test]
    fn cases_of_one_state_follow_each_other_and_what_is_long_begins_first() {
        let cases = [
            case("short", Isolation::None, None),
            case("one", Isolation::Shares("a"), None),
            case("alone", Isolation::Alone("it measures"), None),
            case("long", Isolation::None, Some(300)),
            case("other", Isolation::Shares("b"), None),
            case("two", Isolation::Shares("a"), None),
        ];
        let (alone, groups) = by_isolation(&cases);
        let names = |group: &[Positioned<'_>]| group.iter().map(|(_, case)| case.name).collect::<Vec<_>>();
        assert_eq!(names(&alone), ["alone"]);
        let groups: Vec<_> = groups.iter().map(|group| names(group)).collect();
        assert_eq!(groups, [vec!["one", "two"], vec!["other"], vec!["long"], vec!["short"]]);
    }
}
