//! See `loadtest::media::barcode::fuzzing::bar_code`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| loadtest::media::barcode::fuzzing::bar_code(data));
