//! The metrics of real server processes: what they export, that the reference describes exactly
//! that, and that every query of the dashboard and the alerts finds its families.

#[path = "../common/certificates.rs"]
mod certificates;
mod endpoint;
mod families;
mod load;
mod promtool;
mod queries;
#[allow(dead_code, reason = "other suites use the rest of it")]
#[path = "../common/redis.rs"]
mod redis;
mod sample;
mod server;
mod values;
