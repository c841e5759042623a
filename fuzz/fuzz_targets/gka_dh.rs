//! See `concilium_fuzzing::gka_dh`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::gka_dh(data));
