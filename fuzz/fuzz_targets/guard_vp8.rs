//! See `codecs::fuzzing::guard_vp8`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| codecs::fuzzing::guard_vp8(data));
