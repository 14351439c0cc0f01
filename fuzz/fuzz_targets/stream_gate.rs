//! See `transport::fuzzing::stream_gate`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::stream_gate(data));
