//! Fuzzes [`beam_mcp_fuzz::sse`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| beam_mcp_fuzz::sse(bytes));
