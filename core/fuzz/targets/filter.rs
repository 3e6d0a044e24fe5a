//! `core/tests/fuzz/filter.rs`, with inputs of libFuzzer's making.
#![no_main]

#[path = "../../tests/fuzz/filter.rs"]
mod filter;

libfuzzer_sys::fuzz_target!(|input: &str| filter::check(input));
