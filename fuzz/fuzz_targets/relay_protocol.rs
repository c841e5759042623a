//! See `concilium_fuzzing::relay_protocol`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::relay_protocol(data));
