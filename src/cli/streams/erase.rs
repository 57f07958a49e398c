//! `frameway streams erase`, and what an update of privacy masks leaves unmasked.

use std::time::SystemTime;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Value, json};
use tonic::Code;

use super::Common;
use crate::cli::time_argument::parse_time;
use crate::client::subscribe::{Event, Subscription, selector};
use crate::client::{Client, Error};
use crate::console::output::{bytes, print, print_json};
use crate::console::{Failure, failure_while, refused};
use crate::pb::v1 as pb;
use crate::pb::v1::erase_frames_request::Range;
use crate::pb::v1::start_position::Position;

/// Erase frames of a stream: their pictures cannot be read any more, and leave the store.
///
/// Erases the kept frames of the range with all their pictures, and their dead letters. Frames that
/// wait for a worker are not published as pictures. Each frame leaves a tombstone; subscribers get
/// a gap. There is no way back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams erase north-gate --from 1200 --to 1500 --dry-run
  frameway streams erase north-gate --from 1200 --to 1500 --reason 'court order 4711'
  frameway streams erase north-gate --from-time 2026-05-01T14:00:00Z --to-time 2026-05-01T14:10:00Z")]
pub(super) struct EraseArgs {
    /// The stream's id.
    stream: String,

    /// The first sequence.
    #[arg(long, value_name = "SEQUENCE", requires = "to", conflicts_with_all = ["from_time", "to_time"],
          required_unless_present = "from_time")]
    from: Option<u64>,

    /// The last sequence.
    #[arg(long, value_name = "SEQUENCE", requires = "from")]
    to: Option<u64>,

    /// Frames that the server received at or after this time, with its zone:
    /// 2026-05-01T12:00:00Z or 2026-05-01T14:00:00+02:00.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "to_time")]
    from_time: Option<SystemTime>,

    /// Frames that the server received before this time, written as for --from-time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "from_time")]
    to_time: Option<SystemTime>,

    /// Show what would be erased without changing anything.
    #[arg(long)]
    dry_run: bool,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: EraseArgs) -> Result<(), Failure> {
    let range = match (args.from, args.to, args.from_time, args.to_time) {
        (Some(first), Some(last), None, None) => {
            if last < first {
                return Err(Failure::Usage(anyhow!("--to {last} is before --from {first}")));
            }
            Range::Sequences(sequences(first, last))
        }
        (None, None, Some(start), Some(end)) => {
            if end <= start {
                return Err(Failure::Usage(anyhow!("--to-time must be after --from-time")));
            }
            Range::ReceiveTimes(pb::ReceiveTimeRange {
                start_receive_time: Some(start.into()),
                end_receive_time: Some(end.into()),
            })
        }
        _ => return Err(Failure::Usage(anyhow!("give --from and --to, or --from-time and --to-time"))),
    };
    let mut client = args.common.connect.connect().await?;
    let erased = erase(&mut client, &args.stream, range, args.dry_run, args.reason).await?;
    if args.common.json {
        print_json(&erased_json(&args.stream, &erased));
    } else {
        print(&erased_text(&args.stream, &erased, args.dry_run));
    }
    Ok(())
}

fn sequences(first: u64, last: u64) -> pb::SequenceRange {
    pb::SequenceRange { first_sequence: Some(first), last_sequence: Some(last) }
}

async fn erase(
    client: &mut Client,
    stream: &str,
    range: Range,
    dry_run: bool,
    reason: String,
) -> Result<pb::EraseFramesResponse, Failure> {
    let request =
        pb::EraseFramesRequest { stream_id: stream.to_owned(), range: Some(range), dry_run, reason };
    let answer = client.registry.erase_frames(request).await;
    Ok(answer.map_err(|status| refused(&format!("erasing frames of {stream}"), &status))?.into_inner())
}

fn erased_text(stream: &str, erased: &pb::EraseFramesResponse, dry_run: bool) -> String {
    let pb::EraseFramesResponse {
        first_sequence,
        last_sequence,
        erased_processed_frames,
        erased_failed_frames,
        erased_bytes,
        erased_dead_letters,
        queued_frames,
        already_erased_frames,
    } = *erased;
    if last_sequence == 0 {
        return format!("{stream} has no frames in this range; nothing to erase\n");
    }
    let done = if dry_run { "would erase" } else { "erased" };
    let mut text = format!(
        "{done} {} frames of {stream} between {first_sequence} and {last_sequence}, {}, and {erased_dead_letters} dead letters",
        erased_processed_frames + erased_failed_frames,
        bytes(erased_bytes),
    );
    if queued_frames > 0 {
        text.push_str(&format!("; {queued_frames} that wait for a worker will not be published as pictures"));
    }
    if already_erased_frames > 0 {
        text.push_str(&format!("; {already_erased_frames} were erased before"));
    }
    text.push('\n');
    text
}

fn erased_json(stream: &str, erased: &pb::EraseFramesResponse) -> Value {
    json!({
        "stream_id": stream,
        "first_sequence": erased.first_sequence,
        "last_sequence": erased.last_sequence,
        "erased_processed_frames": erased.erased_processed_frames,
        "erased_failed_frames": erased.erased_failed_frames,
        "erased_bytes": erased.erased_bytes,
        "erased_dead_letters": erased.erased_dead_letters,
        "queued_frames": erased.queued_frames,
        "already_erased_frames": erased.already_erased_frames,
    })
}

/// The frames of a stream without its newest privacy masks.
#[derive(Debug)]
pub(super) struct Unmasked {
    /// The last sequence at the time of the change; 0 if there was none.
    last_sequence: u64,
    /// The kept ones; `None` if the caller may not read them.
    kept: Option<u64>,
    /// The frames that wait for a worker, which may not get the masks.
    waiting: u64,
    /// The receipt of the erasure.
    erased: Option<pb::EraseFramesResponse>,
}

/// Counts the kept frames of a stream that do not have its newest privacy masks, and erases all
/// frames up to the present one if `erases` and there are any.
pub(super) async fn unmasked(
    client: &mut Client,
    stream: &pb::Stream,
    erases: bool,
    reason: String,
) -> Result<Unmasked, Failure> {
    let id = &stream.stream_id;
    let status = stream.status.unwrap_or_default();
    let kept = match count_unmasked(client, stream, &status).await {
        Ok(count) => Some(count),
        // Without the grant `read`, the frames cannot be counted.
        Err(Error::Refused(status)) if status.code() == Code::PermissionDenied => None,
        Err(error) => return Err(failure_while(&format!("counting unmasked frames of {id}"), error)),
    };
    let (last_sequence, waiting) = (status.accepted_sequence, status.queued_frames);
    let mut unmasked = Unmasked { last_sequence, kept, waiting, erased: None };
    if erases && !unmasked.is_empty() {
        let range = Range::Sequences(sequences(1, last_sequence));
        unmasked.erased = Some(erase(client, id, range, false, reason).await?);
    }
    Ok(unmasked)
}

impl Unmasked {
    /// Reports whether there can be none.
    fn is_empty(&self) -> bool {
        self.kept == Some(0) && self.waiting == 0 || self.last_sequence == 0
    }

    /// Returns a line, or nothing if there are none.
    pub(super) fn text(&self, id: &str) -> String {
        if let Some(erased) = &self.erased {
            return erased_text(id, erased, false);
        }
        if self.is_empty() {
            return String::new();
        }
        let waiting = match self.waiting {
            0 => String::new(),
            waiting => format!(", and {waiting} that wait for a worker may not get them"),
        };
        let count = self.kept.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
        format!(
            "{count} kept frames do not have these masks{waiting}; erase them: frameway streams erase {id} --from 1 --to {}\n",
            self.last_sequence
        )
    }

    pub(super) fn json(&self, id: &str) -> Value {
        json!({
            "kept_frames": self.kept,
            "waiting_frames": self.waiting,
            "erased": self.erased.as_ref().map(|erased| erased_json(id, erased)),
        })
    }
}

/// Counts the kept frames that were processed with other privacy masks than the newest.
async fn count_unmasked(
    client: &Client,
    stream: &pb::Stream,
    status: &pb::StreamStatus,
) -> Result<u64, Error> {
    if status.retained_frames == 0 {
        return Ok(0);
    }
    let mut kept = selector(&stream.stream_id);
    kept.start = Some(pb::StartPosition { position: Some(Position::Earliest(pb::StartEarliest {})) });
    kept.stop = Some(pb::StopPosition { sequence: Some(status.published_sequence), ..Default::default() });
    kept.pictures = Some(pb::PictureSelection { metadata_only: true, ..Default::default() });
    let request = pb::SubscribeFramesRequest { selectors: vec![kept], ..Default::default() };
    let mut subscription = Subscription::new(client, request);
    let mut count = 0;
    loop {
        match subscription.next().await? {
            Event::Frame(delivered) => {
                let version = delivered.frame.map_or(0, |frame| frame.mask_version);
                count += u64::from(version != stream.mask_version);
            }
            Event::End => return Ok(count),
            Event::Started { .. }
            | Event::Gap(_)
            | Event::Checkpoint(_)
            | Event::Lag(_)
            | Event::Reconnecting(_) => {}
        }
    }
}
