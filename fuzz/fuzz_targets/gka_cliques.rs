//! See `concilium_fuzzing::gka_cliques`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::gka_cliques(data));
