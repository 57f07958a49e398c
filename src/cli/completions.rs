//! `frameway completions`.

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::console::Failure;
use crate::console::output::print;

/// The name of the program.
const NAME: &str = "frameway";

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
    clap_complete::generate(args.shell, &mut shown(&Cli::command()), NAME, &mut script);
    let script = String::from_utf8(script).context("a completion script is not UTF-8");
    print(&script.map_err(Failure::Failed)?);
    Ok(())
}

/// Returns a command without its hidden subcommands, which `clap_complete` would complete.
fn shown(command: &Command) -> Command {
    Command::new(NAME)
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments())
        .subcommands(command.get_subcommands().filter(|one| !one.is_hide_set()))
}
