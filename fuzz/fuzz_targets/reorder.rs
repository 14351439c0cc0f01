//! See `transport::fuzzing::reorder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::reorder(data));
