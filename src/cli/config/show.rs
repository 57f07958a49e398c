//! `frameway config show`.

use clap::Args;
use serde_json::json;

use crate::config::{Effective, Given, toml_value};
use crate::console::Failure;
use crate::console::output::{print, print_json};

/// Print the value of each setting and where it comes from. Secrets are masked.
///
/// Each line has the form of a line in a configuration file, and the place as a comment: a flag, an
/// environment variable, a line of the file, a preset, or the default.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway config show --config frameway.toml
  frameway config show --preset low-latency | grep -v default
  frameway config show --json | jq '.settings[] | select(.source != \"default\")'")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    given: Given,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Prints the settings.
pub(super) fn run(args: ShowArgs) -> Result<(), Failure> {
    let loaded = args.given.load().map_err(|problems| Failure::Usage(problems.into()))?;
    if args.json {
        let settings: Vec<_> = loaded.settings.iter().map(as_json).collect();
        let preset = loaded.preset.as_ref().map(|(preset, _)| preset.to_string());
        print_json(&json!({ "preset": preset, "settings": settings }));
        return Ok(());
    }
    let mut lines: Vec<(String, String)> = Vec::new();
    if let Some((preset, source)) = &loaded.preset {
        lines.push((format!("preset = \"{preset}\""), source.to_string()));
    }
    lines.extend(loaded.settings.iter().map(|one| (line(one), one.source.to_string())));
    // A long value does not move the comments of all other lines.
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|&width| width <= 60).max();
    let width = width.unwrap_or_default();
    let text: Vec<String> =
        lines.iter().map(|(line, source)| format!("{line:width$}  # {source}\n")).collect();
    print(&text.concat());
    Ok(())
}

fn line(one: &Effective) -> String {
    let name = format!("{}.{}", one.setting.table(), one.setting.key());
    match one.shown() {
        Some(value) => format!("{name} = {}", toml_value(&one.setting, &value)),
        None => format!("# {name} is unset"),
    }
}

fn as_json(one: &Effective) -> serde_json::Value {
    json!({
        "table": one.setting.table(),
        "key": one.setting.key(),
        "value": one.shown(),
        "source": one.source.to_string(),
    })
}
