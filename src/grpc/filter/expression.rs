//! The syntax tree of a filter, before its fields are checked. Its `Display` form is a text that is
//! parsed to the same tree.

use std::fmt;

use super::super::reflect::path::{self, Part};

/// A condition, or several that are joined.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// Joined by AND; two or more.
    All(Vec<Expression>),
    /// Joined by OR; two or more.
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Compare {
        field: Vec<Part>,
        operator: Operator,
        value: Value,
        /// The positions of the operator and the value, in bytes.
        operator_at: usize,
        value_at: usize,
    },
    /// `FIELD:*`
    IsSet(Vec<Part>),
    /// `MAP:KEY`
    HasKey(Vec<Part>, Part),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The value that a field is compared with, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text in double quotes: the parts between the `*`s, one more than there are `*`s.
    Text(Vec<String>),
    /// A word without quotes: a number, `true`, a name, a duration.
    Bare(String),
}

impl Operator {
    /// All operators. They are tried in this order, so `<=` and `>=` come before `<` and `>`.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Reports whether the operator needs values that have an order.
    pub(super) fn needs_order(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Self::ALL.iter().find(|(_, operator)| operator == self).map_or("", |(text, _)| text);
        f.write_str(text)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(pieces) => {
                f.write_str("\"")?;
                for (index, piece) in pieces.iter().enumerate() {
                    if index > 0 {
                        f.write_str("*")?;
                    }
                    path::write_escaped(f, piece)?;
                }
                f.write_str("\"")
            }
            Self::Bare(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(terms) => write_joined(f, terms, " AND "),
            Self::Any(terms) => write_joined(f, terms, " OR "),
            Self::Not(term) => {
                f.write_str("NOT ")?;
                write_term(f, term)
            }
            Self::Compare { field, operator, value, .. } => {
                write_field(f, field)?;
                write!(f, " {operator} {value}")
            }
            Self::IsSet(field) => {
                write_field(f, field)?;
                f.write_str(":*")
            }
            Self::HasKey(field, key) => {
                write_field(f, field)?;
                write!(f, ":{key}")
            }
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, terms: &[Expression], joint: &str) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(joint)?;
        }
        match term {
            Expression::Not(_) => write!(f, "{term}")?,
            Expression::All(_)
            | Expression::Any(_)
            | Expression::Compare { .. }
            | Expression::IsSet(_)
            | Expression::HasKey(..) => write_term(f, term)?,
        }
    }
    Ok(())
}

/// Writes a term, in parentheses if it has several parts.
fn write_term(f: &mut fmt::Formatter<'_>, term: &Expression) -> fmt::Result {
    match term {
        Expression::All(_) | Expression::Any(_) | Expression::Not(_) => write!(f, "({term})"),
        Expression::Compare { .. } | Expression::IsSet(_) | Expression::HasKey(..) => write!(f, "{term}"),
    }
}

fn write_field(f: &mut fmt::Formatter<'_>, field: &[Part]) -> fmt::Result {
    for (index, part) in field.iter().enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}
