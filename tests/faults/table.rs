//! The campaign's table: each row of it is a line of a file, which `make faults` shows at its end.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::campaign;
use crate::ledger::Verdict;

/// Collects the rows of one run: `make faults` removes it first.
const FILE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/faults-table.jsonl");

/// What a fault was found to do.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Row {
    /// Its number in the plan of faults.
    pub(crate) number: u32,
    /// What was done.
    pub(crate) name: String,
    /// How often.
    pub(crate) rounds: u32,
    /// Frames that were promised.
    pub(crate) frames_at_stake: u64,
    /// Those of them that are neither in the outputs nor accounted for there.
    pub(crate) lost: u64,
    /// Frames that came twice where none may.
    pub(crate) duplicates: u64,
    /// From the end of the fault until all is as it was; the longest of the rounds.
    #[serde(rename = "recovery_ms", serialize_with = "milliseconds")]
    pub(crate) recovery: Option<Duration>,
    /// What else was measured, or why it was not tried.
    pub(crate) note: String,
}

impl Row {
    /// A row of what the ledger says.
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

    /// The same, with how long it took until all was well again.
    pub(crate) fn recovered(self, recovery: Duration) -> Self {
        Self { recovery: Some(recovery), ..self }
    }

    /// The same, with a remark.
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
    // One write of a whole line: tests that run beside each other share the file.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(FILE)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the table can be written");
}

/// Says that a row cannot be tried here, and why.
pub(crate) fn skip(number: u32, name: &str, why: &str) {
    record(Row { number, name: name.to_owned(), note: format!("SKIPPED: {why}"), ..Row::default() });
}
