//! See `signalling::fuzzing::origin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::origin(data));
