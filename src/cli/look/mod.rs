//! `frameway look`.

mod sheet;
mod terminal;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use ratatui::crossterm::terminal::window_size;
use serde_json::json;
use tokio::time::sleep;

use super::connect::ConnectArgs;
use super::streams::{SelectArgs, last_failure, state};
use crate::client::{Client, Latest};
use crate::console::output::{print, short, since, span, write_whole};
use crate::console::{Failure, failure_while};
use crate::pb::v1 as pb;
use crate::pb::v1::picture::Content;
use crate::shutdown;
use sheet::{Format, Shown};
use terminal::{Protocol, Window};

/// The maximum number of streams on a sheet.
const MAX_STREAMS: usize = 200;
/// The maximum number of streams whose last failure is looked up for a sheet.
const MAX_FAILURES: usize = 20;
/// The least time from one sheet to the next.
const MIN_EVERY: Duration = Duration::from_millis(10);
/// The quality of the pictures that the server makes for a sheet.
const RENDITION_QUALITY: u32 = 80;
/// The file of a sheet that nobody named.
const DEFAULT_FILE: &str = "frameway-look.jpg";
/// Clears the screen, with the pictures on it.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Show a contact sheet: the newest picture of each stream, with its age and the state of the
/// stream.
///
/// Terminals that can show pictures (kitty, Ghostty, iTerm2, WezTerm, mintty) show the sheet;
/// otherwise it is written to frameway-look.jpg.
///
/// Below each picture are the stream's id and state, its display name, the age and the sequence of
/// the picture, and the reason if the stream is stalled or its frames fail.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway look
  frameway look 'cam-*' --output gate.png --columns 3
  frameway look --labelled site=north --watch --every 1s
  frameway look --filter 'NOT status.state = STREAM_STATE_LIVE'
  frameway look --inline=kitty")]
pub(super) struct LookArgs {
    #[command(flatten)]
    select: SelectArgs,

    /// The file to write, instead of showing the sheet in the terminal; its extension says the
    /// format: .jpg, .jpeg or .png.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Show the sheet in the terminal, also where the terminal is not known to show pictures, or
    /// through a pipe; without PROTOCOL as the terminal is known to, else with kitty's protocol.
    #[arg(long, value_name = "PROTOCOL", num_args = 0..=1, require_equals = true, conflicts_with = "output")]
    inline: Option<Option<Protocol>>,

    /// Show or write the sheet again and again until Ctrl-C. A viewer never sees a part of a file.
    #[arg(long)]
    watch: bool,

    /// The time from one sheet to the next with --watch.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = every, requires = "watch")]
    every: Duration,

    /// The number of columns. Default: about as many as rows, at most 8.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50))]
    columns: Option<u32>,

    /// The width of each picture in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(64..=2_000))]
    width: u32,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Write the sheet to the file and print one JSON object about it.
    #[arg(long, conflicts_with = "inline")]
    json: bool,
}

fn every(text: &str) -> Result<Duration, String> {
    let every = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if every < MIN_EVERY { Err("must be 10ms or more".to_owned()) } else { Ok(every) }
}

/// The destination of a sheet.
#[derive(Debug, Clone, Copy)]
enum Target<'a> {
    File(&'a Path, Format),
    Terminal(Protocol),
}

impl LookArgs {
    fn target(&self) -> Result<Target<'_>, Failure> {
        let known = || Protocol::of(|name| std::env::var(name).ok());
        let file = match (&self.output, self.inline) {
            (Some(file), _) => file,
            (None, Some(protocol)) => {
                return Ok(Target::Terminal(protocol.or_else(known).unwrap_or(Protocol::Kitty)));
            }
            (None, None) => match known().filter(|_| !self.json && std::io::stdout().is_terminal()) {
                Some(protocol) => return Ok(Target::Terminal(protocol)),
                None => Path::new(DEFAULT_FILE),
            },
        };
        let unknown = || {
            let file = file.display();
            Failure::Usage(anyhow!("--output {file}: the name must end with .jpg, .jpeg or .png"))
        };
        Format::of(file).map(|format| Target::File(file, format)).ok_or_else(unknown)
    }
}

/// Shows or writes one sheet, or with `--watch` one after the other.
pub(super) async fn run(args: LookArgs) -> Result<(), Failure> {
    let target = args.target()?;
    let is_shown = matches!(target, Target::Terminal(_));
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let client = args.connect.connect().await?;
    let mut complaint = String::new();
    let mut is_first = true;
    loop {
        let Some(written) = stop.run_until_cancelled(Box::pin(sheet(&args, &client, target))).await else {
            return Ok(());
        };
        match written {
            Ok(text) if is_shown || is_first || !complaint.is_empty() => {
                print(&text);
                complaint.clear();
            }
            Ok(_) => {}
            // Wrong flags stay wrong; anything else may pass.
            Err(Failure::Failed(error)) if args.watch && !is_first => {
                let now = format!("{error:#}");
                if now != complaint {
                    eprintln!("{now}; trying again");
                    complaint = now;
                }
            }
            Err(failure) => return Err(failure),
        }
        is_first = false;
        if !args.watch || stop.run_until_cancelled(sleep(args.every)).await.is_none() {
            return Ok(());
        }
    }
}

/// Makes one sheet, writes it if it goes to a file, and returns what is to be printed.
async fn sheet(args: &LookArgs, client: &Client, target: Target<'_>) -> Result<String, Failure> {
    let (shown, all) = read(args, client).await?;
    if shown.is_empty() {
        return Err(Failure::Failed(anyhow!("no streams; add one: frameway streams register ID")));
    }
    let count = shown.len();
    let pictures = shown.iter().filter(|one| one.picture.is_some()).count();
    let columns = args.columns.unwrap_or_else(|| (count as f64).sqrt().ceil().min(8.0) as u32);
    let width = args.width;
    let format = match target {
        Target::File(_, format) => format,
        Target::Terminal(_) => Format::Png,
    };
    let sheet = tokio::task::spawn_blocking(move || sheet::draw(&shown, columns, width, format)).await;
    let sheet = sheet.map_err(|error| Failure::Failed(error.into()))?.map_err(Failure::Usage)?;
    let left_out = all - count;
    let rest = match left_out {
        0 => String::new(),
        rest => format!("; {rest} more are not on it: select some by id, --labelled or --filter"),
    };
    let summary = format!("{count} streams, {pictures} with a picture{rest}\n");
    match target {
        Target::File(file, _) => {
            write_whole(file, &sheet.data).map_err(Failure::Usage)?;
            if args.json {
                let file = file.display().to_string();
                let about =
                    json!({"file": file, "streams": count, "with_picture": pictures, "left_out": left_out});
                return Ok(format!("{about}\n"));
            }
            Ok(format!("{}: {summary}", file.display()))
        }
        Target::Terminal(protocol) => {
            let clear = if args.watch { CLEAR } else { "" };
            let shown = protocol.sequence(&sheet.data, window().columns_for(sheet.width));
            Ok(format!("{clear}{shown}{summary}"))
        }
    }
}

/// Returns the size of the terminal's window, if there is one.
fn window() -> Window {
    let size = if std::io::stdout().is_terminal() { window_size().ok() } else { None };
    size.map_or_else(Window::default, |size| Window { columns: size.columns, width_pixels: size.width })
}

/// Reads the streams for a sheet, and the number of all that are selected.
async fn read(args: &LookArgs, client: &Client) -> Result<(Vec<Shown>, usize), Failure> {
    let mut streams = args.select.read(&mut client.clone()).await?;
    let all = streams.len();
    streams.truncate(MAX_STREAMS);
    let selection = pb::PictureSelection {
        roles: vec![pb::PictureRole::Rendition.into()],
        rendition: Some(pb::Rendition {
            max_width: Some(args.width),
            quality: Some(RENDITION_QUALITY),
            ..Default::default()
        }),
        ..Default::default()
    };
    let ids: Vec<&str> = streams.iter().map(|stream| stream.stream_id.as_str()).collect();
    let latest = client.latest(ids, Some(selection)).await;
    let latest = latest.map_err(|error| failure_while("reading the newest pictures", error))?;
    let mut shown = Vec::with_capacity(streams.len());
    let mut failures = 0;
    for (stream, latest) in streams.into_iter().zip(latest) {
        let mut reason = reason(&stream);
        if is_failing(&stream) && failures < MAX_FAILURES {
            failures += 1;
            let failure = last_failure(client, &stream.stream_id).await;
            reason = failure.map(|failure| failure.reason).or(reason);
        }
        shown.push(describe(&stream, latest, reason));
    }
    Ok((shown, all))
}

fn is_failing(stream: &pb::Stream) -> bool {
    stream.status.is_some_and(|status| status.state() == pb::StreamState::Error)
}

/// Returns why a stream is in its state, as far as its status says it.
fn reason(stream: &pb::Stream) -> Option<String> {
    let status = stream.status.as_ref()?;
    match status.state() {
        pb::StreamState::Idle => Some("no frame yet".to_owned()),
        pb::StreamState::Stalled => {
            let time = status.last_receive_time.as_ref()?;
            Some(format!("no frame for {}", span(since(time))))
        }
        pb::StreamState::Error => Some("the last frames failed".to_owned()),
        pb::StreamState::Live | pb::StreamState::Unspecified => None,
    }
}

/// Puts together what the sheet shows of a stream.
fn describe(stream: &pb::Stream, latest: Latest, reason: Option<String>) -> Shown {
    let mut lines = vec![format!("{} {}", stream.stream_id, state(stream.status.as_ref()))];
    if !stream.display_name.is_empty() {
        lines.push(stream.display_name.clone());
    }
    let (picture, missing) = match latest.frame {
        Ok(frame) => {
            lines.push(format!("{} ago, #{}", span(latest.age), frame.sequence));
            match frame.pictures.into_iter().next().and_then(|picture| picture.content) {
                Some(Content::Data(data)) => (Some(data), None),
                Some(Content::OmittedReason(reason)) => {
                    let reason = pb::OmittedReason::try_from(reason).unwrap_or_default();
                    (None, Some(short(reason.as_str_name(), "OMITTED_REASON_")))
                }
                None => (None, Some("no picture".to_owned())),
            }
        }
        Err(missing) => (None, Some(short(missing.reason().as_str_name(), "MISSING_REASON_"))),
    };
    let is_warning = reason.is_some();
    lines.extend(reason.or(missing));
    Shown { label: lines.join("\n"), is_warning, picture }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(state: pb::StreamState) -> pb::Stream {
        pb::Stream {
            stream_id: "cam".to_owned(),
            status: Some(pb::StreamStatus { state: state.into(), ..Default::default() }),
            ..Default::default()
        }
    }

    #[test]
    fn a_label_names_the_stream_its_state_and_the_reason() {
        let missing = pb::MissingFrame { reason: pb::MissingReason::NotAccepted.into() };
        let latest = Latest { stream_id: "cam".to_owned(), frame: Err(missing), age: Duration::ZERO };
        let idle = stream(pb::StreamState::Idle);
        let shown = describe(&idle, latest.clone(), reason(&idle));
        assert_eq!((shown.label.as_str(), shown.is_warning), ("cam idle\nno frame yet", true));
        assert!(shown.picture.is_none());

        let picture = pb::Picture {
            content: Some(Content::OmittedReason(pb::OmittedReason::TooLarge.into())),
            ..Default::default()
        };
        let frame = pb::ProcessedFrame { sequence: 7, pictures: vec![picture], ..Default::default() };
        let latest = Latest { frame: Ok(Box::new(frame)), age: Duration::from_millis(1_500), ..latest };
        let live = pb::Stream { display_name: "North gate".to_owned(), ..stream(pb::StreamState::Live) };
        let shown = describe(&live, latest, reason(&live));
        assert_eq!(shown.label, "cam live\nNorth gate\n1.5 s ago, #7\nTOO_LARGE");
        assert!(!shown.is_warning);
    }
}
