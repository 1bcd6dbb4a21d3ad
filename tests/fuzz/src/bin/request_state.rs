//! Fuzzes [`beam_mcp_fuzz::request_state`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| beam_mcp_fuzz::request_state(bytes));
