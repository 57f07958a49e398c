//! `frameway streams export`.

use std::path::PathBuf;

use clap::Args;

use super::document::{self, Format};
use super::select::SelectArgs;
use crate::cli::connect::ConnectArgs;
use crate::console::Failure;
use crate::console::output::{print, write_whole};

/// Write the settings of streams to a document that `frameway streams apply` reads.
///
/// The document has the names and values of the contract's JSON. It has no frames, groups or dead
/// letters, and no values that the server makes, such as etags and times.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams export > streams.yaml
  frameway streams export --output streams.json
  frameway streams export 'cam-*' --labelled site=north --output north.yaml")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    select: SelectArgs,

    /// The file to write. Default: standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The format. Default: JSON for a file named *.json, otherwise YAML.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(args: ExportArgs) -> Result<(), Failure> {
    let mut client = args.connect.connect().await?;
    let streams = args.select.read(&mut client).await?;
    let of_file = args.output.as_deref().map_or(Format::Yaml, Format::of);
    let text = document::write(&streams, args.format.unwrap_or(of_file)).map_err(Failure::Failed)?;
    match &args.output {
        Some(file) => {
            write_whole(file, text.as_bytes()).map_err(Failure::Usage)?;
            print(&format!("exported {} streams to {}\n", streams.len(), file.display()));
        }
        None => print(&text),
    }
    Ok(())
}
