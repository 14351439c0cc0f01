//! See `codecs::fuzzing::opus`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| codecs::fuzzing::opus(data));
