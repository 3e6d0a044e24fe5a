//! The fuzz targets of `core/fuzz` as ordinary tests: over their seeds, over changed seeds, and over random bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "tests"
)]

mod filter;
mod gateway;
mod handshake;
#[path = "../../src/size.rs"]
mod size;
mod token;

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*, sample::Index};

/// Reads an input, and panics where something does not hold that must hold for every one.
type Check = fn(&[u8]);

/// Every target by its name in `core/fuzz/targets`.
const TARGETS: [(&str, Check); 4] = [
    ("filter", |input| filter::check(&String::from_utf8_lossy(input))),
    ("gateway", gateway::check),
    ("handshake", |input| handshake::check(&String::from_utf8_lossy(input))),
    ("token", |input| token::check(&String::from_utf8_lossy(input))),
];

/// One change of an input, at a place that fits any length.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    // Bytes that end or nest something in one of the formats, besides all others.
    let byte = || prop_oneof![any::<u8>(), prop::sample::select(&b"\0\x01\x7f\x80\xff%&.,:\"'{}[]"[..])];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), vec(byte(), 1..8)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Remove(one, other)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Repeat(one, other)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    let range = |one: &Index, other: &Index, length: usize| {
        let (one, other) = (one.index(length + 1), other.index(length + 1));
        one.min(other)..one.max(other)
    };
    for change in changes {
        match change {
            Change::Set(at, byte) if !input.is_empty() => {
                let at = at.index(input.len());
                input[at] = *byte;
            }
            Change::Set(_, byte) => input.push(*byte),
            Change::Insert(at, bytes) => {
                let at = at.index(input.len() + 1);
                input.splice(at..at, bytes.iter().copied());
            }
            Change::Remove(one, other) => drop(input.drain(range(one, other, input.len()))),
            Change::Repeat(one, other) => {
                let again = input[range(one, other, input.len())].to_vec();
                input.extend(again);
            }
        }
    }
    input
}

fn folder(kind: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind)
}

fn run(name: &str) {
    let (_, check) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let seeds: Vec<Vec<u8>> = fs::read_dir(folder("seeds").join(name))
        .unwrap()
        .map(|seed| fs::read(seed.unwrap().path()).unwrap())
        .collect();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    for seed in &seeds {
        check(seed);
    }
    let seed = prop_oneof![4 => prop::sample::select(seeds), 1 => vec(any::<u8>(), 0..200)];
    let cases = size::sized(4_000, 100_000);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    proptest!(config, |(seed in seed, changes in vec(change(), 0..8))| {
        check(&changed(seed, &changes));
    });
}

#[test]
fn what_is_understood_of_a_list_is_a_statement_that_sqlite_takes() {
    run("filter");
}

#[test]
fn what_is_understood_of_a_message_survives_being_written_and_read_again() {
    run("gateway");
}

#[test]
fn an_accepted_handshake_names_a_user_and_an_operation() {
    run("handshake");
}

#[test]
fn no_token_that_is_made_up_is_good() {
    run("token");
}

#[test]
fn every_target_is_among_these_tests() {
    let mut files: Vec<String> = fs::read_dir(folder("targets"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort_unstable();
    assert_eq!(files, TARGETS.map(|(name, _)| name));
}
