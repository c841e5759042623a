//! See `concilium_testkit::fuzz::server_order`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| concilium_testkit::fuzz::server_order(data));
