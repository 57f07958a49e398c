//! `frameway streams`.

mod apply;
mod document;
mod erase;
mod export;
mod facts;
mod failure;
mod names;
mod output;
mod plan;
mod scene;
mod select;
mod settings;
mod show;
mod update;
mod watch;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use crate::client::Client;
use crate::console::output::{print, print_json};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use apply::ApplyArgs;
use erase::EraseArgs;
use export::ExportArgs;
use names::with_flags;
use settings::SettingsArgs;
use update::UpdateArgs;
use watch::WatchArgs;

pub(super) use failure::last_failure;
pub(super) use output::Format;
pub(crate) use output::Reencode;
pub(super) use select::SelectArgs;
pub(super) use settings::key_value;
pub(super) use show::{state, status_json};

/// List, register, show, change and remove streams, and erase their frames.
///
/// A stream is one camera's frames in order, and its settings. Frames of a stream that is not
/// registered are refused, unless the server registers streams by itself (`frameway serve
/// --auto-register`).
#[derive(Debug, Args)]
#[command(
    visible_alias = "stream",
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  frameway streams
  frameway streams register north-gate --label site=north --keep-original
  frameway streams show north-gate
  frameway streams update north-gate --retain-frames 5000 --retain-age 2h
  frameway streams update 'cam-*' --keep-original
  frameway streams export --output streams.yaml
  frameway streams apply -f streams.yaml --dry-run
  frameway streams erase north-gate --from 1200 --to 1500 --dry-run
  frameway streams remove north-gate"
)]
pub(super) struct StreamsArgs {
    #[command(subcommand)]
    command: Option<StreamsCommand>,

    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum StreamsCommand {
    List(ListArgs),
    Register(RegisterArgs),
    Show(ShowArgs),
    Update(UpdateArgs),
    Export(ExportArgs),
    Apply(ApplyArgs),
    Watch(WatchArgs),
    Erase(EraseArgs),
    #[command(visible_alias = "unregister")]
    Remove(RemoveArgs),
}

#[derive(Debug, Clone, Args)]
struct Common {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// List the registered streams.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams list
  frameway streams list --filter 'labels:site AND status.state != STREAM_STATE_LIVE'
  frameway streams list --json | jq -r '.streams[].stream_id'")]
struct ListArgs {
    /// An expression over the fields of a stream, for example 'stream_id = "cam-*" AND labels.site
    /// = "north"', 'labels:site AND NOT status.state = STREAM_STATE_LIVE' or
    /// 'status.over_budget_in_row > 0'.
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,

    #[command(flatten)]
    common: Common,
}

/// Register a stream. Its sequences continue where an earlier stream of the same id stopped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams register north-gate
  frameway streams register north-gate --label site=north --label lane=2 --name 'North gate'
  frameway streams register archive --keep-original --retain-frames 100000 --retain-age 1day")]
struct RegisterArgs {
    /// The stream's id: 1 to 64 characters of A-Z a-z 0-9 . _ -, not beginning with a dot
    stream: String,

    #[command(flatten)]
    settings: Box<SettingsArgs>,

    #[command(flatten)]
    common: Common,
}

/// Show a stream's settings and status.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams show north-gate
  frameway streams show north-gate --json | jq .status.accepted_sequence")]
struct ShowArgs {
    /// The stream's id.
    stream: String,

    #[command(flatten)]
    common: Common,
}

/// Remove a stream with its settings, its queued frames, its output and its dead letters.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams remove north-gate")]
struct RemoveArgs {
    /// The stream's id.
    stream: String,

    /// Remove nothing if the stream was changed since this etag was read.
    #[arg(long, value_name = "ETAG", default_value = "", hide_default_value = true)]
    etag: String,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

/// Runs a subcommand; without one, lists the streams.
pub(super) async fn run(args: StreamsArgs) -> Result<(), Failure> {
    match args.command.unwrap_or(StreamsCommand::List(args.list)) {
        StreamsCommand::List(args) => list(args).await,
        StreamsCommand::Register(args) => register(args).await,
        StreamsCommand::Show(args) => show(args).await,
        StreamsCommand::Update(args) => update::run(args).await,
        StreamsCommand::Export(args) => export::run(args).await,
        StreamsCommand::Apply(args) => apply::run(args).await,
        StreamsCommand::Watch(args) => watch::run(args).await,
        StreamsCommand::Erase(args) => erase::run(args).await,
        StreamsCommand::Remove(args) => remove(args).await,
    }
}

async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let streams = select::all(&mut client, &args.filter).await?;
    if args.common.json {
        let streams: Vec<Value> = streams.iter().map(show::stream_json).collect();
        print_json(&json!({ "streams": streams }));
    } else if streams.is_empty() && !args.filter.is_empty() {
        print("no stream matches the filter\n");
    } else if streams.is_empty() {
        print("no streams; add one: frameway streams register ID\n");
    } else {
        print(&show::table(&streams));
    }
    Ok(())
}

async fn register(args: RegisterArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let (stream, _mask) = args.settings.into_stream(&args.stream);
    let answer = client.registry.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await;
    let action = format!("registering {}", args.stream);
    let answer = answer.map_err(|status| refused(&action, &status).map_text(with_flags))?;
    let stream = answer.into_inner().stream;
    print_stream(&args.common, stream, &format!("registered {}\n", args.stream));
    Ok(())
}

async fn show(args: ShowArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let answer = client.registry.get_stream(pb::GetStreamRequest { stream_id: args.stream.clone() }).await;
    let action = format!("reading {}", args.stream);
    let stream = answer.map_err(|status| refused(&action, &status))?.into_inner().stream.unwrap_or_default();
    let facts = facts::read(&client, &stream).await;
    if args.common.json {
        let mut json = show::stream_json(&stream);
        facts.add_to(&mut json);
        print_json(&json);
    } else {
        print(&show::details(&stream, &facts));
    }
    Ok(())
}

async fn remove(args: RemoveArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let request =
        pb::UnregisterStreamRequest { stream_id: args.stream.clone(), etag: args.etag, reason: args.reason };
    let answer = client.registry.unregister_stream(request).await;
    let action = format!("removing {}", args.stream);
    let gone = answer.map_err(|status| refused(&action, &status))?.into_inner();
    if args.common.json {
        print_json(&json!({
            "stream_id": args.stream,
            "last_sequence": gone.last_sequence,
            "removed_queued_frames": gone.removed_queued_frames,
            "removed_output_frames": gone.removed_output_frames,
            "removed_dead_letters": gone.removed_dead_letters,
        }));
    } else {
        print(&format!(
            "removed {} with {} waiting and {} kept frames and {} dead letters; its last sequence was {}\n",
            args.stream,
            gone.removed_queued_frames,
            gone.removed_output_frames,
            gone.removed_dead_letters,
            gone.last_sequence,
        ));
    }
    Ok(())
}

/// Returns those of the streams that are not registered.
pub(super) async fn missing(client: &mut Client, ids: &[String]) -> Result<Vec<String>, Failure> {
    let mut missing = Vec::new();
    for id in ids {
        match client.registry.get_stream(pb::GetStreamRequest { stream_id: id.clone() }).await {
            Ok(_) => {}
            Err(status) if status.code() == tonic::Code::NotFound => missing.push(id.clone()),
            // A caller that may only publish may not look a stream up. If the stream does not exist,
            // the results of its frames say so.
            Err(status) if status.code() == tonic::Code::PermissionDenied => {}
            Err(status) => return Err(refused(&format!("looking up {id}"), &status)),
        }
    }
    Ok(missing)
}

/// Registers streams with the default settings. A stream that another client has registered
/// meanwhile keeps its own.
pub(super) async fn register_default(client: &mut Client, ids: &[String]) -> Result<(), Failure> {
    for id in ids {
        let stream = pb::Stream { stream_id: id.clone(), ..Default::default() };
        match client.registry.register_stream(pb::RegisterStreamRequest { stream: Some(stream) }).await {
            Ok(_) => {}
            Err(status) if status.code() == tonic::Code::AlreadyExists => {}
            Err(status) => return Err(refused(&format!("registering {id}"), &status)),
        }
    }
    Ok(())
}

fn print_stream(common: &Common, stream: Option<pb::Stream>, text: &str) {
    if common.json {
        print_json(&show::stream_json(&stream.unwrap_or_default()));
    } else {
        print(text);
    }
}
