//! A short fuzz run on stable Rust, without a fuzzer: `SEED=n` repeats a run, `ITERATIONS=n` makes
//! it longer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

const ITERATIONS: u64 = 4_000;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let span = random.below(12).min(bytes.len() - at);
        match random.below(8) {
            0 | 1 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
            2 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte = random.below(256) as u8),
            3 => bytes[at..at + span].fill([0, 0x7F, 0xFF][random.below(3)]),
            4 => drop(bytes.drain(at..at + span)),
            5 => {
                let copy = bytes[at..at + span].to_vec();
                bytes.splice(at..at, copy);
            }
            6 => bytes.truncate(at),
            _ => bytes.extend((0..span).map(|_| random.below(256) as u8)),
        }
    }
}

#[test]
fn readers_survive_mutated_bytes() {
    let seed = number("SEED").unwrap_or(1);
    let iterations = number("ITERATIONS").unwrap_or(ITERATIONS);
    for target in TARGETS {
        let seeds = (target.seeds)();
        for iteration in 0..iterations {
            // Each iteration depends on its own seed only, so that it can be repeated alone.
            let own = seed.wrapping_add(iteration);
            let mut random = Random(own ^ 0x9E37_79B9_7F4A_7C15);
            let mut bytes = seeds[random.below(seeds.len())].clone();
            if iteration > 0 || iterations == 1 {
                mutate(&mut random, &mut bytes);
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| (target.check)(&bytes)));
            assert!(outcome.is_ok(), "SEED={own} ITERATIONS=1: {} of {bytes:?}", target.name);
        }
    }
}

/// Inputs with which the targets in `fuzz/` found faults.
const FOUND: [(&str, &[u8]); 1] = [
    // The file is shorter than its format's signature, and is copied without its metadata.
    ("decode", &[113, 0, 67, 67, 246, 169, 80, 4]),
];

#[test]
fn faults_that_fuzzers_found_stay_fixed() {
    for (name, bytes) in FOUND {
        (target(name).check)(bytes);
    }
}

#[test]
fn every_picture_seed_can_be_decoded() {
    let seeds = decode_seeds();
    // Each format without metadata, and the encoded ones with metadata too.
    assert_eq!(seeds.len(), 9);
    for seed in seeds {
        let format = PictureFormat::ALL[usize::from(seed[0])];
        let (width, height) = if format.is_raw() { (16, 12) } else { (0, 0) };
        let source =
            SourcePicture { format, width, height, stride: 0, colors: Default::default(), data: &seed[1..] };
        assert!(Codec::new(Limits::default()).decode(&source).is_ok(), "{format}");
    }
}

#[test]
fn unsealed_seeds_are_the_bodies_of_valid_texts() {
    // A reader stops at a wrong checksum. So the seeds include bodies without one, and the target
    // seals them: sealing such a body must give a valid text.
    for (seeds, seal) in [
        (cursor_seeds(), (|body| sealed(body, &blake3::hash(body))) as fn(&[u8]) -> String),
        (watch_token_seeds(), |body| {
            sealed(body, &blake3::Hasher::new().update(b"watch").update(body).finalize())
        }),
    ] {
        let text = std::str::from_utf8(&seeds[0]).unwrap();
        assert!(seeds.iter().any(|body| seal(body) == text), "{text}");
        assert!(
            Cursor::decode(text, &fuzzed_store()).is_ok() || text.parse::<WatchToken>().is_ok(),
            "{text}"
        );
    }
}
