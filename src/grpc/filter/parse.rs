//! Reads a filter's text.

use super::super::reflect::path;
use super::expression::{Expression, Operator, Value};
use super::{Flaw, MAX_DEPTH};
use crate::domain::limits::MAX_FILTER_BYTES;

type Result<T> = std::result::Result<T, Flaw>;

/// How terms of one level are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

/// Reads a filter; `None` if it is empty.
///
/// # Errors
/// The first flaw.
pub(super) fn parse(text: &str) -> Result<Option<Expression>> {
    if text.len() > MAX_FILTER_BYTES {
        let at = (0..=MAX_FILTER_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        return Err(Flaw::new(at, format!("a filter has at most {MAX_FILTER_BYTES} bytes")));
    }
    let mut parser = Parser { text, at: 0 };
    parser.spaces();
    if parser.rest().is_empty() {
        return Ok(None);
    }
    let expression = parser.expression(0)?;
    match parser.rest().is_empty() {
        true => Ok(Some(expression)),
        false => Err(parser.flaw("there is a closing parenthesis too many")),
    }
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

    fn flaw(&self, what: impl Into<String>) -> Flaw {
        Flaw::new(self.at, what)
    }

    fn spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// A word, if it is `word` as a whole.
    fn word(&mut self, word: &str) -> bool {
        let behind = self.rest().strip_prefix(word);
        let found = behind.is_some_and(|behind| !behind.starts_with(is_bare));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Terms to the end of the text, or to a closing parenthesis.
    fn expression(&mut self, depth: usize) -> Result<Expression> {
        let mut terms = vec![self.term(depth)?];
        let mut joint = None;
        loop {
            self.spaces();
            if self.rest().is_empty() || self.rest().starts_with(')') {
                break;
            }
            let at = self.at;
            let next = match (self.word("AND"), self.word("OR")) {
                (true, _) => Joint::And,
                (false, true) => Joint::Or,
                (false, false) => return Err(self.flaw("expected AND, OR or the end")),
            };
            if joint.is_some_and(|joint| joint != next) {
                return Err(Flaw::new(at, "AND and OR are mixed: write parentheses, as in `(a OR b) AND c`"));
            }
            joint = Some(next);
            terms.push(self.term(depth)?);
        }
        Ok(match (joint, terms.pop()) {
            (None, Some(only)) => only,
            (Some(Joint::Or), Some(last)) => Expression::Any(with(terms, last)),
            (_, Some(last)) => Expression::All(with(terms, last)),
            (_, None) => return Err(self.flaw("expected a field")),
        })
    }

    fn term(&mut self, depth: usize) -> Result<Expression> {
        self.spaces();
        let negated = self.word("NOT") || self.take("-");
        self.spaces();
        let term = match self.rest().starts_with('(') {
            true => self.group(depth)?,
            false => self.comparison()?,
        };
        Ok(if negated { Expression::Not(Box::new(term)) } else { term })
    }

    fn group(&mut self, depth: usize) -> Result<Expression> {
        if depth == MAX_DEPTH {
            return Err(self.flaw(format!("parentheses are nested over {MAX_DEPTH} deep")));
        }
        self.at += 1;
        let inner = self.expression(depth + 1)?;
        match self.take(")") {
            true => Ok(inner),
            false => Err(self.flaw("expected a closing parenthesis")),
        }
    }

    fn comparison(&mut self) -> Result<Expression> {
        for word in ["AND", "OR", "NOT"] {
            if self.word(word) {
                self.at -= word.len();
                return Err(self.flaw(format!("expected a field, found {word}")));
            }
        }
        if self.rest().starts_with(['"', '\'']) {
            return Err(
                self.flaw("expected a field: text stands behind a field, as in `stream_id = \"cam-*\"`")
            );
        }
        let (field, end) = path::read(self.text, self.at)?;
        self.at = end;
        self.spaces();
        if self.take(":") {
            self.spaces();
            if self.take("*") {
                return Ok(Expression::IsSet(field));
            }
            let Some((key, end)) = path::key(self.text, self.at)? else {
                return Err(self.flaw("expected `*` or a key, in double quotes unless it is a plain word"));
            };
            self.at = end;
            return Ok(Expression::HasKey(field, key));
        }
        let operator_at = self.at;
        let Some((text, operator)) = Operator::ALL.iter().find(|(text, _)| self.rest().starts_with(text))
        else {
            return Err(self.flaw(match self.rest().starts_with('(') {
                true => "there are no functions",
                false => "expected =, !=, <, <=, >, >= or :",
            }));
        };
        self.at += text.len();
        self.spaces();
        let value_at = self.at;
        let value = self.value()?;
        Ok(Expression::Compare { field, operator: *operator, value, operator_at, value_at })
    }

    fn value(&mut self) -> Result<Value> {
        if self.rest().starts_with('"') {
            let (chars, end) = path::quoted(self.text, self.at)?;
            self.at = end;
            let pieces = chars.split(Option::is_none).map(|piece| piece.iter().flatten().collect());
            return Ok(Value::Text(pieces.collect()));
        }
        let length = self.rest().find(|c| !is_bare(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.flaw("expected a value; text stands in double quotes"));
        }
        let bare = self.rest()[..length].to_owned();
        self.at += length;
        Ok(Value::Bare(bare))
    }
}

/// What words, numbers and durations are made of.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.+-".contains(c)
}

fn with(mut terms: Vec<Expression>, last: Expression) -> Vec<Expression> {
    terms.push(last);
    terms
}
