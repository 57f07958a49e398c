//! The examples in the texts of `--help`: the command line must accept each of them.

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
/// only the parts of the shell's syntax that the examples use: quotes, comments and the ends of
/// commands.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars().chain(['\n']) {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '\n' | '|' | '>' | ';') => {
                words.extend(word.take());
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

#[test]
fn every_example_in_help_texts_is_accepted() {
    let examples = examples(&Cli::command());
    assert!(examples.len() > 80, "only {} examples", examples.len());
    let refused: Vec<String> = examples
        .iter()
        .filter_map(|line| Cli::try_parse_from(words(line)).err().map(|error| format!("{line}\n{error}")))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn an_example_ends_where_its_command_ends() {
    for (line, expected) in [
        ("until frameway health; do sleep 1; done", &["frameway", "health"][..]),
        ("frameway info --json | jq '.a | .b'", &["frameway", "info", "--json"]),
        (
            "frameway streams list --filter 'a = \"b\"'",
            &["frameway", "streams", "list", "--filter", "a = \"b\""],
        ),
        ("frameway streams show 'north gate'    # by name", &["frameway", "streams", "show", "north gate"]),
    ] {
        assert_eq!(words(line), expected);
    }
}
