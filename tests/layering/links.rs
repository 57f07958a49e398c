//! Checks that the relative links of the documents lead to files that exist.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{files, relative, root};

/// Folders that hold no documents of the repository.
const SKIPPED: [&str; 4] = ["target", ".git", ".tools", "node_modules"];

/// Returns the targets of the inline links `[text](target)` and of the definitions `[name]: target`,
/// with their line numbers. Leaves out fenced code blocks and code spans.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark)) {
            match fence {
                None => fence = Some(mark),
                Some(open) if open == mark => fence = None,
                Some(_) => {}
            }
            continue;
        }
        if fence.is_some() {
            continue;
        }
        let line = without_code(line);
        if let Some(target) = line
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target)
        {
            found.push((index + 1, first_word(target)));
        }
        for piece in line.split("](").skip(1) {
            if let Some((target, _)) = piece.split_once(')') {
                found.push((index + 1, first_word(target)));
            }
        }
    }
    found
}

/// Returns a target without the title that may follow it.
fn first_word(target: &str) -> String {
    target.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Returns the line without the text between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// Returns the path that a target names inside the repository, or `None` if it is a web address or a
/// heading of the same document.
fn file_of(document: &str, target: &str) -> Option<PathBuf> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    if path.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let mut resolved = Path::new(document).parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(path).components() {
        if part == Component::ParentDir && resolved.pop() || part == Component::CurDir {
            continue;
        }
        resolved.push(part);
    }
    Some(resolved)
}

/// Returns the relative links of a document that lead to nothing, by the files that `exists` knows.
fn dead_links(document: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    targets(text)
        .into_iter()
        .filter_map(|(line, target)| {
            let file = file_of(document, &target)?;
            (!exists(&file)).then(|| format!("{document}:{line}: {target} does not exist"))
        })
        .collect()
}

#[test]
fn every_relative_link_of_a_document_leads_to_a_file() {
    let documents: Vec<PathBuf> =
        files("", |path| path.extension().is_some_and(|extension| extension == "md"))
            .into_iter()
            .filter(|path| {
                !SKIPPED.iter().any(|folder| relative(path).split('/').any(|part| part == *folder))
            })
            .collect();
    let mut dead = Vec::new();
    let mut links = 0;
    for path in &documents {
        let text = fs::read_to_string(path).expect("a document is UTF-8");
        let name = relative(path);
        links += targets(&text).iter().filter(|(_, target)| file_of(&name, target).is_some()).count();
        dead.extend(dead_links(&name, &text, |file| root().join(file).exists()));
    }
    assert!(documents.len() > 10 && links > 30, "{} documents, {links} links", documents.len());
    assert!(dead.is_empty(), "{} dead links\n{}\n", dead.len(), dead.join("\n"));
}

#[test]
fn a_dead_link_is_found() {
    let exists = |file: &Path| file == Path::new("docs/redis.md") || file == Path::new("README.md");
    let check = |text: &str| dead_links("docs/limits.md", text, exists);
    let live = "[a](redis.md) and [b](../README.md#top \"title\"), [c](#below), [d](https://example.com/x)\n[e]: redis.md";
    assert_eq!(check(live), Vec::<String>::new());
    assert_eq!(check("one\n[a](redis.md) [b](gone.md)"), ["docs/limits.md:2: gone.md does not exist"]);
    assert_eq!(check("[`a`](../docs/gone.md#x)").len(), 1);
    assert_eq!(check("[a]: README.md").len(), 1);
    assert_eq!(check("`[a](gone.md)`\n```text\n[a](gone.md)\n```\n[b](redis.md)").len(), 0);
}
