//! `frameway streams export`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tonic::Code;

use super::document::{self, Format, Settings};
use super::select::SelectArgs;
use crate::cli::connect::ConnectArgs;
use crate::cli::groups;
use crate::client::{Client, describe};
use crate::console::output::{print, print_json, write_whole};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// Write the settings of streams and consumer groups to a document that `frameway streams apply` reads.
///
/// The document has the names and values of the contract's JSON. It has no frames and dead letters, no
/// positions of groups, and no values that the server makes, such as etags and times. Groups are left
/// out if streams are selected.
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

    /// Print JSON: with --output, how much was exported, otherwise the document.
    #[arg(long, conflicts_with = "format")]
    json: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn run(args: ExportArgs) -> Result<(), Failure> {
    let mut client = args.connect.connect().await?;
    let streams = args.select.read(&mut client).await?;
    let groups = if args.select.is_empty() { read_groups(&mut client).await? } else { Vec::new() };
    let settings = Settings { streams, groups };
    let default = if args.json { Format::Json } else { Format::Yaml };
    let of_file = args.output.as_deref().map_or(default, Format::of);
    let text = document::write(&settings, args.format.unwrap_or(of_file)).map_err(Failure::Failed)?;
    match &args.output {
        Some(file) => {
            write_whole(file, text.as_bytes()).map_err(Failure::Usage)?;
            let (streams, groups) = (settings.streams.len(), settings.groups.len());
            let file = file.display().to_string();
            match args.json {
                true => print_json(&json!({ "file": file, "streams": streams, "groups": groups })),
                false => {
                    let groups = match groups {
                        0 => String::new(),
                        1 => " and 1 group".to_owned(),
                        _ => format!(" and {groups} groups"),
                    };
                    print(&format!("exported {streams} streams{groups} to {file}\n"));
                }
            }
        }
        None => print(&text),
    }
    Ok(())
}

/// Reads all groups; none, with a line that says so, if the caller may not see them.
async fn read_groups(client: &mut Client) -> Result<Vec<pb::ConsumerGroup>, Failure> {
    match groups::read_all(client).await {
        Err(status) if status.code() == Code::PermissionDenied => {
            eprintln!("groups are left out: {}", describe(&status));
            Ok(Vec::new())
        }
        answer => answer.map_err(|status| refused("listing the groups", &status)),
    }
}
