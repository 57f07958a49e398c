//! Paths to fields as callers write them, in filters and update masks: `status.state`,
//! `labels.site`, `labels."a.b"`.

use std::fmt;

use prost_reflect::{FieldDescriptor, MapKey};

/// A part of a path between two dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// The position in the text, in bytes.
    pub(crate) at: usize,
    /// True if the part was written in double quotes, which is allowed only for keys of maps.
    pub(crate) quoted: bool,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { write_quoted(f, &self.name) } else { f.write_str(&self.name) }
    }
}

/// A step of a path from a message to a field or a value of a map.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Field(FieldDescriptor),
    /// A key; follows the field of a map.
    Key(MapKey),
}

/// The error in a text that is not a path, and its position in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathError {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// Reads the path that starts at byte `at` of `text`; returns its end, too.
///
/// # Errors
/// There is no path.
pub(crate) fn read(text: &str, mut at: usize) -> Result<(Vec<Part>, usize), PathError> {
    let mut parts = Vec::new();
    loop {
        let part = match parts.is_empty() {
            true => word(text, at).map(|(name, end)| (Part { name, at, quoted: false }, end)),
            false => key(text, at)?,
        };
        let Some((part, end)) = part else {
            let expected = match parts.is_empty() {
                true => "expected a field",
                false => "expected a field, or a key of a map, in double quotes unless it is a plain word",
            };
            return Err(PathError { at, expected });
        };
        parts.push(part);
        at = end;
        if !text[at..].starts_with('.') {
            return Ok((parts, at));
        }
        at += 1;
    }
}

/// Reads a plain word or a quoted text at byte `at`; returns its end, too.
///
/// # Errors
/// A quoted text does not end, or a backslash precedes a character that cannot be escaped.
pub(crate) fn key(text: &str, at: usize) -> Result<Option<(Part, usize)>, PathError> {
    if text[at..].starts_with('"') {
        let (pieces, end) = quoted(text, at)?;
        let name = pieces.into_iter().map(|piece| piece.unwrap_or('*')).collect();
        return Ok(Some((Part { name, at, quoted: true }, end)));
    }
    Ok(word(text, at).map(|(name, end)| (Part { name, at, quoted: false }, end)))
}

/// Reads a plain word at byte `at`; returns its end, too. Returns `None` if there is none. A plain
/// word consists of letters, digits, `_` and, except at its beginning, `-`.
fn word(text: &str, at: usize) -> Option<(String, usize)> {
    let rest = &text[at..];
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let end = rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
    (end > 0 && !rest.starts_with('-')).then(|| (rest[..end].to_owned(), at + end))
}

/// Reads the quoted text at byte `at`. Returns its characters and its end; `None` stands for a `*`
/// that matches any text.
///
/// # Errors
/// The text does not end, or a backslash precedes a character that cannot be escaped.
pub(crate) fn quoted(text: &str, at: usize) -> Result<(Vec<Option<char>>, usize), PathError> {
    let mut pieces = Vec::new();
    let mut chars = text[at..].char_indices().skip(1);
    loop {
        match chars.next() {
            Some((end, '"')) => return Ok((pieces, at + end + 1)),
            Some((escape, '\\')) => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | '*'))) => pieces.push(Some(escaped)),
                Some(_) | None => {
                    let expected = "a backslash must precede a double quote, a backslash or a `*`";
                    return Err(PathError { at: at + escape, expected });
                }
            },
            Some((_, '*')) => pieces.push(None),
            Some((_, other)) => pieces.push(Some(other)),
            None => return Err(PathError { at: text.len(), expected: "expected a closing double quote" }),
        }
    }
}

/// Writes a text in double quotes, so that it is read back unchanged.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    write_escaped(f, text)?;
    f.write_str("\"")
}

/// Writes the text between the quotes.
pub(crate) fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '*') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

/// Returns a step of a path as it is written: `key`, or `"a.b"` if it is not a plain word.
pub(crate) fn step(key: &str) -> String {
    let is_plain = word(key, 0).is_some_and(|(_, end)| end == key.len());
    Part { name: key.to_owned(), at: 0, quoted: !is_plain }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let (parts, end) = read(text, 0).unwrap();
        assert_eq!(end, text.len(), "{text}");
        parts.into_iter().map(|part| part.name).collect()
    }

    #[test]
    fn parts_are_words_or_quoted_keys() {
        assert_eq!(names("status.state"), ["status", "state"]);
        assert_eq!(names(r#"labels."a.b \"c\" \\ *""#), ["labels", r#"a.b "c" \ *"#]);
        assert_eq!(names("labels.1-a"), ["labels", "1-a"]);
        assert_eq!(names(r#"labels."""#), ["labels", ""]);
        for (text, at) in [
            ("", 0),
            (".a", 0),
            ("a.", 2),
            ("a..b", 2),
            ("\"a\"", 0),
            ("a.\"b", 4),
            ("a.\"\\n\"", 3),
            ("-a", 0),
        ] {
            assert_eq!(read(text, 0).unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn a_written_step_is_read_back_unchanged() {
        for key in ["site", "a.b", "", "-x", "ü", "\"", "a b", "*", "x\\"] {
            assert_eq!(names(&format!("labels.{}", step(key)))[1], key);
        }
        assert_eq!(step("north-1"), "north-1");
    }
}
