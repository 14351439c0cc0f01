//! See `mcu_server::config::fuzzing::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcu_server::config::fuzzing::config(data));
