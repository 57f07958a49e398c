//! Reads the feeds of all partitions and notifies each subscription of the streams that have news.

pub(super) mod inbox;
pub(super) mod index;
pub(super) mod registration;
pub(super) mod state;
pub(super) mod tail;
pub(super) mod topic;
pub(super) mod volume;
