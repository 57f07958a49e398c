//! Rows 40 to 47: a Redis Cluster of three masters, each with a replica that must have a frame before
//! it is accepted. So no promised frame may be lost, unless a shard loses all of its data.

mod everything;
mod failover;
mod harness;
mod lost;
mod partition;
mod scene;
mod slots;
