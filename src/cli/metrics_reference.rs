//! `frameway metrics-reference`.

use crate::console::Failure;
use crate::metrics;

/// Print the page that describes all metrics, in Markdown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  frameway metrics-reference > docs/metrics.md")]
pub(super) struct MetricsReferenceArgs {}

pub(super) fn run(args: MetricsReferenceArgs) -> Result<(), Failure> {
    let MetricsReferenceArgs {} = args;
    print!("{}", metrics::reference());
    Ok(())
}
