//! See `codecs::fuzzing::telephone`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| codecs::fuzzing::telephone(data));
