//! Tests of the hub on the memory backend. Time is paused: it jumps to the next timer when nothing
//! else can happen, so that waiting costs nothing and a test that waits in vain fails at once.

// A test names the variant that it expects; any other fails it.
#![allow(clippy::wildcard_enum_match_arm)]

mod changes;
mod client;
mod delegate;
mod delivery;
mod erasing;
mod faulty;
mod groups;
mod options;
mod outages;
mod sampling;
mod seeds;
mod sharing;
mod starts;
mod topics;
mod watching;
mod world;
