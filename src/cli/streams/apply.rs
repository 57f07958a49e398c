//! `frameway streams apply`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use prost_types::FieldMask;

use super::plan::{self, Action, Plan};
use super::{Common, document, select};
use crate::console::Failure;
use crate::pb::v1 as pb;

/// Register and change streams as a document of `frameway streams export` says.
///
/// Each stream of the document gets exactly its settings there: a setting that the document leaves
/// out follows the server's default. Other streams stay as they are. Applying a document twice
/// changes nothing the second time, so an apply that failed continues when it is run again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams apply -f streams.yaml --dry-run
  frameway streams apply -f streams.yaml --reason 'new site'
  frameway streams export --address https://old:7400 | frameway streams apply -f -")]
pub(super) struct ApplyArgs {
    /// The document, as YAML or JSON; - is the standard input.
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,

    /// Show what would change without changing anything. The server does not check the new settings
    /// then.
    #[arg(long)]
    dry_run: bool,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: ApplyArgs) -> Result<(), Failure> {
    let wanted = document::read(&args.file).map_err(Failure::Usage)?;
    let mut client = args.common.connect.connect().await?;
    let current = select::all(&mut client, "").await?;
    let current: BTreeMap<&str, &pb::Stream> =
        current.iter().map(|stream| (stream.stream_id.as_str(), stream)).collect();
    let plan = |stream: pb::Stream| {
        let stream_id = stream.stream_id.clone();
        let Some(current) = current.get(stream_id.as_str()) else {
            return Ok(Plan { stream_id, action: Action::Register(Box::new(stream)) });
        };
        let changes = plan::changes(current, &stream)?;
        let action = if changes.is_empty() {
            Action::Nothing
        } else {
            // With the etag, a change that somebody else makes meanwhile is not undone.
            let wanted = Box::new(pb::Stream { etag: current.etag.clone(), ..stream });
            Action::Update { wanted, mask: FieldMask { paths: vec!["*".to_owned()] }, changes }
        };
        Ok(Plan { stream_id, action })
    };
    let plans = wanted.into_iter().map(plan).collect::<Result<_, Failure>>()?;
    plan::carry_out(&client, plans, &args.reason, args.dry_run, args.common.json).await
}
