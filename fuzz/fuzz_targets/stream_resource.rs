//! See `signalling::fuzzing::stream_resource`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::stream_resource(data));
