//! Two transcripts, case by case.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::transcript::CaseTranscript;

/// The outcome of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Cases that both files have with equal entries.
    pub equal: usize,
    /// A readable paragraph for each case that differs or is missing on one side.
    pub differences: Vec<String>,
}

/// Reads a transcript file: one JSON object a line.
pub fn read(text: &str) -> Result<BTreeMap<String, CaseTranscript>> {
    let mut cases = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let case: CaseTranscript =
            serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
        cases.insert(case.case.clone(), case);
    }
    Ok(cases)
}

/// Compares; `left` and `right` name the files in the report.
pub fn compare(
    (left, a): (&str, &BTreeMap<String, CaseTranscript>),
    (right, b): (&str, &BTreeMap<String, CaseTranscript>),
) -> Verdict {
    let mut verdict = Verdict { equal: 0, differences: Vec::new() };
    for (name, one) in a {
        match b.get(name) {
            None => verdict.differences.push(format!("{name}: missing in {right}\n")),
            Some(other) if one == other => verdict.equal += 1,
            Some(other) => verdict.differences.push(describe(name, (left, one), (right, other))),
        }
    }
    for name in b.keys().filter(|name| !a.contains_key(*name)) {
        verdict.differences.push(format!("{name}: missing in {left}\n"));
    }
    verdict
}

fn describe(name: &str, (left, a): (&str, &CaseTranscript), (right, b): (&str, &CaseTranscript)) -> String {
    let mut out = format!("{name}:\n");
    if a.passed != b.passed {
        let _ = writeln!(out, "  passed: {left} {}, {right} {}", a.passed, b.passed);
    }
    let longest = a.entries.len().max(b.entries.len());
    let first = (0..longest).find(|&index| a.entries.get(index) != b.entries.get(index));
    if let Some(index) = first {
        let _ = writeln!(out, "  first difference at entry {} of {longest}", index + 1);
        let mut lines = Vec::new();
        differing("", a.entries.get(index), b.entries.get(index), &mut lines);
        for (path, one, other) in lines {
            let _ = writeln!(out, "    {path}\n      {left}: {one}\n      {right}: {other}");
        }
        if let Some(entry) = a.entries.get(index).or_else(|| b.entries.get(index)) {
            let _ = writeln!(out, "    in {entry}");
        }
    }
    out
}

/// The leaves in which two entries differ.
fn differing(path: &str, a: Option<&Value>, b: Option<&Value>, out: &mut Vec<(String, String, String)>) {
    if a == b {
        return;
    }
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                differing(&format!("{path}/{name}"), a.get(name), b.get(name), out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                differing(&format!("{path}/{index}"), a.get(index), b.get(index), out);
            }
        }
        _ => {
            let show = |v: Option<&Value>| v.map_or("(nothing)".to_owned(), Value::to_string);
            out.push((path.to_owned(), show(a), show(b)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cases(entries: &[(&str, Value)]) -> BTreeMap<String, CaseTranscript> {
        let lines: Vec<String> = entries
            .iter()
            .map(|(case, entry)| {
                let case = CaseTranscript {
                    case: (*case).to_owned(),
                    passed: true,
                    entries: vec![json!("first"), entry.clone()],
                };
                serde_json::to_string(&case).unwrap()
            })
            .collect();
        read(&lines.join("\n")).unwrap()
    }

    #[test]
    fn equal_files_have_no_difference() {
        let a = cases(&[("x", json!({"status": 200})), ("y", json!(1))]);
        assert_eq!(compare(("a", &a), ("b", &a)), Verdict { equal: 2, differences: vec![] });
    }

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let a = cases(&[("x", json!({"response": {"status": 200, "body": "same"}}))]);
        let b = cases(&[("x", json!({"response": {"status": 404, "body": "same"}}))]);
        let verdict = compare(("origin", &a), ("edge", &b));
        assert_eq!(verdict.equal, 0);
        let text = verdict.differences.concat();
        assert!(text.contains("entry 2 of 2"), "{text}");
        assert!(text.contains("/response/status\n      origin: 200\n      edge: 404"), "{text}");
        assert!(!text.contains("/response/body\n"), "{text}");
    }

    #[test]
    fn a_case_that_only_one_side_ran_is_a_difference() {
        let (a, b) = (cases(&[("x", json!(1))]), cases(&[("y", json!(1))]));
        let text = compare(("a", &a), ("b", &b)).differences.concat();
        assert!(text.contains("x: missing in b") && text.contains("y: missing in a"), "{text}");
    }

    #[test]
    fn a_longer_transcript_differs() {
        let a = cases(&[("x", json!(1))]);
        let mut b = a.clone();
        b.get_mut("x").unwrap().entries.push(json!("more"));
        assert_eq!(compare(("a", &a), ("b", &b)).differences.len(), 1);
    }
}
