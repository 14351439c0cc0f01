//! See `transport::fuzzing::payload_h264`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::payload_h264(data));
