//! See `concilium_fuzzing::encryptor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_fuzzing::encryptor(data));
