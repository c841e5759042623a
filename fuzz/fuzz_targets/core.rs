//! See `concilium_fuzzing::core`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::core(data));
