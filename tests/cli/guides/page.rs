//! The blocks of a document.

use std::fs;
use std::path::Path;

/// A fenced block.
pub(super) enum Block {
    /// Commands that are run.
    Run(Vec<Step>),
    /// Commands that are not run.
    NotRun(String),
}

/// A command and the lines that it prints.
pub(super) struct Step {
    pub(super) command: String,
    pub(super) prints: Vec<String>,
}

/// Returns the fenced blocks of a document as pairs of mark and text.
pub(super) fn fenced(document: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(document).expect("it can be read");
    let (mut blocks, mut open) = (Vec::new(), None::<(String, String)>);
    for line in text.lines() {
        match (line.trim_start().strip_prefix("```"), open.as_mut()) {
            (Some(mark), None) => open = Some((mark.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => text.push_str(&format!("{line}\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: the last block has no end", document.display());
    blocks
}

/// Returns the blocks of a guide that have commands. Every block must be marked.
pub(super) fn blocks_of(guide: &Path) -> Vec<Block> {
    let block = |(mark, text): (String, String)| match mark.as_str() {
        "console" => Some(Block::Run(steps(&text))),
        "sh" => Some(Block::NotRun(text)),
        "" => panic!("{}: a block without a mark: {text}", guide.display()),
        _ => {
            assert!(!text.contains("\n$ "), "{}: commands in a block of {mark}", guide.display());
            None
        }
    };
    fenced(guide).into_iter().filter_map(block).collect()
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), prints: Vec::new() });
            goes_on = line.ends_with('\\');
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("output before the first command: {line}"));
        if let Some(more) = line.strip_prefix("> ").or(goes_on.then_some(line)) {
            step.command.push_str(&format!("\n{more}"));
            goes_on = line.ends_with('\\');
        } else {
            step.prints.push(line.to_owned());
        }
    }
    steps
}
