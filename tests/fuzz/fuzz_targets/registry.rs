#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tokenvpn_fuzz::registry::run(data));
