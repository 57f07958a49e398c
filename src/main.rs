//! The `frameway` command.
fn main() {}
