//! See `concilium_fuzzing::session_restore`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::session_restore(data));
