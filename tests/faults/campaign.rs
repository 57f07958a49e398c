//! The parameters of a run: rounds, durations, and the seed.

use std::sync::OnceLock;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// The number of rounds from which on faults have their full duration. With fewer, a run takes
/// minutes.
const LONG_FROM: u32 = 20;

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Returns the rounds of each fault: `ROUNDS`, or `few`.
pub(crate) fn rounds(few: u32) -> u32 {
    number("ROUNDS").unwrap_or(few)
}

/// Returns the rounds of a fault that takes long: `ROUNDS`, but at most `most`.
pub(crate) fn slow_rounds(few: u32, most: u32) -> u32 {
    rounds(few).min(most)
}

/// Returns the number of streams that are registered and unregistered in a flood: `PAIRS`, or
/// `some`.
pub(crate) fn pairs(some: u32) -> u32 {
    number("PAIRS").unwrap_or(some)
}

/// Reports whether faults have their full duration.
pub(crate) fn is_long() -> bool {
    rounds(0) >= LONG_FROM
}

/// Returns the seed of the run: `SEED`, or a new one.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| number("SEED").unwrap_or_else(rand::random))
}

/// Returns a random generator with the seed of the run, and prints the seed.
pub(crate) fn seeded_rng() -> StdRng {
    println!("SEED={}", seed());
    StdRng::seed_from_u64(seed())
}
