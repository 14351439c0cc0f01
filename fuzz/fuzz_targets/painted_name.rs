//! See `mixer::fuzzing::painted_name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mixer::fuzzing::painted_name(data));
