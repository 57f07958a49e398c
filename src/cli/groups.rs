//! `frameway groups`.

use std::time::Duration;

use anyhow::anyhow;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, ConnectArgs};
use super::moment::parse_moment;
use super::output::{
    Table, bytes, duration, ms_json, pb_duration, print, print_json, span, time_gap_words, timestamp,
};
use super::sources::is_pattern;
use super::{Failure, fault};
use crate::pb::v1 as pb;
use crate::pb::v1::start_position::Position;
use crate::pb::v1::stream_match::Selector as By;

/// List, create, show, change, move and delete consumer groups.
///
/// A group is a named, stored reader: its members (`frameway subscribe --group`) share the frames of its streams and
/// acknowledge each; what nobody acknowledges comes again, and becomes a dead letter in the end.
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
    List(Common),
    /// Make a group.
    Create(CreateArgs),
    /// Show a group, its members and its position in each stream.
    Show(NamedArgs),
    /// Change settings of a group.
    Update(UpdateArgs),
    /// Move a group to another position: what is outstanding is forgotten.
    Seek(SeekArgs),
    /// Remove a group with its positions.
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
    #[arg(required = true, value_name = "STREAM")]
    streams: Vec<String>,

    /// Where to begin: live, earliest, a sequence number, or a time span before now (15m).
    #[arg(long, value_name = "WHERE", default_value = "live")]
    from: Where,

    #[command(flatten)]
    settings: SettingsArgs,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct UpdateArgs {
    /// The group.
    group: String,

    /// Select these streams instead.
    #[arg(long, value_name = "STREAM", value_delimiter = ',')]
    streams: Vec<String>,

    #[command(flatten)]
    settings: SettingsArgs,

    /// Why, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// The group.
    group: String,

    /// Why, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct SeekArgs {
    /// The group.
    group: String,

    /// Where to go on: live, earliest, a sequence number, a time before now (15m) or a moment (2026-05-01T12:00:00Z).
    #[arg(long, value_name = "WHERE")]
    to: Where,

    /// Only in this stream, or those of a quoted pattern.
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,

    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Default, Args)]
struct SettingsArgs {
    /// For people.
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,

    /// Time that a member has to acknowledge a frame, 1s to 1h; 30s unless it is given.
    ///
    /// Then it comes again, to any member. Choose a little more than the slowest frame takes: sooner, and frames are handled
    /// twice; later, and the frames of a member that died wait for longer. A member that returns within it keeps its frames.
    #[arg(long, value_name = "SPAN", value_parser = humantime::parse_duration)]
    ack_deadline: Option<Duration>,

    /// Deliveries before a frame becomes a dead letter, 1 to 100; 5 unless it is given.
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,

    /// Most unacknowledged frames of all members together, to 100,000; 10,000 unless it is given.
    ///
    /// It bounds what is handled twice when everything restarts. How many each member holds is its own choice when it joins;
    /// unless it makes one, the server gives it what it handles in about a second while others have room, and 100 at most.
    #[arg(long, value_name = "N")]
    max_outstanding: Option<u32>,

    /// Any frame to any member, or all frames of a stream to one; any unless it is given.
    #[arg(long, value_enum)]
    affinity: Option<Affinity>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Affinity {
    /// Any frame to any member that has room.
    Any,
    /// All frames of a stream to one member, in order.
    Stream,
}

/// A position.
#[derive(Debug, Clone, PartialEq)]
struct Where(Position);

impl std::str::FromStr for Where {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "live" => Position::Live(pb::StartLive {}),
            "earliest" => Position::Earliest(pb::StartEarliest {}),
            text => match (text.parse::<u64>(), humantime::parse_duration(text)) {
                (Ok(number), _) if number > 0 => Position::Sequence(number),
                (Err(_), Ok(age)) => Position::Age(pb_duration(age)),
                _ => match parse_moment(text) {
                    Ok(time) => Position::ReceiveTime(timestamp(time)),
                    Err(why) => {
                        return Err(format!(
                            "write live, earliest, a sequence from 1, a span (15m) or a moment: it {why}"
                        ));
                    }
                },
            },
        }))
    }
}

impl SettingsArgs {
    /// Sets what is given; answers its paths.
    fn apply(self, group: &mut pb::ConsumerGroup) -> Vec<String> {
        let mut paths = Vec::new();
        let mut named = |path: &str| paths.push(path.to_owned());
        if let Some(text) = self.display_name {
            group.display_name = text;
            named("display_name");
        }
        if let Some(span) = self.ack_deadline {
            group.ack_deadline = Some(pb_duration(span));
            named("ack_deadline");
        }
        if let Some(attempts) = self.max_attempts {
            group.max_delivery_attempts = Some(attempts);
            named("max_delivery_attempts");
        }
        if let Some(frames) = self.max_outstanding {
            group.max_outstanding_frames = Some(frames);
            named("max_outstanding_frames");
        }
        if let Some(affinity) = self.affinity {
            let affinity = match affinity {
                Affinity::Any => pb::GroupAffinity::Any,
                Affinity::Stream => pb::GroupAffinity::Stream,
            };
            group.affinity = affinity.into();
            named("affinity");
        }
        paths
    }
}

/// Says on standard error which frames a start by time does not find any more.
fn note_time_gaps(gaps: &[pb::Gap]) {
    gaps.iter().filter_map(time_gap_words).for_each(|words| eprintln!("{words}"));
}

fn selection(streams: &[String]) -> Vec<pb::StreamMatch> {
    let by = |text: &String| if is_pattern(text) { By::Glob(text.clone()) } else { By::Id(text.clone()) };
    streams.iter().map(|text| pb::StreamMatch { selector: Some(by(text)) }).collect()
}

/// Asks and prints.
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
            let mut group = pb::ConsumerGroup {
                group_id: args.group,
                streams: selection(&args.streams),
                start: Some(pb::StartPosition { position: Some(args.from.0) }),
                ..Default::default()
            };
            args.settings.apply(&mut group);
            let mut client = args.common.connect.connect().await?;
            let request = pb::CreateConsumerGroupRequest { group: Some(group) };
            let answer = client.groups.create_consumer_group(request).await;
            let answer = answer.map_err(|status| fault::refused("creating the group", &status))?;
            let answer = answer.into_inner();
            note_time_gaps(&answer.time_gaps);
            told(args.common.json, "created", answer.group)
        }
        GroupsCommand::Show(args) => show(args).await,
        GroupsCommand::Update(args) => {
            let mut group = pb::ConsumerGroup { group_id: args.group, ..Default::default() };
            let mut paths = args.settings.apply(&mut group);
            if !args.streams.is_empty() {
                group.streams = selection(&args.streams);
                paths.push("streams".to_owned());
            }
            if paths.is_empty() {
                let what = "nothing to change: give a setting, see frameway groups update --help";
                return Err(Failure::Usage(anyhow!(what)));
            }
            let mut client = args.common.connect.connect().await?;
            let request = pb::UpdateConsumerGroupRequest {
                group: Some(group),
                update_mask: Some(prost_types::FieldMask { paths }),
                reason: args.reason,
            };
            let answer = client.groups.update_consumer_group(request).await;
            let answer = answer.map_err(|status| fault::refused("updating the group", &status))?;
            told(args.common.json, "updated", answer.into_inner().group)
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
            let answer = answer.map_err(|status| fault::refused("moving the group", &status))?.into_inner();
            note_time_gaps(&answer.time_gaps);
            told(args.common.json, &format!("moved in {} streams:", answer.moved_streams), answer.group)
        }
        GroupsCommand::Delete(args) => {
            let mut client = args.common.connect.connect().await?;
            let request = pb::DeleteConsumerGroupRequest {
                group_id: args.group.clone(),
                reason: args.reason,
                ..Default::default()
            };
            let answer = client.groups.delete_consumer_group(request).await;
            let gone = answer.map_err(|status| fault::refused("deleting the group", &status))?.into_inner();
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

fn told(json: bool, what: &str, group: Option<pb::ConsumerGroup>) -> Result<(), Failure> {
    let group = group.unwrap_or_default();
    if json {
        print_json(&group_json(&group));
    } else {
        print(&format!("{what} {}\n", group.group_id));
    }
    Ok(())
}

async fn list(client: &mut Client) -> Result<Vec<pb::ConsumerGroup>, Failure> {
    let mut groups = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListConsumerGroupsRequest { page_size: 1_000, page_token, ..Default::default() };
        let answer = client.groups.list_consumer_groups(request).await;
        let page = answer.map_err(|status| fault::refused("listing the groups", &status))?.into_inner();
        groups.extend(page.groups);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(groups);
        }
    }
}

async fn show(args: NamedArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let request = pb::GetConsumerGroupRequest { group_id: args.group.clone() };
    let answer = client.groups.get_consumer_group(request).await;
    let answer = answer.map_err(|status| fault::refused("reading the group", &status))?;
    let group = answer.into_inner().group.unwrap_or_default();
    let mut streams = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListConsumerGroupPositionsRequest {
            group_id: args.group.clone(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let answer = client.groups.list_consumer_group_positions(request).await;
        let page = answer.map_err(|status| fault::refused("reading the group's positions", &status))?;
        let page = page.into_inner();
        streams.extend(page.positions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if args.common.json {
        let mut value = group_json(&group);
        value["streams"] = streams.iter().map(position_json).collect();
        print_json(&value);
        return Ok(());
    }
    let mut text = table(std::slice::from_ref(&group));
    let members = group.status.map(|status| status.members).unwrap_or_default();
    if !members.is_empty() {
        let mut table = Table::new(&["MEMBER", "OUTSTANDING", "WINDOW", "BYTES", "OLDEST"], &[1, 2, 3, 4]);
        for member in members {
            let (held, window) = (member.outstanding_frames.to_string(), member.window_frames.to_string());
            let oldest = age(member.oldest_outstanding_age.as_ref());
            table.row([member.member_id, held, window, bytes(member.outstanding_bytes), oldest]);
        }
        text.push_str(&format!("\n{}", table.render()));
    }
    let mut table = Table::new(
        &["STREAM", "ACKNOWLEDGED", "DELIVERED", "HEAD", "LAG", "OUTSTANDING", "MEMBER"],
        &[1, 2, 3, 4, 5],
    );
    for one in streams {
        table.row([
            one.stream_id,
            one.acknowledged_sequence.to_string(),
            one.delivered_sequence.to_string(),
            one.head_sequence.to_string(),
            one.lag_frames.to_string(),
            one.outstanding_frames.to_string(),
            one.member_id,
        ]);
    }
    text.push_str(&format!("\n{}", table.render()));
    print(&text);
    Ok(())
}

fn table(groups: &[pb::ConsumerGroup]) -> String {
    let headings =
        ["GROUP", "STREAMS", "MEMBERS", "LAG", "OUTSTANDING", "OLDEST", "DONE", "AGAIN", "DEAD", "LOST"];
    let mut table = Table::new(&headings, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for group in groups {
        let status = group.status.clone().unwrap_or_default();
        table.row([
            group.group_id.clone(),
            status.stream_count.to_string(),
            status.members.len().to_string(),
            status.lag_frames.to_string(),
            status.outstanding_frames.to_string(),
            age(status.oldest_outstanding_age.as_ref()),
            status.acknowledged_frames.to_string(),
            status.redelivered_frames.to_string(),
            status.dead_letter_frames.to_string(),
            status.lost_to_retention_frames.to_string(),
        ]);
    }
    table.render()
}

/// How long the oldest outstanding frame has been out.
fn age(oldest: Option<&prost_types::Duration>) -> String {
    oldest.map_or_else(|| "-".to_owned(), |oldest| span(duration(oldest)))
}

fn group_json(group: &pb::ConsumerGroup) -> Value {
    let effective = group.effective.unwrap_or_default();
    let status = group.status.clone().unwrap_or_default();
    let members = status.members.iter().map(|member| {
        json!({
            "member_id": member.member_id,
            "outstanding_frames": member.outstanding_frames,
            "outstanding_bytes": member.outstanding_bytes,
            "oldest_outstanding_age_ms": ms_json(member.oldest_outstanding_age.as_ref().map(duration)),
            "window_frames": member.window_frames,
        })
    });
    json!({
        "group_id": group.group_id,
        "display_name": group.display_name,
        "etag": group.etag,
        "generation": group.generation,
        "ack_deadline_ms": ms_json(effective.ack_deadline.as_ref().map(duration)),
        "affinity": match effective.affinity() {
            pb::GroupAffinity::Stream => "stream",
            pb::GroupAffinity::Any | pb::GroupAffinity::Unspecified => "any",
        },
        "max_delivery_attempts": effective.max_delivery_attempts,
        "max_outstanding_frames": effective.max_outstanding_frames,
        "stream_count": status.stream_count,
        "lag_frames": status.lag_frames,
        "outstanding_frames": status.outstanding_frames,
        "oldest_outstanding_age_ms": ms_json(status.oldest_outstanding_age.as_ref().map(duration)),
        "acknowledged_frames": status.acknowledged_frames,
        "redelivered_frames": status.redelivered_frames,
        "dead_letter_frames": status.dead_letter_frames,
        "lost_to_retention_frames": status.lost_to_retention_frames,
        "members": members.collect::<Vec<_>>(),
    })
}

fn position_json(one: &pb::ConsumerGroupPosition) -> Value {
    json!({
        "stream_id": one.stream_id,
        "acknowledged_sequence": one.acknowledged_sequence,
        "delivered_sequence": one.delivered_sequence,
        "head_sequence": one.head_sequence,
        "lag_frames": one.lag_frames,
        "outstanding_frames": one.outstanding_frames,
        "member_id": one.member_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_word_a_number_a_span_or_a_time() {
        let read = |text: &str| text.parse::<Where>().map(|at| at.0);
        assert!(matches!(read("live"), Ok(Position::Live(_))));
        assert_eq!(read("17"), Ok(Position::Sequence(17)));
        assert!(matches!(read("15m"), Ok(Position::Age(age)) if age.seconds == 900));
        assert!(matches!(read("2026-01-02T03:04:05Z"), Ok(Position::ReceiveTime(_))));
        assert!(read("0").is_err() && read("sometime").is_err());
    }
}
