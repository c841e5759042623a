//! See `concilium_fuzzing::transcript`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::transcript(data));
