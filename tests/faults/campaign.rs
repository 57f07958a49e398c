//! How often, how long, and with which dice.

use std::sync::OnceLock;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// From so many rounds on, faults last as long as the plan says; below, a run should take minutes.
const LONG_FROM: u32 = 20;

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Rounds of each fault: `ROUNDS`, or a few.
pub(crate) fn rounds(few: u32) -> u32 {
    number("ROUNDS").unwrap_or(few)
}

/// Rounds of a fault that takes long: `ROUNDS`, but no more than `most`.
pub(crate) fn slow_rounds(few: u32, most: u32) -> u32 {
    rounds(few).min(most)
}

/// Streams that are registered and unregistered in a flood: `PAIRS`, or some.
pub(crate) fn pairs(some: u32) -> u32 {
    number("PAIRS").unwrap_or(some)
}

/// Whether faults last as long as the plan says.
pub(crate) fn long() -> bool {
    rounds(0) >= LONG_FROM
}

/// The run's seed: `SEED`, or a new one.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| number("SEED").unwrap_or_else(rand::random))
}

/// Dice whose seed is printed.
pub(crate) fn dice() -> StdRng {
    println!("SEED={}", seed());
    StdRng::seed_from_u64(seed())
}
