//! See `concilium_testkit::fuzz::core`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_testkit::fuzz::core(data));
