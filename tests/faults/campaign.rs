//! How often, and with which dice.

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// Rounds of each fault: `ROUNDS`, or a few.
pub(crate) fn rounds(few: u32) -> u32 {
    std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// Dice whose seed is printed: `SEED`, or a new one.
pub(crate) fn dice() -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}
