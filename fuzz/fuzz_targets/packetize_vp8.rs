//! See `transport::fuzzing::packetize_vp8`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::packetize_vp8(data));
