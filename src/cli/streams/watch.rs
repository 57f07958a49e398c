//! `frameway streams watch`.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::time::sleep;

use super::{Common, show};
use crate::cli::Failure;
use crate::cli::fault::{self, short};
use crate::cli::output::{pb_duration, print, print_json, time_json};
use crate::cli::silence::{HEARTBEAT, Silence};
use crate::cli::sources::is_pattern;
use crate::pb::v1 as pb;
use crate::pb::v1::stream_match::Selector as By;
use crate::pb::v1::watch_streams_response::Event;
use crate::shutdown;

const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Show the streams, and then what happens to them: registered, updated, live, stalled, error, removed.
///
/// When the connection breaks it connects again and goes on behind what was shown. Ctrl-C ends it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams watch
  frameway streams watch 'cam-*' --json | jq -r 'select(.kind == \"STALLED\") | .stream.stream_id'")]
pub(super) struct WatchArgs {
    /// A stream id, or a quoted pattern of ids; all streams where it is left out.
    stream: Option<String>,

    /// End after this many changes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: WatchArgs) -> Result<(), Failure> {
    let stop = shutdown::on_signal().map_err(|error| Failure::Failed(error.into()))?;
    let mut client = args.common.connect.connect().await?;
    let by = args.stream.map(|name| if is_pattern(&name) { By::Glob(name) } else { By::Id(name) });
    let streams: Vec<_> = by.into_iter().map(|by| pb::StreamMatch { selector: Some(by) }).collect();
    let mut left = args.count;
    let mut resume_token = String::new();
    let mut silence = Silence::default();
    let follow = async {
        loop {
            let request = pb::WatchStreamsRequest {
                streams: streams.clone(),
                resume_token: resume_token.clone(),
                heartbeat_interval: Some(pb_duration(HEARTBEAT)),
            };
            let broken = match silence.bound(client.registry.watch_streams(request)).await {
                Err(status) => status,
                Ok(answer) => {
                    let mut events = answer.into_inner();
                    loop {
                        match silence.bound(events.message()).await {
                            Ok(Some(message)) => {
                                silence.over();
                                if !message.resume_token.is_empty() {
                                    resume_token = message.resume_token;
                                }
                                let is_change = matches!(message.event, Some(Event::Change(_)));
                                tell(message.event, args.common.json);
                                if is_change && let Some(left) = &mut left {
                                    *left -= 1;
                                    if *left == 0 {
                                        return Ok(());
                                    }
                                }
                            }
                            Ok(None) => return Ok(()),
                            Err(status) => break status,
                        }
                    }
                }
            };
            match fault::retry(&broken) {
                Some(told) => {
                    eprintln!("{}; connecting again", fault::words(&broken));
                    sleep(told.unwrap_or(PAUSE).min(LONGEST_PAUSE)).await;
                }
                None => return Err(fault::refused("watching the streams", &broken)),
            }
        }
    };
    stop.run_until_cancelled(follow).await.unwrap_or(Ok(()))
}

fn tell(event: Option<Event>, as_json: bool) {
    let line = |time: String, kind: &str, stream: &pb::Stream, why: &str| {
        let state = show::state(stream.status.as_ref());
        print(&format!("{time:<27} {kind:<10} {:<24} {state}{why}\n", stream.stream_id));
    };
    match event {
        Some(Event::Existing(stream)) if as_json => {
            print_json(&json!({ "type": "existing", "stream": show::stream_json(&stream) }));
        }
        Some(Event::Existing(stream)) => line("-".to_owned(), "existing", &stream, ""),
        Some(Event::Change(change)) => {
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
        Some(Event::SnapshotStart(_) | Event::SnapshotEnd(_) | Event::Heartbeat(_)) | None => {}
    }
}
