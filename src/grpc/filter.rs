//! The filter text of ListStreams.
//!
//! ```text
//! filter = term { " AND " term }
//! term   = "id" op glob | "label." key op glob | [ "NOT " ] "label." key | "state" op state | [ "NOT " ] "over_budget"
//! op     = "=" | "!="        glob = '"' text with * ? [ab], \" and \\ for those two '"'
//! ```

use globset::{Glob, GlobMatcher};

use super::convert::stream::state_to_pb;
use super::fault::{Fault, Result};
use crate::domain::{StreamRecord, Timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::ErrorReason;

const MAX_BYTES: usize = 1024;

/// Terms that must all hold.
#[derive(Debug)]
pub(crate) struct Filter(Vec<Term>);

#[derive(Debug)]
struct Term {
    about: About,
    negated: bool,
}

#[derive(Debug)]
enum About {
    Id(GlobMatcher),
    Label(String, GlobMatcher),
    HasLabel(String),
    State(pb::StreamState),
    OverBudget,
}

impl Filter {
    /// Reads a filter; an empty one passes all.
    ///
    /// # Errors
    /// FILTER_INVALID with the position of the first fault, in characters from 1.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_BYTES {
            let message = format!("at character {}: a filter has at most {MAX_BYTES} bytes", MAX_BYTES + 1);
            return Err(invalid(message, MAX_BYTES + 1));
        }
        let mut parser = Parser { text, at: 0 };
        let mut terms = Vec::new();
        parser.spaces();
        if parser.rest().is_empty() {
            return Ok(Self(terms));
        }
        loop {
            terms.push(parser.term()?);
            let end = parser.at;
            parser.spaces();
            if parser.rest().is_empty() {
                return Ok(Self(terms));
            }
            if end == parser.at || !parser.word("AND") {
                return Err(parser.fault("expected ` AND ` or the end"));
            }
            parser.spaces();
        }
    }

    pub(crate) fn passes(&self, record: &StreamRecord, now: Timestamp) -> bool {
        self.0.iter().all(|term| term.about.holds(record, now) != term.negated)
    }
}

impl About {
    fn holds(&self, record: &StreamRecord, now: Timestamp) -> bool {
        match self {
            Self::Id(glob) => glob.is_match(record.id.as_str()),
            Self::Label(key, glob) => {
                record.settings.labels.get(key).is_some_and(|value| glob.is_match(value.as_str()))
            }
            Self::HasLabel(key) => record.settings.labels.contains_key(key),
            Self::State(state) => state_to_pb(record.state(now)) == *state,
            Self::OverBudget => record.counters.over_budget_in_row > 0,
        }
    }
}

fn invalid(message: String, position: usize) -> Fault {
    Fault::new(ErrorReason::FilterInvalid, message).field("filter").fact("position", position)
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes.
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn fault(&self, expected: &str) -> Fault {
        let position = self.text[..self.at].chars().count() + 1;
        invalid(format!("at character {position}: {expected}"), position)
    }

    fn spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches(' ').len();
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// A word with a space behind it.
    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|behind| behind.starts_with(' '));
        if found {
            self.at += word.len();
        }
        found
    }

    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn term(&mut self) -> Result<Term> {
        let start = self.at;
        let negated = self.word("NOT");
        self.spaces();
        if self.take("label.") {
            let key = self.name().to_owned();
            if key.is_empty() {
                return Err(self.fault("expected the key of a label"));
            }
            let end = self.at;
            self.spaces();
            if self.rest().starts_with(['=', '!']) && !negated {
                let negated = self.operator()?;
                return Ok(Term { about: About::Label(key, self.glob()?), negated });
            }
            self.at = end;
            return Ok(Term { about: About::HasLabel(key), negated });
        }
        let name = self.name();
        if name == "over_budget" {
            return Ok(Term { about: About::OverBudget, negated });
        }
        if negated {
            self.at -= name.len();
            return Err(self.fault("expected `label.KEY` or `over_budget` behind NOT"));
        }
        match name {
            "id" => {
                let negated = self.operator()?;
                Ok(Term { about: About::Id(self.glob()?), negated })
            }
            "state" => {
                let negated = self.operator()?;
                Ok(Term { about: About::State(self.state()?), negated })
            }
            _ => {
                self.at = start;
                Err(self.fault("expected `id`, `label.KEY`, `state` or `over_budget`"))
            }
        }
    }

    /// Whether the operator negates.
    fn operator(&mut self) -> Result<bool> {
        self.spaces();
        let negated = self.take("!=");
        if !negated && !self.take("=") {
            return Err(self.fault("expected `=` or `!=`"));
        }
        self.spaces();
        Ok(negated)
    }

    fn state(&mut self) -> Result<pb::StreamState> {
        let start = self.at;
        let name = self.name();
        let state = pb::StreamState::from_str_name(&format!("STREAM_STATE_{name}"));
        state.filter(|state| *state != pb::StreamState::Unspecified).ok_or_else(|| {
            self.at = start;
            self.fault("expected IDLE, LIVE, STALLED or ERROR")
        })
    }

    fn glob(&mut self) -> Result<GlobMatcher> {
        let start = self.at;
        if !self.take("\"") {
            return Err(self.fault("expected a pattern in double quotes"));
        }
        let mut pattern = String::new();
        let mut chars = self.rest().char_indices();
        loop {
            match chars.next() {
                None => {
                    self.at = self.text.len();
                    return Err(self.fault("expected a closing quote"));
                }
                Some((at, '"')) => {
                    self.at += at + 1;
                    break;
                }
                Some((at, '\\')) => match chars.next() {
                    Some((_, '"')) => pattern.push('"'),
                    Some((_, '\\')) => pattern.push_str("\\\\"), // one, to a glob
                    Some(_) | None => {
                        self.at += at;
                        return Err(self.fault("a backslash stands before a quote or a backslash only"));
                    }
                },
                // Alternatives in braces are no part of the patterns.
                Some((_, brace @ ('{' | '}'))) => pattern.extend(['[', brace, ']']),
                Some((_, other)) => pattern.push(other),
            }
        }
        Glob::new(&pattern).map(|glob| glob.compile_matcher()).map_err(|error| {
            self.at = start;
            self.fault(&format!("the pattern does not parse: {}", error.kind()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StreamCounters, StreamPolicies, StreamSettings};

    fn passes(filter: &str, id: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let record = StreamRecord {
            id: id.parse().unwrap(),
            settings: StreamSettings { labels, ..StreamSettings::default() },
            effective: StreamPolicies::default(),
            incarnation: 1,
            revision: 1,
            create_time: Timestamp::from_micros(1),
            update_time: Timestamp::from_micros(1),
            removed: false,
            counters: StreamCounters::default(),
        };
        Filter::parse(filter).unwrap().passes(&record, Timestamp::now())
    }

    #[test]
    fn terms_hold_or_do_not() {
        let north = &[("site", "north gate"), ("a.b-c", "\"\\{x}")][..];
        for (filter, expected) in [
            ("", true),
            ("  ", true),
            (r#"id = "cam-*""#, true),
            (r#"id="cam-?""#, true),
            (r#"id != "cam-[0-2]""#, false),
            (r#"id = "door""#, false),
            ("label.site", true),
            ("NOT label.site", false),
            ("NOT label.other", true),
            (r#"label.site = "north*""#, true),
            (r#"label.site != "north*""#, false),
            (r#"label.other = "*""#, false),
            (r#"label.other != "*""#, true),
            (r#"label.a.b-c = "\"\\{x}""#, true),
            ("state = IDLE", true),
            ("state != IDLE", false),
            (r#"label.site = "north*" AND state != STALLED AND id = "cam-1""#, true),
            (r#"label.site AND state = LIVE"#, false),
        ] {
            assert_eq!(passes(filter, "cam-1", north), expected, "{filter}");
        }
    }

    #[test]
    fn the_first_fault_is_pointed_at() {
        let long = format!("label.{}", "x".repeat(1100));
        for (filter, position) in [
            ("nonsense", 1),
            ("id", 3),
            ("id ~ 1", 4),
            ("id = cam", 6),
            ("id = \"cam", 10),
            ("id = \"[a\"", 6),
            ("id = \"a\\n\"", 8),
            ("label.", 7),
            ("label.ü", 7),
            ("state = live", 9),
            ("state = UNSPECIFIED", 9),
            ("NOT state = LIVE", 5),
            ("label.a AND ", 13),
            ("label.a AND", 9),
            ("label.a OR label.b", 9),
            ("label.a label.b", 9),
            ("id = \"ü\"x", 9),
            (long.as_str(), 1025),
        ] {
            let fault = Filter::parse(filter).unwrap_err();
            assert_eq!(fault.reason, ErrorReason::FilterInvalid, "{filter}");
            assert_eq!(fault.facts, [("position", position.to_string())], "{filter}: {}", fault.message);
            assert!(fault.message.starts_with(&format!("at character {position}: ")), "{}", fault.message);
        }
    }
}
