//! See `transport::fuzzing::packetize_h264`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::packetize_h264(data));
