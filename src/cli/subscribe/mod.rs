//! `frameway subscribe`.

mod group;
pub(super) mod json;
mod options;
mod rendition;
mod report;
pub(super) mod save;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connect::ConnectArgs;
use super::streams::key_value;
use crate::client::consume::Consumer;
use crate::client::cursors::CursorFile;
use crate::client::stored::StoredSubscription;
use crate::client::subscribe::{Event, Subscription, is_pattern, label_match, stream_match};
use crate::console::{Failure, failure_while};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;
use crate::shutdown;
use options::OptionsArgs;
use rendition::RenditionArgs;
use report::{Report, Style};
use save::{SaveArgs, Saver};

/// Subscribe to streams and show their frames; --save writes the pictures to files.
///
/// Frames of a stream come in order, each once; frames that are not delivered are reported as gaps
/// with the reason. When the connection breaks or the server restarts, the command reconnects and
/// resumes after the last frame. Latencies are measured from the server's receive time (and from
/// the camera's capture time, if set) until now, by this machine's clock.
///
/// Ctrl-C ends it with a summary. The exit code is 1 if pictures were to be saved and none could be.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway subscribe north-gate
  frameway subscribe 'cam-*' --pictures none --lines
  frameway subscribe --label site=north --max-fps 1
  frameway subscribe north-gate --from earliest --save pictures/
  frameway subscribe 'cam-*' --cursor-file rec.json --save 'rec/{stream}/{date}/{time}-{sequence}.{ext}'
  frameway subscribe 'cam-*' --pictures thumbnail --max-fps 1 --save-latest wall/
  frameway subscribe north-gate --since 10m --until 2026-05-01T12:00:00Z --every-nth 10
  frameway subscribe 'cam-*' --max-fps 2 --latest-only --overflow latest-only
  frameway subscribe north-gate --count 1 --save . --pictures original
  frameway subscribe 'cam-*' --cursor-file cursors.json --json >> frames.jsonl
  frameway subscribe north-gate --max-width 640 --format webp --save pictures/
  frameway subscribe --group detectors --member $(hostname) --lines")]
pub(super) struct SubscribeArgs {
    /// Stream ids, or quoted patterns of ids (`*`, `?`, `[ab]`).
    #[arg(required_unless_present_any = ["group", "labels"], conflicts_with = "group", value_name = "STREAM")]
    streams: Vec<String>,

    /// Subscribe to the streams with this label, including those that get it later; repeatable: a
    /// stream must have all of them.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value,
          conflicts_with_all = ["streams", "group"])]
    labels: Vec<(String, String)>,

    /// Consume as a member of this group, which defines the streams, the start and the frames. Each
    /// frame is acknowledged after it was shown and saved.
    #[arg(long, value_name = "NAME", requires = "member", conflicts_with_all = ["from", "cursor_file"])]
    group: Option<String>,

    /// This member's name within the group.
    #[arg(long, value_name = "NAME", requires = "group")]
    member: Option<String>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Start position: live, earliest, a sequence, or a cursor (of one stream).
    #[arg(long, value_name = "POSITION", default_value = "live")]
    from: Start,

    #[command(flatten)]
    options: Box<OptionsArgs>,

    #[command(flatten)]
    rendition: RenditionArgs,

    /// End after this many frames.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Pictures to receive, separated by commas.
    #[arg(long, value_name = "PICTURE", value_enum, value_delimiter = ',', default_value = "processed")]
    pictures: Vec<Pictures>,

    #[command(flatten)]
    save: SaveArgs,

    /// Resume after the frames that this file records as handled, and keep it up to date. While the
    /// file does not exist, --from applies.
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,

    /// Print one line for each frame, even on a terminal, where a live counter is the default.
    #[arg(long, conflicts_with = "json")]
    lines: bool,

    /// Print one JSON object per line. Its "type" is "started", "frame" or "gap", and "summary" for
    /// the last one.
    #[arg(long)]
    json: bool,
}

/// A picture of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pictures {
    /// No picture: measures only.
    None,
    /// The thumbnail.
    Thumbnail,
    /// The processed picture.
    Processed,
    /// The submitted bytes, if the stream keeps them.
    Original,
    /// A rendition made according to --format, --quality, --max-width and --max-height.
    Rendition,
}

impl Pictures {
    /// Returns the role; `None` for no picture.
    fn role(self) -> Option<pb::PictureRole> {
        match self {
            Self::None => None,
            Self::Thumbnail => Some(pb::PictureRole::Thumbnail),
            Self::Processed => Some(pb::PictureRole::Processed),
            Self::Original => Some(pb::PictureRole::Original),
            Self::Rendition => Some(pb::PictureRole::Rendition),
        }
    }
}

/// A start position.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    Live,
    Earliest,
    Sequence(u64),
    Cursor(String),
}

impl std::str::FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "live" => Ok(Self::Live),
            "earliest" => Ok(Self::Earliest),
            "" | "0" => Err("write live, earliest, a sequence from 1, or a cursor".to_owned()),
            _ => Ok(text.parse().map_or_else(|_| Self::Cursor(text.to_owned()), Self::Sequence)),
        }
    }
}

impl Start {
    /// Returns the position; a cursor needs exactly one stream.
    fn position(&self, streams: &[String]) -> Result<Position, Failure> {
        match self {
            Self::Live => Ok(Position::Live(pb::StartLive {})),
            Self::Earliest => Ok(Position::Earliest(pb::StartEarliest {})),
            Self::Sequence(number) => Ok(Position::Sequence(*number)),
            Self::Cursor(cursor) => match streams {
                [stream] if !is_pattern(stream) => {
                    let cursor = pb::StreamCursor { stream_id: stream.clone(), cursor: cursor.clone() };
                    Ok(Position::Cursors(pb::CursorList { cursors: vec![cursor] }))
                }
                _ => Err(Failure::Usage(anyhow!("--from with a cursor needs exactly one stream, by its id"))),
            },
        }
    }
}

/// Follows the streams until they end, `--count` frames have come, or Ctrl-C is pressed.
pub(super) async fn run(args: SubscribeArgs) -> Result<(), Failure> {
    let roles = args.rendition.with_rendition(roles(&args.pictures, args.save.is_set())?);
    if let (Some(group), Some(member)) = (args.group.clone(), args.member.clone()) {
        return run_member(args, group, member, roles).await;
    }
    let start = match args.options.start() {
        Some(start) => start,
        None => args.from.position(&args.streams)?,
    };
    let mut saver = args.save.saver(&args.streams, roles.len())?;
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let client = args.connect.connect().await?;
    let style = Style::choose(args.json, args.lines);
    let mut report = Report::new(style);
    let options = args.options.into_options(args.rendition.rendition());
    let mut streams: Vec<pb::StreamMatch> = args.streams.iter().map(|stream| stream_match(stream)).collect();
    if !args.labels.is_empty() {
        streams.push(label_match(args.labels));
    }
    let selector = |stream| pb::StreamSelector { streams: vec![stream], ..Default::default() };
    let selectors = streams.into_iter().map(|stream| options.apply(selector(stream), &start, &roles));
    let request = pb::SubscribeFramesRequest {
        selectors: selectors.collect(),
        stop_after_frames: args.count,
        ..Default::default()
    };
    let subscription = Subscription::new(&client, request);
    let mut subscription = StoredSubscription::open(subscription, args.cursor_file.map(CursorFile::new))
        .map_err(|error| Failure::Usage(error.into()))?;
    let followed = follow(&mut subscription, &mut saver, &mut report, args.count, &stop).await;
    // A frame that could not be saved must come again, so the cursors stay as they were.
    let ended = followed.and_then(|()| subscription.commit().map_err(Failure::from));
    report.end(&saver.summary(), ended.is_err());
    ended.and_then(|()| saver.result())
}

/// Shows and saves frames until the subscription ends, `count` frames have come, or `stop` is
/// cancelled.
async fn follow(
    subscription: &mut StoredSubscription<Option<CursorFile>>,
    saver: &mut Saver,
    report: &mut Report,
    count: Option<u64>,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    loop {
        // An event counts as handled when the next one is awaited: a frame was saved by then.
        let next = timeout(saver.rotation_interval(), subscription.next());
        let Some(next) = stop.run_until_cancelled(next).await else { return Ok(()) };
        let Ok(event) = next else {
            saver.rotate()?;
            continue;
        };
        match event.map_err(|error| failure_while("subscribing", error))? {
            Event::Started { streams } => report.started(streams),
            Event::Frame(delivered) => {
                let frame = delivered.frame.unwrap_or_default();
                let saved = saver.save(&frame, |text| report.note(text))?;
                report.frame(&frame, &saved);
                if count.is_some_and(|count| report.frames() >= count) {
                    return Ok(());
                }
            }
            Event::Gap(gap) => report.gap(&gap.gap.unwrap_or_default()),
            Event::Checkpoint(_) => {}
            Event::Lag(frames) => report.lag(frames),
            Event::Reconnecting(why) => report.note(&format!("{why}; reconnecting")),
            Event::End => return Ok(()),
        }
    }
}

/// Consumes as a member of a group until `--count` frames have come or Ctrl-C is pressed.
async fn run_member(
    args: SubscribeArgs,
    group: String,
    member: String,
    roles: Vec<pb::PictureRole>,
) -> Result<(), Failure> {
    let mut saver = args.save.saver(&[], roles.len())?;
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let client = args.connect.connect().await?;
    let mut report = Report::new(Style::choose(args.json, args.lines));
    let request = pb::ConsumeFramesRequest {
        group_id: group,
        member_id: member,
        pictures: Some(options::pictures(&roles, args.rendition.rendition())),
        stop_after_frames: args.count,
        ..Default::default()
    };
    let consuming = group::consume(Consumer::new(&client, request), &mut saver, &mut report);
    let ended = Box::pin(stop.run_until_cancelled(consuming)).await.unwrap_or(Ok(()));
    report.end(&saver.summary(), ended.is_err());
    ended.and_then(|()| saver.result())
}

fn roles(pictures: &[Pictures], saves: bool) -> Result<Vec<pb::PictureRole>, Failure> {
    if pictures.contains(&Pictures::None) {
        if saves {
            return Err(Failure::Usage(anyhow!("--save needs pictures; --pictures none excludes them")));
        }
        if pictures.len() > 1 {
            return Err(Failure::Usage(anyhow!("--pictures none excludes all others")));
        }
    }
    let mut roles: Vec<pb::PictureRole> = Vec::new();
    for role in pictures.iter().filter_map(|which| which.role()) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_a_number_or_a_cursor() {
        assert_eq!("live".parse(), Ok(Start::Live));
        assert_eq!("earliest".parse(), Ok(Start::Earliest));
        assert_eq!("17".parse(), Ok(Start::Sequence(17)));
        assert_eq!("AbC_17".parse(), Ok(Start::Cursor("AbC_17".to_owned())));
        assert!("0".parse::<Start>().is_err());
    }

    #[test]
    fn a_cursor_belongs_to_one_stream() {
        let from = Start::Cursor("x".to_owned());
        assert!(from.position(&["cam".to_owned()]).is_ok());
        assert!(from.position(&["cam*".to_owned()]).is_err());
        assert!(from.position(&["a".to_owned(), "b".to_owned()]).is_err());
    }

    #[test]
    fn no_pictures_cannot_be_saved() {
        assert!(roles(&[Pictures::None], true).is_err());
        assert!(roles(&[Pictures::None, Pictures::Original], false).is_err());
        let twice = roles(&[Pictures::Original, Pictures::Thumbnail, Pictures::Original], true).unwrap();
        assert_eq!(twice, [pb::PictureRole::Original, pb::PictureRole::Thumbnail]);
    }
}
