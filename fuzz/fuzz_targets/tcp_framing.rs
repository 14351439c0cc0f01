//! See `transport::fuzzing::tcp_framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::tcp_framing(data));
