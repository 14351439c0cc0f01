//! See `transport::fuzzing::payload_vp9`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::payload_vp9(data));
