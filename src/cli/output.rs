//! How things look on the terminal and as JSON: tables, sizes, times.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use prost_types::{Duration as PbDuration, Timestamp};
use serde_json::Value;

use super::fault::short;
use crate::pb::v1 as pb;

/// Columns of text, as wide as their widest cell. The last is not padded.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that are numbers: set to the right.
    numbers: &'static [usize],
}

impl Table {
    /// A table with a row of headings.
    pub(super) fn new(headings: &[&str], numbers: &'static [usize]) -> Self {
        Self { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()], numbers }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, a line each row.
    pub(super) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths.get(column).copied().unwrap_or(0);
                if self.numbers.contains(&column) {
                    line.push_str(&format!("{cell:>width$}  "));
                } else {
                    line.push_str(&format!("{cell:<width$}  "));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Writes to standard output; a reader that has gone away (`| head`) is no failure.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _reader_gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one JSON value on one line.
pub(super) fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

/// A size for people: `1.4 MB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A span for people: `2.3 ms`, `4.1 s`, `2m 5s`.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        _ if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ => humantime::format_duration(Duration::from_secs(span.as_secs())).to_string(),
    }
}

/// How long ago a time of the server's was, by the clock of this machine; 0 if it seems to lie ahead.
pub(super) fn since(time: &Timestamp) -> Duration {
    SystemTime::now().duration_since(system_time(time)).unwrap_or_default()
}

/// A wire time as the system's.
pub(super) fn system_time(time: &Timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(u64::try_from(time.nanos).unwrap_or(0));
    match u64::try_from(time.seconds) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds) + nanos,
        Err(_) => UNIX_EPOCH,
    }
}

/// A system time for the wire.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() as i32 }
}

/// RFC 3339 in UTC, to the millisecond; `null` for none.
pub(super) fn time_json(time: Option<&Timestamp>) -> Value {
    time.map_or(Value::Null, |time| humantime::format_rfc3339_millis(system_time(time)).to_string().into())
}

/// A gap of time in words; `None` for any other gap.
pub(super) fn time_gap_words(gap: &pb::Gap) -> Option<String> {
    let end = gap.end_receive_time.as_ref()?;
    let time = |time: &Timestamp| humantime::format_rfc3339_millis(system_time(time)).to_string();
    let start = gap.start_receive_time.as_ref().map(|start| format!("from {} on and ", time(start)));
    let reasons: Vec<String> =
        gap.causes.iter().map(|cause| short(cause.reason().as_str_name(), "GAP_REASON_")).collect();
    let oldest = match &gap.oldest_receive_time {
        Some(oldest) => format!("oldest kept is {}", time(oldest)),
        None => "none is kept".to_owned(),
    };
    Some(format!(
        "{} frames received {}before {} are not kept: {}; {oldest}",
        gap.stream_id,
        start.unwrap_or_default(),
        time(end),
        reasons.join(", "),
    ))
}

/// A wire span; negative ones count as 0.
pub(super) fn duration(span: &PbDuration) -> Duration {
    Duration::new(u64::try_from(span.seconds).unwrap_or(0), u32::try_from(span.nanos).unwrap_or(0))
}

/// A span for the wire.
/// A number that stands for itself: 0 on the command line means the server's default, which is unset in the contract.
pub(super) fn is_set<N: Default + PartialEq>(number: &N) -> bool {
    *number != N::default()
}

pub(super) fn pb_duration(span: Duration) -> PbDuration {
    PbDuration { seconds: span.as_secs() as i64, nanos: span.subsec_nanos() as i32 }
}

/// Milliseconds with three decimals; `null` for none.
pub(super) fn ms_json(span: Option<Duration>) -> Value {
    span.map_or(Value::Null, |span| Value::from((span.as_secs_f64() * 1e6).round() / 1e3))
}

/// Writes a file that is there whole or not at all: whoever watches the folder never sees half of one.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".part");
    fs::write(&fresh, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_short() {
        assert_eq!(
            [bytes(999), bytes(1400), bytes(999_960), bytes(3_200_000_000)],
            ["999 B", "1.4 kB", "1.0 MB", "3.2 GB"]
        );
        let ms = Duration::from_millis;
        assert_eq!(
            [span(ms(2)), span(ms(230)), span(ms(4100)), span(ms(125_000))],
            ["2.0 ms", "230 ms", "4.1 s", "2m 5s"]
        );
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["STREAM", "FRAMES", "STATE"], &[1]);
        table.row(["cam-1", "7", "LIVE"].map(str::to_owned));
        table.row(["north-gate", "12345", "IDLE"].map(str::to_owned));
        let text = table.render();
        assert_eq!(text, "STREAM      FRAMES  STATE\ncam-1            7  LIVE\nnorth-gate   12345  IDLE\n");
    }

    #[test]
    fn times_go_to_the_wire_and_back() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(system_time(&timestamp(time)), time);
        assert_eq!(time_json(Some(&timestamp(time))), "2023-11-14T22:13:20.123Z");
        assert_eq!(time_json(None), Value::Null);
    }
}
