//! Output on the terminal and as JSON: tables, sizes, times.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use prost_types::Timestamp;
use serde_json::Value;

use crate::client::time::system_time;
use crate::pb::v1 as pb;

pub(crate) use crate::client::time::{duration, pb_duration, timestamp};

/// Columns of text, each as wide as its widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// The columns that are aligned to the right.
    numbers: Cow<'static, [usize]>,
}

impl Table {
    /// Starts a table with a row of headings.
    pub(crate) fn new(headings: &[&str], numbers: impl Into<Cow<'static, [usize]>>) -> Self {
        let headings = headings.iter().map(|&heading| heading.to_owned()).collect();
        Self { rows: vec![headings], numbers: numbers.into() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Formats the table with one line for each row.
    pub(crate) fn render(&self) -> String {
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

/// Returns the name of an enum value without the prefix that all its values share.
pub(crate) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}

/// Returns the name of a server's backend: `memory`, `redis`, `redis-sentinel` or `redis-cluster`.
pub(crate) fn backend_name(info: &pb::GetServerInfoResponse) -> String {
    short(info.backend_kind().as_str_name(), "BACKEND_KIND_").to_lowercase().replace('_', "-")
}

/// The first error of [`print()`].
static NOT_PRINTED: OnceLock<io::Error> = OnceLock::new();

/// Writes to standard output. A closed pipe (`| head`) is not an error; any other, such as a full disk,
/// makes the command fail at its end, see [`not_printed`].
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _first = NOT_PRINTED.set(error);
        }
        Ok(()) | Err(_) => {}
    }
}

/// Returns the error because of which a part of the output is missing.
pub(super) fn not_printed() -> Option<&'static io::Error> {
    NOT_PRINTED.get()
}

/// Writes one JSON value on one line.
pub(crate) fn print_json(value: &Value) {
    print(&format!("{value}\n"));
}

/// Formats a size such as `1.4 MB`.
pub(crate) fn bytes(count: u64) -> String {
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

/// Formats a duration such as `2.3 ms`, `4.1 s` or `2m 5s`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        _ if seconds < 0.1 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ => humantime::format_duration(Duration::from_secs(span.as_secs())).to_string(),
    }
}

/// Returns how long ago a time of the server was by this machine's clock; 0 if it is in the future.
pub(crate) fn since(time: &Timestamp) -> Duration {
    SystemTime::now().duration_since(system_time(time)).unwrap_or_default()
}

/// Formats a time in UTC as RFC 3339, with milliseconds; `null` for none.
pub(crate) fn time_json(time: Option<&Timestamp>) -> Value {
    time.map_or(Value::Null, |time| humantime::format_rfc3339_millis(system_time(time)).to_string().into())
}

/// Describes a gap that is a time span whose frames are no longer kept; `None` for any other gap.
pub(crate) fn time_gap_words(gap: &pb::Gap) -> Option<String> {
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

/// Reports whether a number is not 0. On the command line, 0 stands for the server's default; in
/// the contract, the field is then left unset.
pub(crate) fn is_set<N: Default + PartialEq>(number: &N) -> bool {
    *number != N::default()
}

/// Formats a duration as milliseconds with three decimals; `null` for none.
pub(crate) fn ms_json(span: Option<Duration>) -> Value {
    span.map_or(Value::Null, |span| Value::from((span.as_secs_f64() * 1e6).round() / 1e3))
}

/// Writes a file under a temporary name and renames it, so that no reader sees a part of it. If
/// that fails, for example because the disk is full, nothing is left of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".part");
    let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| {
        // On a full disk, a part of the file would only take space.
        let _ = fs::remove_file(&fresh);
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

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
    fn times_are_printed_in_utc() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(time_json(Some(&timestamp(time))), "2023-11-14T22:13:20.123Z");
        assert_eq!(time_json(None), Value::Null);
    }
}
