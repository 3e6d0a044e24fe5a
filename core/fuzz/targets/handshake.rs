//! `core/tests/fuzz/handshake.rs`, with inputs of libFuzzer's making.
#![no_main]

#[path = "../../tests/fuzz/handshake.rs"]
mod handshake;

libfuzzer_sys::fuzz_target!(|input: &str| handshake::check(input));
