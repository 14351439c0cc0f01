//! See `transport::fuzzing::lip_sync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::lip_sync(data));
