//! See `concilium_fuzzing::liveness`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::liveness(data));
