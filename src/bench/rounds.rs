//! Rounds of a benchmark: in each, the limit and the service are measured one after the other.

use clap::Args;

use super::report::Report;
use crate::console::Failure;

/// The number of rounds.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RoundsArgs {
    /// Rounds. Each measures the limit and the service; the figures are the medians, with the lowest
    /// and the highest value.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(super) rounds: u8,
}

impl RoundsArgs {
    /// Runs the rounds. Returns the medians of their figures, and the number of lost frames.
    pub(super) async fn run(
        self,
        mut round: impl AsyncFnMut() -> Result<(Report, u64), Failure>,
    ) -> Result<(Report, u64), Failure> {
        let (mut reports, mut lost) = (Vec::new(), 0);
        for _ in 0..self.rounds {
            let (report, lost_now) = round().await?;
            reports.push(report);
            lost += lost_now;
        }
        Ok((Report::median(reports), lost))
    }
}
