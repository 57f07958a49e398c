//! The state of the dashboard, and the effect of each key.

// Most keys have no meaning.
#![allow(clippy::wildcard_enum_match_arm)]

use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::board::View;
use super::sample::{Part, Sample};
use super::table::Table;

/// The maximum length of the filter, in characters.
const MAX_FILTER_CHARS: usize = 128;
/// The number of rows that Page Up and Page Down move by.
const PAGE_ROWS: usize = 20;

/// The state of the dashboard.
#[derive(Debug)]
pub(super) struct State {
    pub(super) address: String,
    view: usize,
    /// For each view: the column that it is sorted by, and whether in reverse.
    sort: [(usize, bool); View::ALL.len()],
    pub(super) filter: String,
    /// The keys go to the filter.
    pub(super) edits_filter: bool,
    pub(super) shows_help: bool,
    /// The number of rows above the first one that is shown.
    pub(super) scroll: usize,
    pub(super) now: Option<Sample>,
    pub(super) before: Option<Sample>,
    /// When the server stopped answering, and why.
    pub(super) outage: Option<(Instant, String)>,
}

impl State {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            view: 0,
            sort: View::ALL.map(View::first_sort),
            filter: String::new(),
            edits_filter: false,
            shows_help: false,
            scroll: 0,
            now: None,
            before: None,
            outage: None,
        }
    }

    pub(super) fn view(&self) -> View {
        View::ALL[self.view]
    }

    /// Returns the column that the view is sorted by, and whether in reverse.
    pub(super) fn sort(&self) -> (usize, bool) {
        self.sort[self.view]
    }

    /// Takes a sample, or the reason why there is none. The last one stays on display.
    pub(super) fn take(&mut self, sample: Result<Sample, String>, at: Instant) {
        match sample {
            Ok(sample) => {
                self.before = self.now.replace(sample);
                self.outage = None;
            }
            Err(why) => {
                let since = self.outage.take().map_or(at, |(since, _)| since);
                self.outage = Some((since, why));
            }
        }
    }

    /// Returns the rows of the view, filtered and sorted; `None` before the first sample.
    pub(super) fn table(&self) -> Option<Part<Table>> {
        let now = self.now.as_ref()?;
        Some(self.view().table(now, self.before.as_ref()).map(|mut table| {
            table.filter(&self.filter);
            let (column, reversed) = self.sort();
            table.sort(column, reversed);
            table
        }))
    }

    /// Handles a key; returns true to quit.
    pub(super) fn key(&mut self, key: KeyEvent) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return true;
        }
        if self.edits_filter {
            self.edit(key.code);
            return false;
        }
        if self.shows_help {
            self.shows_help = false;
            return key.code == KeyCode::Char('q');
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            KeyCode::Char('/') => self.edits_filter = true,
            KeyCode::Tab | KeyCode::Right => self.go((self.view + 1) % View::ALL.len()),
            KeyCode::BackTab | KeyCode::Left => self.go((self.view + View::ALL.len() - 1) % View::ALL.len()),
            KeyCode::Char(digit @ '1'..='5') => {
                self.go(digit.to_digit(10).unwrap_or(1) as usize - 1);
            }
            KeyCode::Char('s') => self.sort_by_next(1),
            KeyCode::Char('S') => self.sort_by_next(self.view().headings().len() - 1),
            KeyCode::Char('r') => self.sort[self.view].1 ^= true,
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(PAGE_ROWS),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE_ROWS),
            KeyCode::Home => self.scroll = 0,
            KeyCode::End => self.scroll = usize::MAX,
            _ => {}
        }
        false
    }

    fn edit(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.edits_filter = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.edits_filter = false;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(c) if !c.is_control() && self.filter.chars().count() < MAX_FILTER_CHARS => {
                self.filter.push(c);
                self.scroll = 0;
            }
            _ => {}
        }
    }

    fn go(&mut self, view: usize) {
        self.view = view;
        self.scroll = 0;
    }

    fn sort_by_next(&mut self, step: usize) {
        let columns = self.view().headings().len();
        let (column, _) = self.sort();
        self.sort[self.view] = ((column + step) % columns, false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn press(state: &mut State, code: KeyCode) -> bool {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn each_key_does_what_the_help_says() {
        let mut state = State::new("a:1");
        assert_eq!(state.view(), View::Streams);
        for (code, view) in [
            (KeyCode::Tab, View::Queues),
            (KeyCode::Left, View::Streams),
            (KeyCode::BackTab, View::DeadLetters),
            (KeyCode::Right, View::Streams),
            (KeyCode::Char('4'), View::Groups),
        ] {
            assert!(!press(&mut state, code));
            assert_eq!(state.view(), view);
        }
        assert_eq!(state.sort(), (3, false));
        press(&mut state, KeyCode::Char('s'));
        press(&mut state, KeyCode::Char('r'));
        assert_eq!(state.sort(), (4, true));
        press(&mut state, KeyCode::Char('S'));
        assert_eq!(state.sort(), (3, false));
        press(&mut state, KeyCode::Down);
        press(&mut state, KeyCode::PageDown);
        press(&mut state, KeyCode::Up);
        assert_eq!(state.scroll, 20);
        press(&mut state, KeyCode::Char('?'));
        assert!(state.shows_help);
        assert!(!press(&mut state, KeyCode::Esc), "it closes the help only");
        assert!(!state.shows_help);
        assert!(press(&mut state, KeyCode::Esc) && press(&mut state, KeyCode::Char('q')));
        assert!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn the_filter_takes_all_keys_until_it_ends() {
        let mut state = State::new("a:1");
        for code in ['/', 'q', 'x'].map(KeyCode::Char) {
            assert!(!press(&mut state, code));
        }
        press(&mut state, KeyCode::Backspace);
        assert!(state.filter == "q" && state.edits_filter);
        press(&mut state, KeyCode::Enter);
        assert!(state.filter == "q" && !state.edits_filter);
        press(&mut state, KeyCode::Char('/'));
        press(&mut state, KeyCode::Esc);
        assert!(state.filter.is_empty() && !state.edits_filter);
        press(&mut state, KeyCode::Char('/'));
        for _ in 0..1_000 {
            press(&mut state, KeyCode::Char('a'));
        }
        assert_eq!(state.filter.len(), MAX_FILTER_CHARS);
        assert!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn an_outage_begins_with_the_first_failure_and_ends_with_a_sample() {
        let (start, sample) = (Instant::now(), super::super::board::tests::sample());
        let mut state = State::new("a:1");
        state.take(Ok(sample.clone()), start);
        state.take(Err("gone".to_owned()), start);
        state.take(Err("still gone".to_owned()), start + Duration::from_secs(4));
        assert_eq!(state.outage, Some((start, "still gone".to_owned())));
        assert!(state.now.is_some());
        state.take(Ok(sample), start + Duration::from_secs(6));
        assert!(state.outage.is_none() && state.before.is_some());
    }
}
