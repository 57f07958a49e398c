//! Completions and man pages.

use std::fs;
use std::process::Command;

use crate::{
    DEAD_LETTERS_SUBCOMMANDS, FRAMES_SUBCOMMANDS, GROUPS_SUBCOMMANDS, QUEUES_SUBCOMMANDS,
    STREAMS_SUBCOMMANDS, SUBCOMMANDS, assert_fails, frameway, stderr, stdout,
};

fn script(shell: &str) -> String {
    let output = frameway(&["completions", shell]);
    assert!(output.status.success(), "{shell}: {}", stderr(&output));
    stdout(&output)
}

/// Returns what bash would offer after `words`.
fn completed(words: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("frameway.bash");
    fs::write(&file, script("bash")).expect("a temporary file can be written");
    let (last, before) = words.split_last().expect("the word to complete");
    let ask = format!(
        "source {}; COMP_WORDS=(frameway {}); COMP_CWORD={}; \
         _frameway frameway '{last}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len(),
        before.last().unwrap_or(&"frameway"),
    );
    let output = Command::new("bash").args(["-uc", &ask]).output().expect("bash runs");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_values() {
    for (words, offered) in [
        (&["heal"][..], &["health"][..]),
        (&["streams", "reg"], &["register"]),
        (&["serve", "--tls-c"], &["--tls-cert", "--tls-client-ca"]),
        (&["serve", "--role", "a"], &["all", "api"]),
    ] {
        assert_eq!(completed(words), offered, "{words:?}");
    }
    // Commands that only packages need are not offered.
    for hidden in ["man", "metrics-reference", "supervised-worker"] {
        assert!(!completed(&[&hidden[..2]]).contains(&hidden.to_owned()), "{hidden}");
    }
}

#[test]
fn other_shells_get_a_script_with_every_command() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = script(shell);
        for name in SUBCOMMANDS {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    assert_fails(&["completions", "cmd.exe"], 2, "cmd.exe");
}

#[test]
fn every_command_has_a_man_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pages = folder.path().join("man/man1");
    let output = frameway(&["man", &pages.to_string_lossy()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut written: Vec<String> = fs::read_dir(&pages)
        .expect("the folder was created")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    written.sort();
    let below = |parent: &str, names: &[&str]| -> Vec<String> {
        names.iter().map(|name| format!("{parent}-{name}.1")).collect()
    };
    let mut expected = [
        vec!["frameway.1".to_owned()],
        below("frameway", &SUBCOMMANDS),
        below("frameway-admin", &["repartition"]),
        below("frameway-config", &["check", "reference", "show", "template"]),
        below("frameway-dead-letters", &DEAD_LETTERS_SUBCOMMANDS),
        below("frameway-frames", &FRAMES_SUBCOMMANDS),
        below("frameway-groups", &GROUPS_SUBCOMMANDS),
        below("frameway-keys", &["create", "list", "revoke"]),
        below("frameway-queues", &QUEUES_SUBCOMMANDS),
        below("frameway-streams", &STREAMS_SUBCOMMANDS),
    ]
    .concat();
    expected.sort();
    assert_eq!(written, expected);
    let serve = fs::read_to_string(pages.join("frameway-serve.1")).expect("a page");
    for part in [".TH", "\\-\\-redis\\-url", "FRAMEWAY_REDIS_URL", "Examples:"] {
        assert!(serve.contains(part), "no {part} in frameway-serve.1");
    }
}

#[test]
fn man_pages_that_cannot_be_written_are_an_error() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    assert_fails(&["man", &file.path().to_string_lossy()], 1, "writing man pages to");
}
