//! The table of limits in `docs/limits.md` against a server with the default settings.

use crate::limits::limits;
use crate::server::TestServer;

const PAGE: &str = include_str!("../../docs/limits.md");
const SECONDS_PER_YEAR: f64 = 365.2425 * 86_400.0;

/// A row of the table.
#[derive(Debug)]
struct Row {
    field: String,
    default: u64,
    is_in_years: bool,
}

/// Returns the rows that begin with a field's name and have a number, with or without an
/// explanation, in the third column.
fn rows() -> Vec<Row> {
    let row = |line: &str| {
        let (field, rest) = line.strip_prefix("| `")?.split_once('`')?;
        let default = rest.split('|').nth(2).unwrap_or_default().trim();
        let end = default.find(|letter: char| letter != ',' && !letter.is_ascii_digit());
        let (number, words) = default.split_at(end.unwrap_or(default.len()));
        Some(Row {
            field: field.to_owned(),
            default: number.replace(',', "").parse().ok()?,
            is_in_years: words.starts_with(" years"),
        })
    };
    PAGE.lines().filter_map(row).collect()
}

#[tokio::test]
async fn the_page_of_limits_has_each_limit_once_with_its_default() {
    let server = TestServer::start(|_| {}).await;
    let limits = limits(&server).await;
    let rows = rows();
    let mut documented: Vec<&str> = rows.iter().map(|row| row.field.as_str()).collect();
    documented.sort_unstable();
    assert_eq!(documented, limits.keys().collect::<Vec<_>>(), "the fields of Limits, each in one row");
    let mut faults = Vec::new();
    for Row { field, default, is_in_years } in &rows {
        let reported = match is_in_years {
            true => (limits[field] as f64 / SECONDS_PER_YEAR).round() as u64,
            false => limits[field],
        };
        if reported != *default {
            faults.push(format!("{field}: the page has {default}, the server {reported}"));
        }
    }
    assert!(faults.is_empty(), "docs/limits.md: {}", faults.join("\n"));
    server.stop().await;
}
