//! `frameway streams apply`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use prost_types::FieldMask;

use super::document::{self, Resource, Settings};
use super::plan::{self, Action, Plan, Report, Wanted};
use super::{Common, select};
use crate::cli::groups;
use crate::console::Failure;

/// Register and change streams and consumer groups as a document of `frameway streams export` says.
///
/// Each stream and group of the document gets exactly its settings there: a setting that the document
/// leaves out follows the server's default. Others stay as they are. A new group starts at the oldest
/// kept frames, unless the document has its `start`; `frameway groups seek` moves it. Applying a document twice changes nothing the second
/// time, so an apply that failed continues when it is run again.
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
    let Settings { streams, groups: wanted } = document::read(&args.file).map_err(Failure::Usage)?;
    let mut client = args.common.connect.connect().await?;
    let current = select::all(&mut client, "").await?;
    let mut plans = self::plans(streams, &current, Wanted::Stream)?;
    if !wanted.is_empty() {
        let current = groups::list(&mut client).await?;
        plans.extend(self::plans(wanted, &current, Wanted::Group)?);
    }
    let report = Report { dry_run: args.dry_run, as_json: args.common.json, has_groups: true };
    plan::carry_out(&client, plans, &args.reason, report).await
}

/// Compares the wanted resources with the current ones.
fn plans<R: Resource>(
    wanted: Vec<R>,
    current: &[R],
    name: fn(Box<R>) -> Wanted,
) -> Result<Vec<Plan>, Failure> {
    let current: BTreeMap<&str, &R> = current.iter().map(|one| (one.id(), one)).collect();
    let plan = |mut one: R| {
        let id = one.id().to_owned();
        let Some(current) = current.get(id.as_str()) else {
            return Ok(Plan { wanted: name(Box::new(one)), action: Action::Create });
        };
        let changes = plan::changes(*current, &one)?;
        let action = if changes.is_empty() {
            Action::Nothing
        } else {
            Action::Update { mask: FieldMask { paths: vec!["*".to_owned()] }, changes }
        };
        // With the etag, a change that somebody else makes meanwhile is not undone.
        one.set_etag(current);
        Ok(Plan { wanted: name(Box::new(one)), action })
    };
    wanted.into_iter().map(plan).collect()
}
