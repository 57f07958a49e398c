//! The words of the service as types. No I/O, no wire types, no codecs.

pub mod measures;
pub mod picture;
