//! The list of all settings, as a page of the documentation and as a file to start from.

use std::fmt::Write as _;

use clap::ValueEnum as _;

use super::Preset;
use super::settings::Setting;

/// The maximum length of a line.
const WIDTH: usize = 100;

const PAGE: &str = "\
# Settings of a server

`frameway config reference` prints this page. `frameway config template` prints the same as a file
to start from. Both come from the definitions of the flags in `src/config`.

A setting can be given in several places. The first of these that has it wins:

1. a flag of `frameway serve`, for example `--max-side 4096`;
2. its environment variable, `FRAMEWAY_MAX_SIDE=4096`;
3. for a secret, the file that a variable with `_FILE` names,
   `FRAMEWAY_REDIS_URL_FILE=/run/secrets/redis`. One line end after the value is ignored. It is an
   error to set both variables;
4. the configuration file of `--config` or `FRAMEWAY_CONFIG`: the key in its table;
5. the preset of `--preset`, `FRAMEWAY_PRESET` or the key `preset` at the top of the file;
6. the default.

There is no other place where a server looks for a file. `frameway config show` prints each value in
force and where it comes from, and `frameway config check` tries whether a server could use it. A
key that does not exist is an error, and so is a value that does not fit.

Sizes are written as `1500`, `250kB`, `64KiB` or `2GiB`, times as `500ms`, `3s` or `1h 30m`.
Switches are `true` or `false`; on the command line, a switch that is given is on.

```toml
preset = \"low-latency\"

[server]
listen = \"127.0.0.1:7400\"
max_connections = 2048

[limits]
max_picture_bytes = \"8MiB\"
```
";

const TEMPLATE: &str = "\
# The configuration of a Frameway server: frameway serve --config frameway.toml
#
# Every setting is here, with its default, or with an example if it is unset by default. Remove the
# \"#\" in front of a setting to change it. Flags and environment variables override this file.
# `frameway config check --config FILE` finds mistakes, and `frameway config show --config FILE`
# prints the values in force.
";

/// Returns the page `docs/configuration.md`.
#[must_use]
pub(crate) fn page() -> String {
    let mut page = PAGE.to_owned();
    page.push_str("\n## Presets\n\n");
    page.push_str(&wrapped(
        "A preset sets what is listed here. [tuning.md](tuning.md) says what it changes.",
        "",
    ));
    page.push('\n');
    for preset in Preset::value_variants() {
        let values = preset.settings().iter().map(|(key, value)| format!("`{key} = {value}`"));
        let text = format!("- `{preset}`: {}", values.collect::<Vec<_>>().join(", "));
        page.push_str(&wrapped(&text, "  "));
    }
    let mut table = String::new();
    for setting in Setting::in_files() {
        if setting.table() != table {
            table = setting.table();
            let _infallible = write!(page, "\n## [{table}]\n");
        }
        let _infallible = write!(page, "\n### {}\n\n", setting.key());
        page.push_str(&wrapped(&names(&setting), ""));
        for paragraph in setting.help().lines().filter(|line| !line.is_empty()) {
            page.push('\n');
            page.push_str(&wrapped(paragraph, ""));
        }
        let choices = setting.choices();
        if !choices.is_empty() {
            page.push('\n');
        }
        for (word, meaning) in choices {
            page.push_str(&wrapped(&format!("- `{word}`: {meaning}."), "  "));
        }
    }
    page
}

/// Returns the line with the flag, the variables and the default.
fn names(setting: &Setting) -> String {
    let flag = match setting.is_switch() {
        true => setting.flag(),
        false => format!("{} {}", setting.flag(), setting.value_name()),
    };
    let mut line = format!("`{flag}`");
    for variable in setting.variable().into_iter().chain(setting.file_variable()) {
        let _infallible = write!(line, ", `{variable}`");
    }
    match setting.default() {
        Some(value) => line + &format!("; default `{value}`"),
        None => line + "; unset by default",
    }
}

/// Returns a configuration file with all settings, each commented out.
#[must_use]
pub(crate) fn template() -> String {
    let mut text = TEMPLATE.to_owned();
    let presets: Vec<_> = Preset::value_variants().iter().map(ToString::to_string).collect();
    text.push('\n');
    text.push_str(&comment(&format!(
        "Settings for a purpose, which everything below overrides: {}.",
        presets.join(", ")
    )));
    let _infallible = writeln!(text, "#preset = {:?}", presets[0]);
    let mut table = String::new();
    for setting in Setting::in_files() {
        if setting.table() != table {
            table = setting.table();
            let _infallible = write!(text, "\n[{table}]\n");
        }
        text.push('\n');
        for paragraph in setting.help().lines().filter(|line| !line.is_empty()) {
            text.push_str(&comment(paragraph));
        }
        for (word, meaning) in setting.choices() {
            text.push_str(&comment(&format!("{word}: {meaning}.")));
        }
        if setting.default().is_none() {
            text.push_str("# Unset by default; for example:\n");
        }
        let value = setting.default().unwrap_or_else(|| setting.example());
        let _infallible = writeln!(text, "#{} = {}", setting.key(), toml_value(&setting, &value));
    }
    text
}

fn comment(paragraph: &str) -> String {
    wrapped(&format!("# {paragraph}"), "# ")
}

/// Returns a value as TOML has it.
pub(crate) fn toml_value(setting: &Setting, value: &str) -> String {
    let is_number = setting.value_name() == "N" && value.bytes().all(|byte| byte.is_ascii_digit());
    if setting.is_switch() || is_number {
        return value.to_owned();
    }
    toml_edit::Value::from(value).to_string()
}

/// Breaks a paragraph into lines; all but the first begin with `indent`.
fn wrapped(paragraph: &str, indent: &str) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for word in paragraph.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = format!("{indent}{word}");
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_not_too_long() {
        for line in page().lines().chain(template().lines()) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert_eq!(wrapped(&"ab ".repeat(50), "  ").lines().nth(1).map(|line| &line[..4]), Some("  ab"));
    }
}
