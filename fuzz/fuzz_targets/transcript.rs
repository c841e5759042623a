//! See `concilium_testkit::fuzz::transcript`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_testkit::fuzz::transcript(data));
