//! Whether the comparison sees a difference: the same server twice, once behind a proxy that changes one thing in
//! one of its answers. Exactly the case that got that answer must be told.

mod changes;
mod proxy;

use std::{
    collections::BTreeMap,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::stream::{self, StreamExt as _};
use tokio::{
    select,
    time::{sleep, timeout},
};

use self::{
    changes::{CASES, CHANGES, Change},
    proxy::Proxy,
};
use crate::{
    cases::{self, Case},
    check::{holds, same},
    compare,
    profile::Profile,
    runner::Counts,
    subject::{Launch, Subject},
    transcript::{CaseTranscript, Recorder},
    world::{Shared, World},
};

/// The time after which a case counts as hanging.
const BOUND: Duration = Duration::from_secs(120);
/// The time after which a case has failed that waits for bytes that never come.
const HANGS: Duration = Duration::from_secs(3);
/// The number of servers that run at the same time.
const JOBS: usize = 4;

type Transcripts = BTreeMap<String, CaseTranscript>;

/// Runs the cases without a proxy, behind one that changes nothing, and once for each change.
pub async fn run(binary: PathBuf) -> Result<Counts> {
    let mut counts = Counts::default();
    let original = play(&binary, None).await?.0;
    let unchanged = async {
        let (proxied, _) = play(&binary, Some(None)).await?;
        let verdict = compare::compare(("original", &original), ("proxied", &proxied));
        holds(verdict.differences.is_empty(), || verdict.differences.concat())?;
        holds(original.values().all(|case| case.passed), || "a case fails by itself".to_owned())?;
        same(verdict.equal, CASES.len(), "equal cases")
    };
    count(&mut counts, "what is not changed compares equal", unchanged.await)?;
    // Each change has a server of its own.
    let (binary, original) = (&binary, &original);
    let each =
        stream::iter(CHANGES).map(|change| async move { (change, told(binary, original, change).await) });
    let mut told = pin!(each.buffered(JOBS));
    while let Some((change, told)) = told.next().await {
        count(&mut counts, &format!("{} is told", change.what), told)?;
    }
    let Counts { passed, failed, skipped, .. } = counts;
    say(&format!("self-check: {passed} passed, {failed} failed, {skipped} skipped"))?;
    Ok(counts)
}

/// Whether the comparison names the case that was cheated, and no other.
async fn told(binary: &Path, original: &Transcripts, change: &'static Change) -> Result<()> {
    let (changed, applied) = play(binary, Some(Some(change))).await?;
    same(applied, 1, "the number of changed answers")?;
    let verdict = compare::compare(("original", original), ("changed", &changed));
    let told: Vec<&str> =
        verdict.differences.iter().filter_map(|text| text.split_once(':')).map(|(case, _)| case).collect();
    same(told, vec![change.case], "the cases that differ")?;
    same(verdict.equal, CASES.len() - 1, "equal cases")?;
    let passed = changed.get(change.case).map(|case| case.passed);
    same(passed, Some(change.unnoticed), "whether the case itself holds")
}

/// Plays all cases against a fresh server: directly, or behind a proxy that changes nothing or one thing. What was
/// said, and how many answers were changed.
async fn play(binary: &Path, proxied: Option<Option<&'static Change>>) -> Result<(Transcripts, usize)> {
    let settings = Profile::Base.settings();
    let mut subject = Subject::start(&Launch::Origin(binary.to_owned()), &settings).await?;
    let proxy = match proxied {
        Some(_) => Some(Proxy::start(subject.address).await?),
        None => None,
    };
    let address = proxy.as_ref().map_or(subject.address, Proxy::address);
    let shared = Arc::new(Shared::new(address, subject.kind, settings));
    let change = proxied.flatten();
    let mut transcripts = BTreeMap::new();
    for name in CASES {
        let case = case(name)?;
        let recorder = Recorder::new();
        let world = World::new(Arc::clone(&shared), case.name, recorder.clone());
        world.admin_token().await?;
        let mine = change.filter(|change| change.case == case.name);
        if let (Some(proxy), Some(change)) = (&proxy, mine) {
            proxy.arm(change);
        }
        let running = timeout(BOUND, (case.run)(world));
        let passed = match (&proxy, mine.filter(|change| change.hangs)) {
            (Some(proxy), Some(_)) => {
                let waits_in_vain = async {
                    proxy.changed().await;
                    sleep(HANGS).await;
                };
                select! {
                    outcome = running => matches!(outcome, Ok(Ok(()))),
                    () = waits_in_vain => false,
                }
            }
            _ => matches!(running.await, Ok(Ok(()))),
        };
        if let Some(proxy) = &proxy {
            proxy.disarm();
        }
        let transcript = CaseTranscript { case: case.name.to_owned(), passed, entries: recorder.masked() };
        transcripts.insert(transcript.case.clone(), transcript);
    }
    subject.stop().await?;
    Ok((transcripts, proxy.map_or(0, |proxy| proxy.applied())))
}

fn case(name: &str) -> Result<Case> {
    let found = cases::all().into_iter().find(|case| case.name == name);
    found.with_context(|| format!("there is no case {name}"))
}

fn count(counts: &mut Counts, name: &str, outcome: Result<()>) -> Result<()> {
    match outcome {
        Ok(()) => {
            counts.passed += 1;
            say(&format!("ok     {name}"))
        }
        Err(error) => {
            counts.failed += 1;
            say(&format!("FAILED {name}: {error:#}"))
        }
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
