//! See `concilium_fuzzing::server_order`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::server_order(data));
