//! `core/tests/fuzz/token.rs`, with inputs of libFuzzer's making.
#![no_main]

#[path = "../../tests/fuzz/token.rs"]
mod token;

libfuzzer_sys::fuzz_target!(|input: &str| token::check(input));
