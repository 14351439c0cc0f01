//! See `transport::fuzzing::video_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::video_stream(data));
