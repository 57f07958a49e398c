//! Frameway.

pub mod pb;
