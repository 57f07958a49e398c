//! Rows that can be sorted and filtered.

use std::cmp::Ordering;
use std::time::Duration;

use crate::console::output::{bytes, span};

/// A cell, and the value that it is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    /// `None` = it is sorted as text.
    value: Option<f64>,
}

impl Cell {
    /// Creates a cell of text that the server sent.
    pub(super) fn text(text: &str) -> Self {
        Self { text: text.chars().filter(|c| !c.is_control()).collect(), value: None }
    }

    /// Creates the cell of a name that may be missing.
    pub(super) fn name(text: &str) -> Self {
        if text.is_empty() { Self::text("-") } else { Self::text(text) }
    }

    pub(super) fn count(count: u64) -> Self {
        Self { text: count.to_string(), value: Some(count as f64) }
    }

    pub(super) fn bytes(count: u64) -> Self {
        Self { text: bytes(count), value: Some(count as f64) }
    }

    pub(super) fn percent(part: u64, whole: u64) -> Self {
        let percent = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 };
        Self { text: format!("{percent:.0} %"), value: Some(percent) }
    }

    /// Creates the cell of a time; `None` = unknown, which is sorted as the shortest.
    pub(super) fn span(time: Option<Duration>) -> Self {
        let text = time.map_or_else(|| "-".to_owned(), span);
        Self { text, value: Some(time.map_or(-1.0, |time| time.as_secs_f64())) }
    }

    /// Creates the cell of a rate per second; `None` = unknown.
    pub(super) fn rate(rate: Option<f64>) -> Self {
        Self { text: rate_text(rate), value: Some(rate.unwrap_or(-1.0)) }
    }

    /// Creates the cell of a rate of bytes per second; `None` = unknown.
    pub(super) fn byte_rate(rate: Option<f64>) -> Self {
        let text = rate.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", bytes(rate.round() as u64)));
        Self { text, value: Some(rate.unwrap_or(-1.0)) }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        match (self.value, other.value) {
            // The largest first.
            (Some(own), Some(others)) => others.total_cmp(&own),
            (None, None) | (Some(_), None) | (None, Some(_)) => self.text.cmp(&other.text),
        }
    }
}

/// Formats a rate per second.
pub(super) fn rate_text(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
}

/// A heading, and whether its column has numbers, which are aligned to the right.
pub(super) type Heading = (&'static str, bool);

/// Rows under headings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) headings: &'static [Heading],
    pub(super) rows: Vec<Vec<Cell>>,
    /// A note below the table, for example the number of rows that are not shown; may be empty.
    pub(super) note: String,
}

impl Table {
    /// Keeps the rows that contain `filter` in any cell; upper and lower case are the same.
    pub(super) fn filter(&mut self, filter: &str) {
        if !filter.is_empty() {
            let filter = filter.to_lowercase();
            self.rows.retain(|row| row.iter().any(|cell| cell.text.to_lowercase().contains(&filter)));
        }
    }

    /// Sorts the rows by a column: numbers with the largest first, text in its order.
    pub(super) fn sort(&mut self, column: usize, reversed: bool) {
        self.rows.sort_by(|own, other| {
            let order = match (own.get(column), other.get(column)) {
                (Some(own), Some(other)) => own.cmp(other),
                (Some(_), None) | (None, Some(_)) | (None, None) => Ordering::Equal,
            };
            if reversed { order.reverse() } else { order }
        });
    }

    /// Returns the width of each column.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
            widest.max(self.headings[column].0.chars().count())
        };
        (0..self.headings.len()).map(width).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, count| vec![Cell::text(name), Cell::count(count)];
        let rows = vec![row("north", 9), row("south", 100), row("East", 20)];
        Table { headings: &[("STREAM", false), ("FRAMES", true)], rows, note: String::new() }
    }

    fn names(table: &Table) -> Vec<&str> {
        table.rows.iter().map(|row| row[0].text.as_str()).collect()
    }

    #[test]
    fn numbers_are_sorted_by_value_and_text_by_letters() {
        let mut table = table();
        table.sort(1, false);
        assert_eq!(names(&table), ["south", "East", "north"]);
        table.sort(1, true);
        assert_eq!(names(&table), ["north", "East", "south"]);
        table.sort(0, false);
        assert_eq!(names(&table), ["East", "north", "south"]);
    }

    #[test]
    fn a_filter_keeps_the_rows_that_contain_it() {
        let mut one = table();
        one.filter("eas");
        assert_eq!(names(&one), ["East"]);
        let mut all = table();
        all.filter("");
        assert_eq!(all, table());
        assert_eq!(all.widths(), [6, 6]);
    }

    #[test]
    fn cells_show_no_control_characters_and_unknown_values_come_last() {
        assert_eq!(Cell::text("a\x1b[2Jb").text, "a[2Jb");
        let unknown = [Cell::rate(None), Cell::byte_rate(None), Cell::span(None)];
        assert!(unknown.iter().all(|cell| cell.text == "-" && Cell::count(0).cmp(cell) == Ordering::Less));
        assert_eq!(Cell::byte_rate(Some(1_400.0)).text, "1.4 kB/s");
        assert_eq!(Cell::percent(1, 0).text, "0 %");
    }
}
