//! The filters and jq paths in the texts of `--help`, tried with a server.

use serde_json::Value;

use crate::server::Server;
use crate::{assert_fails, frameway, json, stderr, stdout};

/// Returns the text of `--help` with single spaces instead of line breaks.
fn help(command: &[&str]) -> String {
    let output = frameway(&[command, &["--help"]].concat());
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_server_accepts_every_filter_in_help_texts() {
    let server = Server::start();
    let address = server.address();
    for (list, least) in [("streams", 4), ("dead-letters", 1)] {
        let help = help(&[list, "list"]);
        let quoted = help.split(" '").skip(1).filter_map(|rest| rest.split_once('\'')).map(|(text, _)| text);
        // Text that begins with a dot is a path for jq.
        let filters: Vec<&str> = quoted.filter(|text| !text.starts_with('.')).collect();
        assert!(filters.len() >= least, "{list}: {filters:?}");
        for filter in filters {
            let output = frameway(&[list, "list", "--filter", filter, "--address", &address]);
            assert!(output.status.success(), "{list} --filter {filter}: {}", stderr(&output));
        }
        assert_fails(
            &[list, "list", "--filter", "no such filter", "--address", &address],
            2,
            "FILTER_INVALID",
        );
    }
}

/// Reports whether `value` has something at a path such as `.streams[].id`.
fn has_path(value: &Value, path: &str) -> bool {
    let mut at = vec![value];
    for part in path.split('.').skip(1) {
        let (name, is_list) = part.strip_suffix("[]").map_or((part, false), |name| (name, true));
        let named = at.into_iter().filter_map(|value| value.get(name));
        at = match is_list {
            true => named.filter_map(Value::as_array).flatten().collect(),
            false => named.filter(|value| !value.is_null()).collect(),
        };
    }
    !at.is_empty()
}

#[test]
fn every_jq_path_in_help_texts_is_in_the_output() {
    let server = Server::start();
    let address = server.address();
    json(&["streams", "register", "north-gate", "--address", &address, "--json"]);
    let commands: [&[&str]; 4] =
        [&["queues"], &["info"], &["streams", "list"], &["streams", "show", "north-gate"]];
    for command in commands {
        let help = help(&command[..command.len().min(2)]);
        let shown = format!("frameway {} --json | jq ", command.join(" "));
        let (_, rest) = help.split_once(&shown).unwrap_or_else(|| panic!("no {shown:?} in {help}"));
        let path = rest.trim_start_matches("-r ").split(' ').next().unwrap_or_default().trim_matches('\'');
        assert!(path.starts_with('.'), "{command:?}: {path}");
        let printed = json(&[command, &["--json", "--address", &address]].concat());
        assert!(has_path(&printed, path), "{command:?}: no {path} in {printed}");
    }
}
