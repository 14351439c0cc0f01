//! See `signalling::fuzzing::client_word`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::client_word(data));
