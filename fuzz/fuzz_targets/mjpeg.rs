#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| (frameway::fuzzing::target("mjpeg").check)(data));
