//! `frameway completions`.

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::console::Failure;
use crate::console::output::print;

/// Print a script that completes the commands, flags and values of frameway in a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway completions bash > ~/.local/share/bash-completion/completions/frameway
  frameway completions zsh > ~/.zfunc/_frameway
  frameway completions fish > ~/.config/fish/completions/frameway.fish")]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "frameway", &mut script);
    let script = String::from_utf8(script).context("a completion script is not UTF-8");
    print(&script.map_err(Failure::Failed)?);
    Ok(())
}
