//! See `concilium_fuzzing::relay_hub`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::relay_hub(data));
