//! All views as text.

use super::board::{self, View};
use super::sample::Sample;
use crate::console::output::Table;

/// Formats a sample; rates are the means since `before`.
pub(super) fn text(address: &str, now: &Sample, before: &Sample) -> String {
    let mut text = board::totals(address, now, Some(before)).join("\n");
    text.push('\n');
    for view in View::ALL {
        text.push_str(&format!("\n{}\n", view.name()));
        let mut table = match view.table(now, Some(before)) {
            Ok(table) => table,
            Err(why) => {
                text.push_str(&format!("not shown: {why}\n"));
                continue;
            }
        };
        let (column, reversed) = view.first_sort();
        table.sort(column, reversed);
        let headings: Vec<&str> = table.headings.iter().map(|(name, _)| *name).collect();
        let numbers = table.headings.iter().enumerate().filter(|(_, (_, is_number))| *is_number);
        let mut lines = Table::new(&headings, numbers.map(|(column, _)| column).collect::<Vec<_>>());
        for row in table.rows {
            lines.row(row.into_iter().map(|cell| cell.text));
        }
        text.push_str(&lines.render());
        if !table.note.is_empty() {
            text.push_str(&format!("{}\n", table.note));
        }
    }
    text
}
