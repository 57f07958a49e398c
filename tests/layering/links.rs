//! Checks that the relative links of the documents, and the pages that sources name, lead to files and
//! headings that exist.

use std::collections::BTreeMap;
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

/// Returns the file that a target names inside the repository, and its heading; `None` if the target is
/// a web address.
fn place_of(document: &str, target: &str) -> Option<(PathBuf, Option<String>)> {
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = match target.split_once('#') {
        Some((path, heading)) => (path, Some(heading.to_owned())),
        None => (target, None),
    };
    if path.is_empty() {
        return Some((PathBuf::from(document), heading));
    }
    let mut resolved = Path::new(document).parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(path).components() {
        if part == Component::ParentDir && resolved.pop() || part == Component::CurDir {
            continue;
        }
        resolved.push(part);
    }
    Some((resolved, heading))
}

/// Returns the anchors of the headings of a document, as GitHub makes them: lower case, a hyphen for
/// each space, no other punctuation than `-` and `_`, and a number after an anchor that was there
/// before.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut found = Vec::new();
    let mut is_fenced = false;
    for line in text.lines() {
        let start = line.trim_start();
        if start.starts_with("```") || start.starts_with("~~~") {
            is_fenced = !is_fenced;
            continue;
        }
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if is_fenced || !(1..=6).contains(&level) || !title.starts_with(' ') {
            continue;
        }
        let anchor: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let count = seen.entry(anchor.clone()).or_insert(0);
        found.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    found
}

/// Returns the pages `docs/NAME.md` that a source names, with their headings and line numbers.
fn mentions(text: &str) -> Vec<(usize, String)> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_/.#".contains(letter);
    let page = |rest: &str| {
        let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('.');
        name.contains(".md").then(|| format!("docs/{name}"))
    };
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(index, line)| {
            line.split("docs/").skip(1).filter_map(move |rest| Some((index + 1, page(rest)?)))
        })
        .collect()
}

/// Returns the places that do not exist, by what `read` knows: the text of a file, empty if it is not a
/// text.
fn dead_places(
    document: &str,
    places: Vec<(usize, String)>,
    read: impl Fn(&Path) -> Option<String>,
) -> Vec<String> {
    let fault = |(line, target): (usize, String)| {
        let (file, heading) = place_of(document, &target)?;
        let Some(text) = read(&file) else {
            return Some(format!("{document}:{line}: {target} does not exist"));
        };
        let heading = heading.filter(|_| file.extension().is_some_and(|extension| extension == "md"))?;
        let is_there = anchors(&text).contains(&heading);
        (!is_there).then(|| format!("{document}:{line}: {target}: the page has no such heading"))
    };
    places.into_iter().filter_map(fault).collect()
}

/// Returns the text of a file of the repository, empty for a folder or a picture.
fn read(file: &Path) -> Option<String> {
    let path = root().join(file);
    path.exists().then(|| fs::read_to_string(path).unwrap_or_default())
}

#[test]
fn every_relative_link_of_a_document_leads_to_a_file_and_a_heading() {
    let documents: Vec<PathBuf> =
        files("", |path| path.extension().is_some_and(|extension| extension == "md"))
            .into_iter()
            .filter(|path| {
                !SKIPPED.iter().any(|folder| relative(path).split('/').any(|part| part == *folder))
            })
            .collect();
    let mut dead = Vec::new();
    let (mut links, mut headings) = (0, 0);
    for path in &documents {
        let text = fs::read_to_string(path).expect("a document is UTF-8");
        let name = relative(path);
        let targets = targets(&text);
        let places = targets.iter().filter_map(|(_, target)| place_of(&name, target));
        for (_, heading) in places {
            links += 1;
            headings += u32::from(heading.is_some());
        }
        dead.extend(dead_places(&name, targets, read));
    }
    let count = documents.len();
    assert!(
        count > 10 && links > 30 && headings > 10,
        "{count} documents, {links} links, {headings} headings"
    );
    assert!(dead.is_empty(), "{} dead links\n{}\n", dead.len(), dead.join("\n"));
}

#[test]
fn the_index_of_the_documentation_has_every_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).expect("the index is there");
    let linked: Vec<PathBuf> = targets(&index)
        .iter()
        .filter_map(|(_, target)| place_of("docs/README.md", target))
        .map(|(file, _)| file)
        .collect();
    let is_page = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    let missing: Vec<String> = files("docs", is_page)
        .iter()
        .map(|path| relative(path))
        .filter(|name| name != "docs/README.md" && !name.starts_with("docs/adr/"))
        .filter(|name| !linked.contains(&PathBuf::from(name)))
        .collect();
    assert!(missing.is_empty(), "docs/README.md does not link {missing:?}");
}

#[test]
fn every_page_that_a_source_names_exists() {
    let mut dead = Vec::new();
    let mut count = 0;
    for folder in ["src", "proto", "deploy", "scripts"] {
        for path in files(folder, |path| path.extension().is_some_and(|extension| extension != "md")) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let mentions = mentions(&text);
            count += mentions.len();
            let name = relative(&path);
            // A page is named from the root of the repository.
            let faults = dead_places("README.md", mentions, read);
            dead.extend(faults.into_iter().map(|fault| fault.replacen("README.md", &name, 1)));
        }
    }
    assert!(count > 20, "only {count} pages are named: is this test looking in the right place?");
    assert!(dead.is_empty(), "{} dead pages\n{}\n", dead.len(), dead.join("\n"));
}

#[test]
fn a_dead_link_is_found() {
    let read = |file: &Path| match file.to_str() {
        Some("docs/redis.md") => {
            Some("# Redis\n```sh\n# not a heading\n```\n## A `b`, c-d\n## Twice\n## Twice".to_owned())
        }
        Some("docs/limits.md" | "README.md") => Some("# Top\n## Below".to_owned()),
        _ => None,
    };
    let check = |text: &str| dead_places("docs/limits.md", targets(text), read);
    let live = "[a](redis.md) and [b](../README.md#top \"title\"), [c](#below), [d](https://example.com/x)\n[e]: redis.md\n[f](redis.md#a-b-c-d) [g](redis.md#twice-1)";
    assert_eq!(check(live), Vec::<String>::new());
    assert_eq!(check("one\n[a](redis.md) [b](gone.md)"), ["docs/limits.md:2: gone.md does not exist"]);
    assert_eq!(
        check("[a](redis.md#not-a-heading)"),
        ["docs/limits.md:1: redis.md#not-a-heading: the page has no such heading"]
    );
    assert_eq!(check("[a](#above) [b](redis.md#twice-2)").len(), 2);
    assert_eq!(check("[`a`](../docs/gone.md#x)").len(), 1);
    assert_eq!(check("[a]: README.md").len(), 1);
    assert_eq!(check("`[a](gone.md)`\n```text\n[a](gone.md)\n```\n[b](redis.md)").len(), 0);
    let named = mentions("see docs/redis.md#twice. And `docs/gone.md`, docs/adr/1.md");
    assert_eq!(
        named.iter().map(|(_, page)| page.as_str()).collect::<Vec<_>>(),
        ["docs/redis.md#twice", "docs/gone.md", "docs/adr/1.md"]
    );
    assert_eq!(dead_places("README.md", named, read).len(), 2);
}
