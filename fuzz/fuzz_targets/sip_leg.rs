//! See `transport::fuzzing::sip_leg`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| transport::fuzzing::sip_leg(data));
