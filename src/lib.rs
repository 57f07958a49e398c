//! Frameway.
