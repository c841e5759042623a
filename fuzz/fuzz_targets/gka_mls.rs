//! See `concilium_testkit::fuzz::gka_mls`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_testkit::fuzz::gka_mls(data));
