//! `frameway streams watch`.

use clap::Args;
use serde_json::json;

use super::{Common, show};
use crate::client::subscribe::stream_match;
use crate::client::watch::{self, Watch};
use crate::console::output::{print, print_json, short, time_json};
use crate::console::{Failure, failure_while};
use crate::pb::v1 as pb;
use crate::pb::v1::watch_streams_response::Event;
use crate::shutdown;

/// Show the streams, and then each change: registered, updated, live, stalled, error, removed.
///
/// When the connection breaks, the command reconnects and resumes after the last change shown.
/// Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams watch
  frameway streams watch 'cam-*' --json | jq -r 'select(.kind == \"STALLED\") | .stream.stream_id'")]
pub(super) struct WatchArgs {
    /// A stream id or a quoted pattern of ids. Default: all streams.
    stream: Option<String>,

    /// End after this many changes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: WatchArgs) -> Result<(), Failure> {
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let client = args.common.connect.connect().await?;
    let streams = args.stream.iter().map(|stream| stream_match(stream)).collect();
    let mut watch = Watch::new(&client, streams);
    let mut left = args.count;
    while left != Some(0) {
        let Some(event) = stop.run_until_cancelled(watch.next()).await else { break };
        match event.map_err(|error| failure_while("watching the streams", error))? {
            watch::Event::Streams(event) => {
                if matches!(*event, Event::Change(_)) {
                    left = left.map(|left| left - 1);
                }
                print_event(*event, args.common.json);
            }
            watch::Event::Reconnecting(why) => eprintln!("{why}; reconnecting"),
            watch::Event::End => break,
        }
    }
    Ok(())
}

fn print_event(event: Event, as_json: bool) {
    let line = |time: String, kind: &str, stream: &pb::Stream, why: &str| {
        let state = show::state(stream.status.as_ref());
        print(&format!("{time:<27} {kind:<10} {:<24} {state}{why}\n", stream.stream_id));
    };
    match event {
        Event::Existing(stream) if as_json => {
            print_json(&json!({ "type": "existing", "stream": show::stream_json(&stream) }));
        }
        Event::Existing(stream) => line("-".to_owned(), "existing", &stream, ""),
        Event::Change(change) => {
            let stream = change.stream.clone().unwrap_or_default();
            let kind = short(change.kind().as_str_name(), "STREAM_CHANGE_KIND_");
            let error = change.error.as_ref().map(|error| error.message.clone());
            let time = time_json(change.change_time.as_ref());
            if as_json {
                print_json(&json!({
                    "type": "change", "kind": kind, "change_time": time, "error": error,
                    "stream": show::stream_json(&stream),
                }));
            } else {
                let why = error.map(|error| format!(": {error}")).unwrap_or_default();
                line(time.as_str().unwrap_or("-").to_owned(), &kind.to_lowercase(), &stream, &why);
            }
        }
        Event::SnapshotStart(_) | Event::SnapshotEnd(_) | Event::Heartbeat(_) => {}
    }
}
