//! `frameway frames list`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use clap::Args;

use super::{Common, MAX_PAGE, page, show};
use crate::cli::time_argument::parse_time;
use crate::console::Failure;
use crate::console::output::{print, print_json, timestamp};
use crate::pb::v1 as pb;
use crate::pb::v1::list_frames_request::Range;

/// The last second of the year 9999, which is the last time of the contract: later than every frame.
const AFTER_ALL: Duration = Duration::from_secs(253_402_300_799);

/// List kept frames of a stream: around a moment, in a stretch of time, or by sequences; without any
/// of these, the newest ones.
///
/// A line names missing frames and the reason. The last line has the range that is kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway frames list north-gate
  frameway frames list north-gate --at 2026-05-01T14:03:20+02:00 --before 3 --after 10
  frameway frames list north-gate --from 2026-05-01T12:00:00Z --until 2026-05-01T12:10:00Z --limit 0
  frameway frames list north-gate --first 1040 --last 1060
  frameway frames list north-gate --json | jq '.frames[].sequence'")]
pub(super) struct ListArgs {
    /// The stream.
    stream: String,

    /// The frames before and after this moment, with its zone: 2026-05-01T12:00:00Z for UTC, or
    /// 2026-05-01T14:00:00+02:00.
    #[arg(long, value_name = "TIME", value_parser = parse_time,
          conflicts_with_all = ["from", "until", "first", "last", "limit"])]
    at: Option<SystemTime>,

    /// Number of frames received before the moment, at most 1000. Default: 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000), requires = "at")]
    before: Option<u32>,

    /// Number of frames received at or after the moment, at most 1000. Default: 5.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000), requires = "at")]
    after: Option<u32>,

    /// Frames received at or after this time. Default: the oldest kept.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with_all = ["first", "last"])]
    from: Option<SystemTime>,

    /// Frames received before this time. Default: the newest.
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with_all = ["first", "last"])]
    until: Option<SystemTime>,

    /// The first sequence. Default: the oldest kept.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    first: Option<u64>,

    /// The last sequence. Default: the newest.
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,

    /// Maximum to list; 0 = all. Default: 100.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    #[command(flatten)]
    common: Common,
}

impl ListArgs {
    /// Returns the range to ask for. The newest frames are those before a moment that never comes.
    fn range(&self) -> Result<Range, Failure> {
        if let Some(at) = self.at {
            let (before, after) = (self.before.unwrap_or(5), self.after.unwrap_or(5));
            if before == 0 && after == 0 {
                return Err(usage("--before and --after are both 0: one of them must be above 0"));
            }
            return Ok(around(at, before, after));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            let (from, until) = (show::clock(&timestamp(from)), show::clock(&timestamp(until)));
            return Err(usage(&format!("--until {until} is not after --from {from}")));
        }
        if let (Some(first), Some(last)) = (self.first, self.last)
            && last < first
        {
            return Err(usage(&format!("--last {last} is before --first {first}")));
        }
        if self.from.is_some() || self.until.is_some() {
            return Ok(Range::ReceiveTimes(pb::ReceiveTimeRange {
                start_receive_time: self.from.map(timestamp),
                end_receive_time: self.until.map(timestamp),
            }));
        }
        let newest = u32::try_from(self.limit()).ok().filter(|&limit| limit <= MAX_PAGE);
        if let (None, None, Some(newest)) = (self.first, self.last, newest) {
            return Ok(around(UNIX_EPOCH + AFTER_ALL, newest, 0));
        }
        Ok(Range::Sequences(pb::SequenceRange { first_sequence: self.first, last_sequence: self.last }))
    }

    fn limit(&self) -> usize {
        match self.limit {
            None => 100,
            Some(0) => usize::MAX,
            Some(limit) => limit,
        }
    }
}

fn usage(text: &str) -> Failure {
    Failure::Usage(anyhow!("{text}"))
}

/// Returns the range around a moment.
pub(super) fn around(at: SystemTime, before: u32, after: u32) -> Range {
    Range::Around(pb::FramesAround { receive_time: Some(timestamp(at)), before, after })
}

pub(super) async fn run(args: ListArgs) -> Result<(), Failure> {
    let range = args.range()?;
    // The number of frames around a moment is a limit of its own.
    let limit = if args.at.is_some() { usize::MAX } else { args.limit() };
    let mut client = args.common.connect.connect().await?;
    let mut all = pb::ListFramesResponse::default();
    loop {
        let left = u32::try_from(limit - all.frames.len()).unwrap_or(MAX_PAGE);
        let request = pb::ListFramesRequest {
            stream_id: args.stream.clone(),
            range: Some(range),
            page_size: left.min(MAX_PAGE),
            page_token: all.next_page_token,
        };
        let next = page(&mut client, request).await?;
        all.frames.extend(next.frames);
        all.gaps.extend(next.gaps);
        (all.kept, all.next_page_token) = (next.kept, next.next_page_token);
        if all.next_page_token.is_empty() || all.frames.len() >= limit {
            break;
        }
    }
    if args.common.json {
        print_json(&show::list_json(&all));
    } else {
        print(&show::list_text(&args.stream, &all));
    }
    Ok(())
}
