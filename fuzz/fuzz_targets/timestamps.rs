//! See `mcu_core::fuzzing::timestamps`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcu_core::fuzzing::timestamps(data));
