//! `frameway man`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Cli;
use crate::console::Failure;

/// Write a man page for each command into a folder, for packages: frameway.1, frameway-serve.1 and
/// so on.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct ManArgs {
    /// The folder; it is created.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Writes the pages.
pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let folder = &args.folder;
    // There is no page for `frameway help`.
    let command = Cli::command().disable_help_subcommand(true);
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    let written = written.with_context(|| format!("writing man pages to {}", folder.display()));
    written.map_err(Failure::Failed)
}
