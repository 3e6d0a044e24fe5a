//! `core/tests/fuzz/gateway.rs`, with inputs of libFuzzer's making.
#![no_main]

#[path = "../../tests/fuzz/gateway.rs"]
mod gateway;

libfuzzer_sys::fuzz_target!(|input: &[u8]| gateway::check(input));
