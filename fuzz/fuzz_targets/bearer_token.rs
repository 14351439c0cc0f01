//! See `signalling::fuzzing::bearer_token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::bearer_token(data));
