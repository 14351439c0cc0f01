//! See `transport::fuzzing::sound_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::sound_stream(data));
