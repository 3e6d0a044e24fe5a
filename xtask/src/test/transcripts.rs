//! Transcripts of an earlier run, which say something only while nothing that they came from has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::programs;
use crate::edge::build;
use crate::workspace::Workspace;

/// The transcript of a conformance step, by its name.
pub(super) fn path(workspace: &Workspace, step: &str) -> PathBuf {
    workspace.target.join("transcripts").join(format!("{step}.jsonl"))
}

/// Fails when a transcript is missing, or older than a program or source that it came from. `steps` are those whose
/// transcripts are not written in this run.
pub(super) fn check<'a>(workspace: &Workspace, steps: impl Iterator<Item = &'a str>) -> Result<()> {
    for step in steps {
        let subject = match step {
            "edge" => build::programs(workspace).into(),
            _ => vec![programs::built(workspace, "rollcall")],
        };
        let suite = programs::built(workspace, "rollcall-conformance");
        let lock = workspace.root.join("Cargo.lock");
        judge(&path(workspace, step), subject.into_iter().chain([suite, lock]))
            .with_context(|| format!("run `cargo xtask test --only {step},compare`"))?;
    }
    Ok(())
}

fn judge(transcript: &Path, made_from: impl Iterator<Item = PathBuf>) -> Result<()> {
    let written = changed(transcript)?;
    for file in made_from {
        let built = changed(&file)?;
        if built > written {
            bail!("{} is older than {}", transcript.display(), file.display());
        }
        // Beside what cargo builds lies a list of its sources.
        let Ok(list) = fs::read_to_string(file.with_extension("d")) else { continue };
        for source in sources(&list) {
            // A source that is gone has left a change in the one that named it.
            if changed(&source).is_ok_and(|at| at > written || at > built) {
                bail!("{} does not come from {} as it is now", transcript.display(), source.display());
            }
        }
    }
    Ok(())
}

fn changed(file: &Path) -> Result<SystemTime> {
    let metadata = fs::metadata(file).with_context(|| format!("there is no {}", file.display()))?;
    Ok(metadata.modified()?)
}

/// The files after the colon of a rule as `make` reads it, in which a space of a name is escaped.
fn sources(list: &str) -> Vec<PathBuf> {
    let rule = list.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, files)| files);
    let mut files = vec![String::new()];
    let mut characters = rule.chars();
    while let Some(character) = characters.next() {
        match (character, files.last_mut()) {
            (' ', _) => files.push(String::new()),
            ('\\', Some(file)) => file.extend(characters.next()),
            (_, Some(file)) => file.push(character),
            (_, None) => {}
        }
    }
    files.into_iter().filter(|file| !file.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_list_of_sources_may_have_spaces_in_its_names() {
        let list = "/t/debug/rollcall: /w/a.rs /w/with\\ space/b.rs\n\n/w/a.rs:\n";
        assert_eq!(sources(list), ["/w/a.rs", "/w/with space/b.rs"].map(PathBuf::from));
        assert_eq!(sources(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn only_a_transcript_of_the_programs_and_sources_of_now_is_compared() {
        let folder = tempfile::tempdir().unwrap();
        let [transcript, program, source] =
            ["origin.jsonl", "rollcall", "main.rs"].map(|name| folder.path().join(name));
        let write = |file: &Path, seconds: u64| {
            fs::write(file, "x").unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::options().write(true).open(file).unwrap().set_modified(at).unwrap();
        };
        let verdict = || judge(&transcript, [program.clone()].into_iter()).map_err(|error| error.to_string());
        fs::write(program.with_extension("d"), format!("rollcall: {}\n", source.display())).unwrap();
        write(&program, 20);
        write(&source, 10);
        assert!(verdict().unwrap_err().contains("there is no"));
        write(&transcript, 30);
        assert_eq!(verdict(), Ok(()));
        write(&source, 40);
        assert!(verdict().unwrap_err().contains("main.rs"), "changed afterwards");
        write(&source, 25);
        assert!(verdict().unwrap_err().contains("main.rs"), "changed while the suite ran");
        write(&program, 40);
        assert!(verdict().unwrap_err().contains("older than"));
    }
}
