//! `frameway config`: the settings of a server.

mod check;
mod show;

use clap::{Args, Subcommand};

use crate::config::{Given, page, template};
use crate::console::Failure;
use crate::console::output::print;

/// Show, check and describe the settings of a server.
///
/// A setting comes from the first of these that has it: a flag, its environment variable, for a
/// secret the file of its variable with _FILE, the configuration file (--config), the preset, the
/// default. `show` and `check` accept the flags of `frameway serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway config template > frameway.toml
  frameway config check --config frameway.toml
  frameway config show --config frameway.toml
  frameway config reference")]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::ShowArgs),
    Check(CheckArgs),
    Reference(ReferenceArgs),
    Template(TemplateArgs),
}

/// Check the settings, and whether the files of TLS, the access file and Redis can be used.
///
/// Everything is tried, also after a failure. Changes nothing. Exit code 0 if a server could start,
/// 1 if Redis does not answer, 2 if the settings or files have to be changed. Variables that begin
/// with FRAMEWAY_ and mean nothing are listed as warnings.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway config check --config frameway.toml
  frameway config check --tls-cert server.pem --tls-key server.key --access-file access.toml")]
struct CheckArgs {
    #[command(flatten)]
    given: Given,
}

/// Print every setting of a server as Markdown: the page docs/configuration.md.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway config reference")]
struct ReferenceArgs {}

/// Print a configuration file with every setting, commented out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway config template > frameway.toml")]
struct TemplateArgs {}

/// Runs the subcommand.
pub(super) async fn run(args: ConfigArgs) -> Result<(), Failure> {
    match args.command {
        Command::Show(args) => show::run(args)?,
        Command::Check(CheckArgs { given }) => check::run(&given).await?,
        Command::Reference(ReferenceArgs {}) => print(&page()),
        Command::Template(TemplateArgs {}) => print(&template()),
    }
    Ok(())
}
