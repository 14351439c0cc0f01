//! See `transport::fuzzing::offer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::offer(data));
