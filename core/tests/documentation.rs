//! Every rule that code cites stands in the documents.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn every_rule_that_code_cites_stands_in_its_document() {
    let mut cited = BTreeSet::new();
    for folder in ["core/src", "api/src", "origin/src", "worker/src"] {
        visit(&root().join(folder), &mut cited);
    }
    assert!(cited.len() > 20, "the citations were not found: {cited:?}");
    let missing: Vec<_> = cited.iter().filter(|citation| !stands(citation)).collect();
    assert!(missing.is_empty(), "cited and not there: {missing:?}");
}

fn visit(folder: &Path, cited: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, cited);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            cited.extend(text.split('`').filter(|piece| is_citation(piece)).map(str::to_owned));
        }
    }
}

fn is_citation(piece: &str) -> bool {
    piece.starts_with("docs/") && piece.contains(".md") && !piece.contains(char::is_whitespace)
}

/// Whether a file, and the heading behind `#`, exist.
fn stands(citation: &str) -> bool {
    let (file, anchor) = citation.split_once('#').unwrap_or((citation, ""));
    let Ok(text) = fs::read_to_string(root().join(file)) else { return false };
    let anchor_of = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    };
    anchor.is_empty()
        || text.lines().filter(|line| line.starts_with('#')).any(|line| anchor_of(line) == anchor)
}
