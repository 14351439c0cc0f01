//! See `signalling::fuzzing::room_words`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::room_words(data));
