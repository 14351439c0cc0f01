//! See `signalling::fuzzing::sdp_outline`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::sdp_outline(data));
