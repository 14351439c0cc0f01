//! See `signalling::fuzzing::sip_registration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| signalling::fuzzing::sip_registration(data));
