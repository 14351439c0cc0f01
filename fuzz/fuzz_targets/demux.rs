//! See `transport::fuzzing::demux`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::demux(data));
