//! See `mcu_core::fuzzing::display_name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcu_core::fuzzing::display_name(data));
