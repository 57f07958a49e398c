//! `frameway frames get`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::list::around;
use super::{Common, page, show};
use crate::cli::subscribe::json::{frame_json, omitted};
use crate::cli::time_argument::parse_time;
use crate::client::time::system_time;
use crate::client::{Client, MAX_PICTURE_BYTES};
use crate::console::output::{print, print_json, short, span, time_gap_words, timestamp, write_whole};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use crate::pb::v1::frame_lookup::Outcome;
use crate::pb::v1::list_frames_request::Range;
use crate::pb::v1::listed_frame::Outcome as Listed;
use crate::pb::v1::picture::Content;

/// The number of frames before and after a moment among which the nearest one with a picture is
/// looked for.
const NEIGHBOURS: u32 = 20;

/// Show one kept frame of a stream and save its picture: by its sequence, or the one nearest to a
/// moment.
///
/// Fails if the frame is gone, and then says what is kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway frames get north-gate 1042 --save gate.jpg
  frameway frames get north-gate --at 2026-05-01T14:03:20+02:00 --save gate.jpg
  frameway frames get north-gate --at 2026-05-01T12:03:20Z --within 1m --picture original --save gate.jpg")]
pub(super) struct GetArgs {
    /// The stream.
    stream: String,

    /// The sequence of the frame.
    #[arg(value_name = "SEQUENCE", value_parser = clap::value_parser!(u64).range(1..),
          required_unless_present = "at", conflicts_with = "at")]
    sequence: Option<u64>,

    /// The frame received nearest to this moment, with its zone: 2026-05-01T12:00:00Z for UTC, or
    /// 2026-05-01T14:00:00+02:00. A frame without a picture is passed over.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<SystemTime>,

    /// Maximum time between the moment and the frame.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s",
          requires = "at")]
    within: Duration,

    /// The picture of the frame.
    #[arg(long, value_name = "PICTURE", value_enum, default_value = "processed")]
    picture: Role,

    /// Write the picture to this file.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

/// A picture of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// The thumbnail.
    Thumbnail,
    /// The processed picture.
    Processed,
    /// The submitted bytes, if the stream keeps them.
    Original,
}

pub(super) async fn run(args: GetArgs) -> Result<(), Failure> {
    if let Some(file) = args.save.as_ref().filter(|file| file.is_dir()) {
        return Err(Failure::Usage(anyhow!("--save {} is a folder: name a file in it", file.display())));
    }
    let mut client = args.common.connect.connect().await?;
    let sequence = match (args.sequence, args.at) {
        (Some(sequence), _) => sequence,
        (None, Some(at)) => nearest(&mut client, &args, at).await?,
        (None, None) => return Err(Failure::Usage(anyhow!("name a SEQUENCE, or a moment with --at"))),
    };
    let frame = look_up(&mut client, &args, sequence).await?;
    let mut saved = Vec::new();
    if let Some(file) = &args.save {
        let content = frame.pictures.first().and_then(|picture| picture.content.as_ref());
        let Some(Content::Data(data)) = content else {
            let why = frame.pictures.first().map(omitted).unwrap_or_default();
            return Err(Failure::Failed(anyhow!(
                "the server omitted the picture of {} {sequence}: {why}",
                args.stream
            )));
        };
        write_whole(file, data).map_err(Failure::Usage)?;
        saved.push(file.clone());
    }
    if args.common.json {
        print_json(&frame_json(&frame, &saved, None, None));
    } else {
        print(&show::frame_text(&frame, args.at, args.save.as_deref()));
    }
    Ok(())
}

/// Returns the sequence of the frame with a picture that was received nearest to a moment.
async fn nearest(client: &mut Client, args: &GetArgs, at: SystemTime) -> Result<u64, Failure> {
    let range = Some(around(at, NEIGHBOURS, NEIGHBOURS));
    let request = pb::ListFramesRequest { stream_id: args.stream.clone(), range, ..Default::default() };
    let found = page(client, request).await?;
    let kept = show::kept_words(found.kept.as_ref());
    // The frames received since the moment are gone, and so is the nearest one.
    if let Some(words) = found.gaps.iter().find_map(time_gap_words) {
        return Err(Failure::Failed(anyhow!("{words}; {kept}")));
    }
    let frames = found.frames.iter().filter_map(|listed| match listed.outcome.as_ref()? {
        Listed::Frame(frame) => Some((frame.receive_time.as_ref().map(system_time)?, frame.sequence)),
        Listed::Tombstone(_) => None,
    });
    let distance =
        |time: SystemTime| at.duration_since(time).or_else(|_| time.duration_since(at)).unwrap_or_default();
    let moment = show::clock(&timestamp(at));
    let (stream, within) = (&args.stream, humantime::format_duration(args.within));
    match frames.min_by_key(|(time, _)| distance(*time)) {
        Some((time, sequence)) if distance(time) <= args.within => Ok(sequence),
        Some((time, sequence)) => Err(Failure::Failed(anyhow!(
            "{stream} has no frame within {within} of {moment}; the nearest is {sequence}, received {} \
             {}: --within allows more; {kept}",
            span(distance(time)),
            if time < at { "before" } else { "after" },
        ))),
        None => Err(Failure::Failed(anyhow!("{stream} has no frame near {moment}; {kept}"))),
    }
}

/// Reads a frame with the picture that is to be saved.
async fn look_up(client: &mut Client, args: &GetArgs, sequence: u64) -> Result<pb::ProcessedFrame, Failure> {
    let role = match args.picture {
        Role::Thumbnail => pb::PictureRole::Thumbnail,
        Role::Processed => pb::PictureRole::Processed,
        Role::Original => pb::PictureRole::Original,
    };
    let pictures = match args.save {
        Some(_) => pb::PictureSelection {
            roles: vec![role.into()],
            max_picture_bytes: Some(MAX_PICTURE_BYTES),
            ..Default::default()
        },
        None => pb::PictureSelection { metadata_only: true, ..Default::default() },
    };
    let (stream_id, sequences) = (args.stream.clone(), vec![sequence]);
    let request = pb::GetFramesRequest { stream_id, sequences, pictures: Some(pictures) };
    let answer = client.streaming.get_frames(request).await;
    let answer = answer.map_err(|status| refused("reading the frame", &status))?.into_inner();
    let why = match answer.results.into_iter().next().and_then(|result| result.outcome) {
        Some(Outcome::Frame(frame)) => return Ok(frame),
        Some(Outcome::Tombstone(tombstone)) => {
            let text = show::tombstone_words(&tombstone);
            return Err(Failure::Failed(anyhow!("{} {sequence} has no picture: {text}", args.stream)));
        }
        Some(Outcome::Missing(missing)) => short(missing.reason().as_str_name(), "MISSING_REASON_"),
        None => "unknown".to_owned(),
    };
    let request = pb::ListFramesRequest {
        stream_id: args.stream.clone(),
        range: Some(Range::Sequences(pb::SequenceRange::default())),
        page_size: 1,
        ..Default::default()
    };
    let kept = show::kept_words(page(client, request).await?.kept.as_ref());
    Err(Failure::Failed(anyhow!("{} {sequence} is not there: {why}; {kept}", args.stream)))
}
