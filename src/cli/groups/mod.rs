//! `frameway groups`.

mod settings;
mod show;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::settings::SettingsArgs;
use self::show::{group_json, show, table};
pub(super) use self::show::{list, read_all};
use super::connect::ConnectArgs;
use super::streams::key_value;
use super::time_argument::parse_time;
use crate::client::subscribe::{label_match, stream_match};
use crate::console::output::{pb_duration, print, print_json, time_gap_words, timestamp};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;

/// List, create, show, change, move and delete consumer groups.
///
/// A group is a named, stored reader: its members (`frameway subscribe --group`) share the frames
/// of its streams and acknowledge each; frames that are not acknowledged are redelivered and
/// finally become dead letters.
#[derive(Debug, Args)]
#[command(
    visible_alias = "group",
    after_help = "\
Examples:
  frameway groups create site 'cam-*' --from earliest --ack-deadline 10s
  frameway groups list
  frameway groups show site
  frameway groups update site --max-attempts 3
  frameway groups seek site --to 15m --reason 'detector was down'
  frameway groups delete site"
)]
pub(super) struct GroupsArgs {
    #[command(subcommand)]
    command: GroupsCommand,
}

#[derive(Debug, Subcommand)]
enum GroupsCommand {
    /// List the groups.
    #[command(after_help = "\
Examples:
  frameway groups list
  frameway groups list --json | jq '.[].group_id'")]
    List(Common),
    /// Create a group.
    #[command(after_help = "\
Examples:
  frameway groups create site 'cam-*' --from earliest --ack-deadline 10s
  frameway groups create archive north-gate south-gate --from 1h --affinity stream
  frameway groups create north --label site=north")]
    Create(CreateArgs),
    /// Show a group, its members and its position in each stream.
    #[command(after_help = "\
Examples:
  frameway groups show site
  frameway groups show site --json | jq '.streams[].lag_frames'")]
    Show(NamedArgs),
    /// Change settings of a group.
    #[command(after_help = "\
Examples:
  frameway groups update site --max-attempts 3
  frameway groups update site --streams 'cam-*,north-gate' --reason 'one more gate'")]
    Update(UpdateArgs),
    /// Move a group to another position. Its outstanding frames are dropped.
    #[command(after_help = "\
Examples:
  frameway groups seek site --to 15m --reason 'detector was down'
  frameway groups seek site --to live --stream north-gate")]
    Seek(SeekArgs),
    /// Delete a group and its positions.
    #[command(after_help = "\
Examples:
  frameway groups delete site
  frameway groups delete site --reason 'replaced by archive'")]
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    connect: ConnectArgs,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct NamedArgs {
    /// The group.
    group: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// The group's name.
    group: String,

    /// Stream ids, or quoted patterns of ids (`*`, `?`, `[ab]`).
    #[arg(required_unless_present = "labels", value_name = "STREAM")]
    streams: Vec<String>,

    /// Streams with this label, including those that get it later; repeatable: a stream must have
    /// all of them.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = key_value, conflicts_with = "streams")]
    labels: Vec<(String, String)>,

    /// Start position: live, earliest, a sequence, a time span before now (15m) or a time
    /// (2026-05-01T12:00:00Z).
    #[arg(long, value_name = "POSITION", default_value = "live")]
    from: Start,

    #[command(flatten)]
    settings: SettingsArgs,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    /// The group.
    group: String,

    #[command(flatten)]
    changes: Changes,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Changes {
    /// New list of stream ids or quoted patterns, separated by commas; replaces the old one.
    #[arg(long, value_name = "STREAM", value_delimiter = ',')]
    streams: Vec<String>,

    #[command(flatten)]
    settings: SettingsArgs,
}

impl Changes {
    /// Returns the changes as a group, and the paths of the update mask that name them.
    fn into_group(self, group_id: String) -> (pb::ConsumerGroup, Vec<String>) {
        let mut group = pb::ConsumerGroup { group_id, ..Default::default() };
        let mut paths = self.settings.apply(&mut group);
        if !self.streams.is_empty() {
            group.streams = selection(&self.streams);
            paths.push("streams".to_owned());
        }
        (group, paths)
    }
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// The group.
    group: String,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct SeekArgs {
    /// The group.
    group: String,

    /// New position: live, earliest, a sequence, a time span before now (15m) or a time
    /// (2026-05-01T12:00:00Z).
    #[arg(long, value_name = "POSITION")]
    to: Start,

    /// Move the group only in this stream, or in those that match a quoted pattern.
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

/// A start position.
#[derive(Debug, Clone, PartialEq)]
struct Start(Position);

impl std::str::FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "live" => Position::Live(pb::StartLive {}),
            "earliest" => Position::Earliest(pb::StartEarliest {}),
            text => match (text.parse::<u64>(), humantime::parse_duration(text)) {
                (Ok(number), _) if number > 0 => Position::Sequence(number),
                (Err(_), Ok(age)) => Position::Age(pb_duration(age)),
                _ => match parse_time(text) {
                    Ok(time) => Position::ReceiveTime(timestamp(time)),
                    Err(why) => {
                        return Err(format!(
                            "must be live, earliest, a sequence from 1, a time span (15m) or a time; as a time, it {why}"
                        ));
                    }
                },
            },
        }))
    }
}

/// Reports on standard error which frames of the requested time are no longer kept.
fn note_time_gaps(gaps: &[pb::Gap]) {
    gaps.iter().filter_map(time_gap_words).for_each(|words| eprintln!("{words}"));
}

fn selection(streams: &[String]) -> Vec<pb::StreamMatch> {
    streams.iter().map(|stream| stream_match(stream)).collect()
}

/// Runs a subcommand.
pub(super) async fn run(args: GroupsArgs) -> Result<(), Failure> {
    match args.command {
        GroupsCommand::List(common) => {
            let groups = list(&mut common.connect.connect().await?).await?;
            if common.json {
                print_json(&Value::Array(groups.iter().map(group_json).collect()));
            } else {
                print(&table(&groups));
            }
            Ok(())
        }
        GroupsCommand::Create(args) => {
            let streams = match args.labels.is_empty() {
                true => selection(&args.streams),
                false => vec![label_match(args.labels)],
            };
            let mut group = pb::ConsumerGroup {
                group_id: args.group,
                streams,
                start: Some(pb::StartPosition { position: Some(args.from.0) }),
                ..Default::default()
            };
            args.settings.apply(&mut group);
            let mut client = args.common.connect.connect().await?;
            let request = pb::CreateConsumerGroupRequest { group: Some(group) };
            let answer = client.groups.create_consumer_group(request).await;
            let answer = answer.map_err(|status| refused("creating the group", &status))?;
            let answer = answer.into_inner();
            note_time_gaps(&answer.time_gaps);
            print_group(args.common.json, "created", answer.group)
        }
        GroupsCommand::Show(args) => show(args).await,
        GroupsCommand::Update(args) => {
            let (group, paths) = args.changes.into_group(args.group);
            if paths.is_empty() {
                let what = "nothing to change: give a setting (see frameway groups update --help)";
                return Err(Failure::Usage(anyhow!(what)));
            }
            let mut client = args.common.connect.connect().await?;
            let request = pb::UpdateConsumerGroupRequest {
                group: Some(group),
                update_mask: Some(prost_types::FieldMask { paths }),
                reason: args.reason,
            };
            let answer = client.groups.update_consumer_group(request).await;
            let answer = answer.map_err(|status| refused("updating the group", &status))?;
            print_group(args.common.json, "updated", answer.into_inner().group)
        }
        GroupsCommand::Seek(args) => {
            let mut client = args.common.connect.connect().await?;
            let request = pb::SeekConsumerGroupRequest {
                group_id: args.group,
                position: Some(pb::StartPosition { position: Some(args.to.0) }),
                all_streams: args.stream.is_none(),
                streams: selection(args.stream.as_slice()),
                etag: String::new(),
                reason: args.reason,
            };
            let answer = client.groups.seek_consumer_group(request).await;
            let answer = answer.map_err(|status| refused("moving the group", &status))?.into_inner();
            note_time_gaps(&answer.time_gaps);
            print_group(
                args.common.json,
                &format!("moved in {} streams:", answer.moved_streams),
                answer.group,
            )
        }
        GroupsCommand::Delete(args) => {
            let mut client = args.common.connect.connect().await?;
            let request = pb::DeleteConsumerGroupRequest {
                group_id: args.group.clone(),
                reason: args.reason,
                ..Default::default()
            };
            let answer = client.groups.delete_consumer_group(request).await;
            let gone = answer.map_err(|status| refused("deleting the group", &status))?.into_inner();
            if args.common.json {
                print_json(&json!({
                    "group_id": args.group,
                    "outstanding_frames": gone.outstanding_frames,
                    "lag_frames": gone.lag_frames,
                }));
            } else {
                print(&format!(
                    "deleted {}: {} frames outstanding, {} not acknowledged\n",
                    args.group, gone.outstanding_frames, gone.lag_frames
                ));
            }
            Ok(())
        }
    }
}

fn print_group(json: bool, what: &str, group: Option<pb::ConsumerGroup>) -> Result<(), Failure> {
    let group = group.unwrap_or_default();
    if json {
        print_json(&group_json(&group));
    } else {
        print(&format!("{what} {}\n", group.group_id));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::each_alone;
    use crate::grpc;

    #[test]
    fn the_server_applies_every_setting_by_the_path_that_names_it() {
        let flags = each_alone::<Changes>();
        assert!(flags.len() > 5, "only {} flags", flags.len());
        for (flag, args) in flags {
            let (wanted, paths) = args.into_group("site".to_owned());
            assert!(!paths.is_empty(), "{flag} is not in the mask");
            // The flag alone, merged into a group without settings, gives what was sent.
            let current = pb::ConsumerGroup { group_id: "site".to_owned(), ..Default::default() };
            let merged = grpc::mask::merge(&grpc::groups::MASK_RULES, &paths, &current, &wanted);
            assert_eq!(merged.map_err(|fault| fault.message), Ok(wanted), "{flag}: {paths:?}");
        }
    }

    #[test]
    fn a_position_is_a_word_a_number_a_span_or_a_time() {
        let read = |text: &str| text.parse::<Start>().map(|at| at.0);
        assert!(matches!(read("live"), Ok(Position::Live(_))));
        assert_eq!(read("17"), Ok(Position::Sequence(17)));
        assert!(matches!(read("15m"), Ok(Position::Age(age)) if age.seconds == 900));
        assert!(matches!(read("2026-01-02T03:04:05Z"), Ok(Position::ReceiveTime(_))));
        assert!(read("0").is_err() && read("sometime").is_err());
    }
}
