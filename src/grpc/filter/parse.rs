//! Parses the text of a filter.

use super::super::reflect::path;
use super::error::SyntaxError;
use super::expression::{Expression, Operator, Value};
use crate::domain::limits::MAX_FILTER_BYTES;

/// The maximum nesting of parentheses: parsing and evaluation recurse.
const MAX_DEPTH: usize = 16;

type Result<T> = std::result::Result<T, SyntaxError>;

/// The operator that joins the terms of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    And,
    Or,
}

/// Parses a filter; returns `None` if it is empty.
///
/// # Errors
/// Returns the first error.
pub(super) fn parse(text: &str) -> Result<Option<Expression>> {
    if text.len() > MAX_FILTER_BYTES {
        let at = (0..=MAX_FILTER_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        return Err(SyntaxError::new(at, format!("a filter must have at most {MAX_FILTER_BYTES} bytes")));
    }
    let mut parser = Parser { text, at: 0 };
    parser.skip_spaces();
    if parser.rest().is_empty() {
        return Ok(None);
    }
    let expression = parser.expression(0)?;
    match parser.rest().is_empty() {
        true => Ok(Some(expression)),
        false => Err(parser.error("unexpected closing parenthesis")),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// The position, in bytes.
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(self.at, message)
    }

    fn skip_spaces(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Reads `word` if it is the next word.
    fn take_word(&mut self, word: &str) -> bool {
        let after = self.rest().strip_prefix(word);
        let found = after.is_some_and(|after| !after.starts_with(is_bare));
        if found {
            self.at += word.len();
        }
        found
    }

    /// Reads terms to the end of the text, or to a closing parenthesis.
    fn expression(&mut self, depth: usize) -> Result<Expression> {
        let mut terms = vec![self.term(depth)?];
        let mut joint = None;
        loop {
            self.skip_spaces();
            if self.rest().is_empty() || self.rest().starts_with(')') {
                break;
            }
            let at = self.at;
            let next = match (self.take_word("AND"), self.take_word("OR")) {
                (true, _) => Joint::And,
                (false, true) => Joint::Or,
                (false, false) => return Err(self.error("expected AND, OR or the end")),
            };
            if joint.is_some_and(|joint| joint != next) {
                return Err(SyntaxError::new(
                    at,
                    "AND and OR are mixed; write parentheses, as in `(a OR b) AND c`",
                ));
            }
            joint = Some(next);
            terms.push(self.term(depth)?);
        }
        Ok(match (joint, terms.pop()) {
            (None, Some(only)) => only,
            (Some(Joint::Or), Some(last)) => Expression::Any(with_last(terms, last)),
            (_, Some(last)) => Expression::All(with_last(terms, last)),
            (_, None) => return Err(self.error("expected a field")),
        })
    }

    fn term(&mut self, depth: usize) -> Result<Expression> {
        self.skip_spaces();
        let negated = self.take_word("NOT") || self.take("-");
        self.skip_spaces();
        let term = match self.rest().starts_with('(') {
            true => self.parenthesized(depth)?,
            false => self.comparison()?,
        };
        Ok(if negated { Expression::Not(Box::new(term)) } else { term })
    }

    fn parenthesized(&mut self, depth: usize) -> Result<Expression> {
        if depth == MAX_DEPTH {
            return Err(self.error(format!("parentheses are nested more than {MAX_DEPTH} deep")));
        }
        self.at += 1;
        let inner = self.expression(depth + 1)?;
        match self.take(")") {
            true => Ok(inner),
            false => Err(self.error("expected a closing parenthesis")),
        }
    }

    fn comparison(&mut self) -> Result<Expression> {
        for word in ["AND", "OR", "NOT"] {
            if self.take_word(word) {
                self.at -= word.len();
                return Err(self.error(format!("expected a field, found {word}")));
            }
        }
        if self.rest().starts_with(['"', '\'']) {
            return Err(self.error("expected a field; text follows a field, as in `stream_id = \"cam-*\"`"));
        }
        let (field, end) = path::read(self.text, self.at)?;
        self.at = end;
        self.skip_spaces();
        if self.take(":") {
            self.skip_spaces();
            if self.take("*") {
                return Ok(Expression::IsSet(field));
            }
            let Some((key, end)) = path::key(self.text, self.at)? else {
                return Err(self.error("expected `*` or a key, in double quotes unless it is a plain word"));
            };
            self.at = end;
            return Ok(Expression::HasKey(field, key));
        }
        let operator_at = self.at;
        let Some((text, operator)) = Operator::ALL.iter().find(|(text, _)| self.rest().starts_with(text))
        else {
            return Err(self.error(match self.rest().starts_with('(') {
                true => "functions are not supported",
                false => "expected =, !=, <, <=, >, >= or :",
            }));
        };
        self.at += text.len();
        self.skip_spaces();
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
            return Err(self.error("expected a value; write text in double quotes"));
        }
        let bare = self.rest()[..length].to_owned();
        self.at += length;
        Ok(Value::Bare(bare))
    }
}

/// Reports whether a character can be part of a word, a number or a duration.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.+-".contains(c)
}

fn with_last(mut terms: Vec<Expression>, last: Expression) -> Vec<Expression> {
    terms.push(last);
    terms
}
