//! Lists the paths in Rust source: removes comments and literals, expands `use` trees, and resolves
//! `self` and `super`. The content of macros is read like other code, and globs are not expanded.

/// A path in the code: `["crate", "queue", "Queue"]` or `["tonic", "Status"]`.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
    /// True if the path is inside a module called `tests`.
    pub(crate) in_tests: bool,
    /// True if a `pub use` exports the path.
    pub(crate) exported: bool,
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    /// `::`
    Colons,
    Sign(char),
}

/// Returns the paths in `text`, a file with the module path `module` (`["queue", "redis"]` for
/// `queue/redis/mod.rs`).
pub(crate) fn paths(module: &[String], text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut depth = 0_usize;
    // Inline modules that enclose the current token, each with the brace depth outside it.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    let mut exported = false;
    while at < tokens.len() {
        let (line, token) = &tokens[at];
        let here =
            || module.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect::<Vec<_>>();
        let in_tests = module.iter().chain(inline.iter().map(|(name, _)| name)).any(|name| name == "tests");
        match token {
            Token::Word(word) if word == "mod" => {
                if let (Some((_, Token::Word(name))), Some((_, Token::Sign('{')))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    inline.push((name.clone(), depth));
                    depth += 1;
                    at += 3;
                    continue;
                }
            }
            Token::Word(word) if word == "pub" => {
                at = after_visibility(&tokens, at + 1);
                exported = true;
                continue;
            }
            Token::Word(word) if word == "use" => {
                let mut spread = Vec::new();
                at = use_tree(&tokens, at + 1, &[], &mut spread);
                found.extend(spread.into_iter().map(|(line, path)| Named {
                    line,
                    segments: resolve(&here(), path),
                    in_tests,
                    exported,
                }));
                exported = false;
                continue;
            }
            Token::Word(_) => {
                let (end, path) = plain_path(&tokens, at);
                if path.len() > 1 {
                    let segments = resolve(&here(), path);
                    found.push(Named { line: *line, segments, in_tests, exported: false });
                }
                at = end;
                exported = false;
                continue;
            }
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth = depth.saturating_sub(1);
                if inline.last().is_some_and(|(_, outside)| *outside == depth) {
                    inline.pop();
                }
            }
            Token::Sign(_) | Token::Colons => {}
        }
        at += 1;
    }
    found
}

/// Returns the index after the scope of a `pub`. The path in `pub(in crate::hub)` is no import.
fn after_visibility(tokens: &[(usize, Token)], at: usize) -> usize {
    let scoped = matches!(tokens.get(at), Some((_, Token::Sign('('))))
        && matches!(tokens.get(at + 1), Some((_, Token::Word(word))) if ["crate", "in", "self", "super"].contains(&word.as_str()));
    if !scoped {
        return at;
    }
    at + 1 + tokens[at..].iter().take_while(|(_, token)| *token != Token::Sign(')')).count()
}

/// Reads `a::b::c` from `at` on; returns the index after it.
fn plain_path(tokens: &[(usize, Token)], mut at: usize) -> (usize, Vec<String>) {
    let mut path = Vec::new();
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        path.push(word.clone());
        at += 1;
        if !matches!(tokens.get(at), Some((_, Token::Colons))) {
            break;
        }
        at += 1;
    }
    (at, path)
}

/// Expands the `use` tree at `at` below `prefix`; returns the index after it.
fn use_tree(
    tokens: &[(usize, Token)],
    mut at: usize,
    prefix: &[String],
    spread: &mut Vec<(usize, Vec<String>)>,
) -> usize {
    if matches!(tokens.get(at), Some((_, Token::Colons))) {
        at += 1;
    }
    let line = tokens.get(at).map_or(0, |(line, _)| *line);
    let (mut at, words) = plain_path(tokens, at);
    let mut path = prefix.to_vec();
    path.extend(words);
    match tokens.get(at) {
        Some((_, Token::Sign('{'))) => {
            at += 1;
            while !matches!(tokens.get(at), None | Some((_, Token::Sign('}')))) {
                at = use_tree(tokens, at, &path, spread);
                // A renaming or a comma, which are not part of a path.
                while !matches!(tokens.get(at), None | Some((_, Token::Sign(',' | '}')))) {
                    at += 1;
                }
                if matches!(tokens.get(at), Some((_, Token::Sign(',')))) {
                    at += 1;
                }
            }
            at + 1
        }
        Some((_, Token::Sign('*'))) => {
            spread.push((line, path));
            at + 1
        }
        _ => {
            // `use a::b as c` and `{self, ...}` import the path before them.
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            if !path.is_empty() {
                spread.push((line, path));
            }
            if let Some((_, Token::Word(word))) = tokens.get(at) {
                at += if word == "as" { 2 } else { 0 };
            }
            at
        }
    }
}

/// Resolves `self::` and `super::` to `crate::`.
fn resolve(here: &[String], path: Vec<String>) -> Vec<String> {
    let supers = path.iter().take_while(|word| *word == "super").count();
    let start = match path.first().map(String::as_str) {
        Some("super") => supers,
        Some("self") => 1,
        _ => return path,
    };
    let kept = here.len().saturating_sub(supers);
    let mut resolved = vec!["crate".to_owned()];
    resolved.extend_from_slice(&here[..kept]);
    resolved.extend_from_slice(&path[start..]);
    resolved
}

/// Returns the tokens of `text` with their lines, without comments, strings and character literals.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let chars: Vec<char> = text.chars().collect();
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let start = at;
        match chars[at] {
            '/' if peek(at + 1) == '/' => at += chars[at..].iter().take_while(|c| **c != '\n').count(),
            '/' if peek(at + 1) == '*' => at = after_comment(&chars, at),
            '"' => at = after_string(&chars, at + 1),
            'r' if raw_hashes(&chars, at + 1).is_some() => at = after_raw_string(&chars, at + 1),
            'b' if peek(at + 1) == 'r' && raw_hashes(&chars, at + 2).is_some() => {
                at = after_raw_string(&chars, at + 2)
            }
            '\'' if peek(at + 1) == '\\' => {
                at += 3;
                at += chars[at.min(chars.len())..].iter().take_while(|c| **c != '\'').count() + 1;
            }
            '\'' if peek(at + 2) == '\'' => at += 3,
            // A lifetime: skip only the quote; its name is a harmless word.
            '\'' => at += 1,
            ':' if peek(at + 1) == ':' => {
                tokens.push((line, Token::Colons));
                at += 2;
            }
            c if c.is_alphanumeric() || c == '_' => {
                at += chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                tokens.push((line, Token::Word(chars[start..at].iter().collect())));
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push((line, Token::Sign(c)));
                }
                at += 1;
            }
        }
        at = at.min(chars.len());
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn after_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn after_string(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Returns the number of `#` in the prefix of a raw string after the `r` before `at`; `None` if it
/// is not a raw string.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars.get(at..)?.iter().take_while(|c| **c == '#').count();
    (chars.get(at + hashes) == Some(&'"')).then_some(hashes)
}

fn after_raw_string(chars: &[char], at: usize) -> usize {
    let hashes = raw_hashes(chars, at).unwrap_or(0);
    let mut at = at + hashes + 1;
    while at < chars.len() {
        let closes =
            chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        at += 1;
        if closes {
            return at + hashes;
        }
    }
    at
}
