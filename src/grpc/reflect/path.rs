//! Paths to fields as callers write them, in filters and update masks: `status.state`, `labels.site`, `labels."a.b"`.

use std::fmt;

/// A part of a path between two dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Where it begins in the text, in bytes.
    pub(crate) at: usize,
    /// It was written in double quotes: the key of a map.
    pub(crate) quoted: bool,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { write_quoted(f, &self.name) } else { f.write_str(&self.name) }
    }
}

/// Why a text is no path: what is wrong, and where, in bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// Reads the path that `text` has from byte `at` on; answers its end too.
///
/// # Errors
/// There is none.
pub(crate) fn read(text: &str, mut at: usize) -> Result<(Vec<Part>, usize), Broken> {
    let mut parts = Vec::new();
    loop {
        let part = match parts.is_empty() {
            true => word(text, at).map(|(name, end)| (Part { name, at, quoted: false }, end)),
            false => key(text, at)?,
        };
        let Some((part, end)) = part else {
            let expected = match parts.is_empty() {
                true => "expected a field",
                false => {
                    "expected a field, or a key of a map, which stands in double quotes unless it is a plain word"
                }
            };
            return Err(Broken { at, expected });
        };
        parts.push(part);
        at = end;
        if !text[at..].starts_with('.') {
            return Ok((parts, at));
        }
        at += 1;
    }
}

/// A plain word or a quoted text at byte `at`, and its end.
///
/// # Errors
/// A quoted text that does not end, or escapes what needs none.
pub(crate) fn key(text: &str, at: usize) -> Result<Option<(Part, usize)>, Broken> {
    if text[at..].starts_with('"') {
        let (pieces, end) = quoted(text, at)?;
        let name = pieces.into_iter().map(|piece| piece.unwrap_or('*')).collect();
        return Ok(Some((Part { name, at, quoted: true }, end)));
    }
    Ok(word(text, at).map(|(name, end)| (Part { name, at, quoted: false }, end)))
}

/// Letters, digits, `_` and, not first, `-`.
fn word(text: &str, at: usize) -> Option<(String, usize)> {
    let rest = &text[at..];
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let end = rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
    (end > 0 && !rest.starts_with('-')).then(|| (rest[..end].to_owned(), at + end))
}

/// The characters of the quoted text at byte `at`, a `*` that stands for any as `None`, and the text's end.
///
/// # Errors
/// The text does not end, or a backslash escapes what needs none.
pub(crate) fn quoted(text: &str, at: usize) -> Result<(Vec<Option<char>>, usize), Broken> {
    let mut pieces = Vec::new();
    let mut chars = text[at..].char_indices().skip(1);
    loop {
        match chars.next() {
            Some((end, '"')) => return Ok((pieces, at + end + 1)),
            Some((escape, '\\')) => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | '*'))) => pieces.push(Some(escaped)),
                Some(_) | None => {
                    let expected = "a backslash stands before a double quote, a backslash or a `*` only";
                    return Err(Broken { at: at + escape, expected });
                }
            },
            Some((_, '*')) => pieces.push(None),
            Some((_, other)) => pieces.push(Some(other)),
            None => return Err(Broken { at: text.len(), expected: "expected a closing double quote" }),
        }
    }
}

/// Writes a text in double quotes, so that it is read as it is.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    write_escaped(f, text)?;
    f.write_str("\"")
}

/// Writes what stands between quotes.
pub(crate) fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '*') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

/// A step of a path as texts name it: `key`, or `"a.b"` where it is no plain word.
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
    fn a_step_is_read_as_it_was() {
        for key in ["site", "a.b", "", "-x", "ü", "\"", "a b", "*", "x\\"] {
            assert_eq!(names(&format!("labels.{}", step(key)))[1], key);
        }
        assert_eq!(step("north-1"), "north-1");
    }
}
