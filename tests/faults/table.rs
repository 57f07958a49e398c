//! The campaign's table: each row is a line of a file, which `make faults` shows at its end.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::campaign;
use crate::ledger::Verdict;

/// The file with the rows of one run; `make faults` removes it first.
const FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/faults-table.jsonl");

/// The result of a fault.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Row {
    /// The number of the row.
    pub(crate) number: u32,
    /// The fault.
    pub(crate) name: String,
    /// The number of rounds.
    pub(crate) rounds: u32,
    /// The number of promised frames.
    pub(crate) frames_at_stake: u64,
    /// The number of promised frames that are neither in the outputs nor reported there.
    pub(crate) lost: u64,
    /// The number of frames that were received twice.
    pub(crate) duplicates: u64,
    /// The time from the end of the fault to recovery; the maximum of the rounds.
    #[serde(rename = "recovery_ms", serialize_with = "milliseconds")]
    pub(crate) recovery: Option<Duration>,
    /// Other measurements, or the reason why the row was skipped.
    pub(crate) note: String,
}

impl Row {
    /// Creates a row from the verdict of the ledger.
    pub(crate) fn of(number: u32, name: &str, rounds: u32, verdict: &Verdict) -> Self {
        let Verdict { at_stake, lost, duplicates, .. } = *verdict;
        Self {
            number,
            name: name.to_owned(),
            rounds,
            frames_at_stake: at_stake,
            lost,
            duplicates,
            ..Self::default()
        }
    }

    /// Adds the recovery time.
    pub(crate) fn recovered(self, recovery: Duration) -> Self {
        Self { recovery: Some(recovery), ..self }
    }

    /// Adds a note.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

fn milliseconds<S: serde::Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_millis() as u64).serialize(to)
}

/// Adds a row to the table.
#[expect(clippy::needless_pass_by_value, reason = "it is written as a literal")]
pub(crate) fn record(row: Row) {
    let mut line = serde_json::to_value(&row).expect("plain values");
    line["seed"] = campaign::seed().into();
    let line = format!("{line}\n");
    println!("row {line}");
    // A single write of a whole line, because concurrent tests share the file.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(FILE)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the table can be written");
}

/// Prints that a row cannot run on this machine, and why.
pub(crate) fn skip(number: u32, name: &str, why: &str) {
    record(Row { number, name: name.to_owned(), note: format!("SKIPPED: {why}"), ..Row::default() });
}
