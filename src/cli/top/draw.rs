//! Draws the dashboard.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Table};

use super::board::{self, View};
use super::state::State;
use super::table;

const KEYS: &str = "q quit  Tab/1-5 view  s sort  r reverse  / filter  ? help";
const HELP: &[&str] = &[
    "1-5, Tab, left, right   choose the view",
    "up, down, PgUp, PgDn    scroll; Home and End",
    "s, S                    sort by the next column, by the one before",
    "r                       reverse the order",
    "/                       filter: Enter keeps it, Esc clears it",
    "q, Esc, Ctrl-C          quit",
    "",
    "IN/s     frames accepted in a second      OUT/s  frames finished in a second",
    "WAITING  accepted, not finished           KEPT   entries in the output",
    "LAG      published, not acknowledged      FULL   share of the queue's bytes",
    "",
    "A rate is the mean between two readings. Any key closes this.",
];

/// Draws everything; corrects a scroll position beyond the last row.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, now: Instant) {
    let parts = [Constraint::Length(3), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [head, views, body, foot] = Layout::vertical(parts).areas(frame.area());
    draw_totals(frame, head, state, now);
    draw_views(frame, views, state);
    let note = draw_table(frame, body, state);
    draw_foot(frame, foot, state, &note);
    if state.shows_help {
        draw_help(frame, body);
    }
}

fn draw_totals(frame: &mut Frame<'_>, area: Rect, state: &State, now: Instant) {
    let mut lines: Vec<Line<'_>> = match &state.now {
        None => vec![Line::from(format!("{}  reading ...", state.address))],
        Some(sample) => {
            board::totals(&state.address, sample, state.before.as_ref()).map(Line::from).into_iter().collect()
        }
    };
    if let Some((since, why)) = &state.outage {
        let text = board::outage(now.saturating_duration_since(*since), why);
        lines[0] = Line::from(text).style(Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_views(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let name = |(index, view): (usize, View)| {
        let text = format!(" {} {} ", index + 1, view.name());
        if view == state.view() { text.reversed() } else { Span::from(text) }
    };
    let line: Line<'_> = View::ALL.into_iter().enumerate().map(name).collect();
    frame.render_widget(Paragraph::new(line), area);
}

/// Draws the rows of the view; returns what the foot has to say about them.
fn draw_table(frame: &mut Frame<'_>, area: Rect, state: &mut State) -> String {
    let table = match state.table() {
        None => return String::new(),
        Some(Err(why)) => {
            frame.render_widget(Paragraph::new(format!("not shown: {why}")), area);
            return String::new();
        }
        Some(Ok(table)) => table,
    };
    let shown = usize::from(area.height.saturating_sub(1));
    state.scroll = state.scroll.min(table.rows.len().saturating_sub(shown));
    let (sorted, reversed) = state.sort();
    let headings = table.headings.iter().enumerate().map(|(column, (name, is_number))| {
        let mark = match (column == sorted, reversed) {
            (true, true) => "^",
            (true, false) => "v",
            (false, _) => "",
        };
        aligned(format!("{name}{mark}"), *is_number)
    });
    let headings = Row::new(headings).style(Modifier::BOLD);
    let rows = table.rows.iter().skip(state.scroll).take(shown).map(|row| {
        let cells = row.iter().zip(table.headings);
        Row::new(cells.map(|(cell, (_, is_number))| aligned(cell.text.clone(), *is_number))).style(color(row))
    });
    // A heading may have a mark.
    let widths = table.widths().into_iter().enumerate().map(|(column, width)| {
        let marked = usize::from(column == sorted && width == table.headings[column].0.len());
        Constraint::Length(u16::try_from(width + marked).unwrap_or(u16::MAX))
    });
    let widget = Table::new(rows, widths).header(headings).column_spacing(2);
    frame.render_widget(widget, area);
    let hidden = table.rows.len().saturating_sub(shown);
    let position = if hidden > 0 {
        format!("rows {}-{} of {}", state.scroll + 1, state.scroll + shown, table.rows.len())
    } else {
        String::new()
    };
    [position, table.note].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

fn aligned(text: String, is_number: bool) -> Line<'static> {
    let line = Line::from(text);
    if is_number { line.right_aligned() } else { line }
}

/// Returns the colour of a row by its state, which is in its second column.
fn color(row: &[table::Cell]) -> Style {
    match row.get(1).map(|cell| cell.text.as_str()) {
        Some("error") => Style::new().fg(Color::Red),
        Some("stalled" | "paused" | "draining") => Style::new().fg(Color::Yellow),
        Some(_) | None => Style::new(),
    }
}

fn draw_foot(frame: &mut Frame<'_>, area: Rect, state: &State, note: &str) {
    let mut text = String::new();
    if state.edits_filter {
        text = format!("filter: {}_   (Enter keeps it, Esc clears it)", state.filter);
    } else {
        if !state.filter.is_empty() {
            text.push_str(&format!("filter: {}  ", state.filter));
        }
        if !note.is_empty() {
            text.push_str(&format!("{note}  "));
        }
        text.push_str(KEYS);
    }
    frame.render_widget(Paragraph::new(text).dim(), area);
}

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let height = u16::try_from(HELP.len()).unwrap_or(u16::MAX).saturating_add(2).min(area.height);
    let place = Rect { height, ..area };
    let lines: Vec<Line<'_>> = HELP.iter().map(|&line| Line::from(line)).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" help ")), place);
}

#[cfg(test)]
mod tests;
