//! The examples in the texts of `--help` and in the documents: the command line must accept each of
//! them.

use std::fs;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::Cli;

/// Returns the commands after "Examples:" in the help of a command and of its subcommands.
fn examples(command: &clap::Command) -> Vec<String> {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines = text.lines().skip_while(|line| *line != "Examples:").skip(1);
    // The list of examples ends at the first line that is not indented.
    let own = lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned());
    own.chain(command.get_subcommands().flat_map(examples)).collect()
}

/// Splits the first `frameway` command in a shell line into words, including its name. It knows
/// only the parts of the shell's syntax that the examples use: quotes, `$(...)`, comments, redirections
/// and the ends of commands.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut is_inner = false;
    for letter in line.chars().chain(['\n']) {
        is_inner = letter != ')'
            && (is_inner || letter == '(' && word.as_ref().is_some_and(|word| word.ends_with('$')));
        match (quote, letter) {
            _ if is_inner => word.get_or_insert_default().push(letter),
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '\n' | '|' | '>' | ';' | '&') => {
                // The number in front of a redirection is no word of the command.
                words.extend(word.take().filter(|word| letter != '>' || word != "2"));
                if letter != ' ' && words.iter().any(|word| word == "frameway") {
                    break;
                }
            }
            (None, '#') if word.is_none() => break,
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(quote.is_none(), "a quote is not closed: {line}");
    words.into_iter().skip_while(|word| word != "frameway").collect()
}

/// Returns the `frameway` commands of a document: the lines of its code blocks, with or without a
/// prompt; and the spans of code in its text. Commands with `...` are not complete.
fn commands(document: &str) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut spans, mut is_code) = (Vec::new(), Vec::new(), false);
    let text = document.replace("\\\n", " ");
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            lines.push(line.trim_start_matches("$ "));
        } else {
            spans.extend(line.split('`').skip(1).step_by(2));
        }
    }
    let complete = |commands: Vec<&str>| {
        let is_command = |line: &&str| line.starts_with("frameway ") && !line.contains("...");
        commands.into_iter().filter(is_command).map(|line| line.replace("\\|", "|")).collect()
    };
    (complete(lines), complete(spans))
}

/// Returns the command lines that are refused, with the error.
fn refused(lines: &[String], is_harmless: fn(ErrorKind) -> bool) -> Vec<String> {
    let fault = |line: &String| {
        let error = Cli::try_parse_from(words(line)).err()?;
        // The value of a variable is not known here.
        let is_value = matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation);
        if is_value && line.contains('$') || is_harmless(error.kind()) {
            return None;
        }
        Some(format!("{line}\n{error}"))
    };
    lines.iter().filter_map(fault).collect()
}

/// Reports whether a command was refused only because it is named without its arguments, or a flag
/// without its value.
fn is_a_name(error: ErrorKind) -> bool {
    let names = [
        ErrorKind::InvalidValue,
        ErrorKind::MissingRequiredArgument,
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    names.contains(&error)
}

#[test]
fn every_example_in_help_texts_is_accepted() {
    let examples = examples(&Cli::command());
    assert!(examples.len() > 80, "only {} examples", examples.len());
    let refused = refused(&examples, |_| false);
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_command_in_the_documents_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/guides"] {
        for entry in fs::read_dir(root.join(folder)).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            pages.extend(path.extension().is_some_and(|extension| extension == "md").then_some(path));
        }
    }
    let (mut count, mut faults) = (0, Vec::new());
    for page in pages {
        let (lines, spans) = commands(&fs::read_to_string(&page).expect("a document is UTF-8"));
        count += lines.len() + spans.len();
        let refused = refused(&lines, |_| false).into_iter().chain(refused(&spans, is_a_name));
        faults.extend(refused.map(|fault| format!("{}: {fault}", page.display())));
    }
    assert!(count > 100, "only {count} commands");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_commands_of_a_document_are_found() {
    let page = "Run `frameway info`, not `frameway submit ...`.\n```sh\nfrontend\n  frameway health \\\n  --json\n$ frameway \
                queues\n```\n| a | `frameway info --json \\| jq` |";
    let (lines, spans) = commands(page);
    assert_eq!(lines, ["frameway health    --json", "frameway queues"]);
    assert_eq!(spans, ["frameway info", "frameway info --json | jq"]);
}

#[test]
fn an_example_ends_where_its_command_ends() {
    for (line, expected) in [
        ("until frameway health; do sleep 1; done", &["frameway", "health"][..]),
        ("frameway info --json | jq '.a | .b'", &["frameway", "info", "--json"]),
        ("frameway info --json 2> log & server=$!", &["frameway", "info", "--json"]),
        (
            "frameway streams list --filter 'a = \"b\"'",
            &["frameway", "streams", "list", "--filter", "a = \"b\""],
        ),
        (
            "frameway info --ca $(echo a | tr a b) --json",
            &["frameway", "info", "--ca", "$(echo a | tr a b)", "--json"],
        ),
        ("frameway streams show 'north gate'    # by name", &["frameway", "streams", "show", "north gate"]),
    ] {
        assert_eq!(words(line), expected);
    }
}
