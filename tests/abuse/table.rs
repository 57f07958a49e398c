//! The table of attacks: each row is a line of a file, which `make abuse` shows at its end.

use std::fmt;
use std::io::Write as _;

/// The file with the rows of one run; `make abuse` removes it first.
const FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/abuse-table.txt");

/// The result of an attack.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) attack: &'static str,
    /// The 99th percentile of the honest client's latency without the attack.
    pub(crate) alone_ms: f64,
    /// The same during the attack.
    pub(crate) attacked_ms: f64,
    /// The time that a new client needed to connect and make a call during the attack.
    pub(crate) newcomer_ms: f64,
    /// The growth of the server's memory.
    pub(crate) growth_kib: u64,
    /// The maximum number of descriptors that the attack took.
    pub(crate) descriptors: u64,
    /// The time from the end of the attack until the server had released its descriptors.
    pub(crate) reaped_ms: f64,
}

/// Writes the columns, as wide as those of the heading in the Makefile.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attack, alone_ms, attacked_ms, newcomer_ms, growth_kib, descriptors, reaped_ms } = self;
        let (ratio, growth_mib) = (attacked_ms / alone_ms, *growth_kib as f64 / 1024.0);
        write!(f, "{attack:<40} {alone_ms:>8.1} {attacked_ms:>8.1} {ratio:>6.1} {newcomer_ms:>8.0}")?;
        write!(f, " {growth_mib:>8.1} {descriptors:>6} {:>8.1}", reaped_ms / 1000.0)
    }
}

/// Adds a row to the table.
pub(crate) fn record(row: &Row) {
    let line = format!("{row}\n");
    print!("{line}");
    // A single write of a whole line, because concurrent tests share the file.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(FILE)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the table can be written");
}
