//! Groups as tables and as JSON.

use serde_json::{Value, json};
use tonic::Status;

use super::NamedArgs;
use crate::client::Client;
use crate::console::output::{Table, bytes, duration, ms_json, print, print_json, span};
use crate::console::{Failure, refused};
use crate::pb::v1 as pb;

/// Reads all groups, by id.
pub(in crate::cli) async fn list(client: &mut Client) -> Result<Vec<pb::ConsumerGroup>, Failure> {
    read_all(client).await.map_err(|status| refused("listing the groups", &status))
}

/// Reads all groups, by id; fails with the answer of the server.
pub(in crate::cli) async fn read_all(client: &mut Client) -> Result<Vec<pb::ConsumerGroup>, Status> {
    let mut groups = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListConsumerGroupsRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = client.groups.list_consumer_groups(request).await?.into_inner();
        groups.extend(page.groups);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(groups);
        }
    }
}

pub(super) async fn show(args: NamedArgs) -> Result<(), Failure> {
    let mut client = args.common.connect.connect().await?;
    let request = pb::GetConsumerGroupRequest { group_id: args.group.clone() };
    let answer = client.groups.get_consumer_group(request).await;
    let answer = answer.map_err(|status| refused("reading the group", &status))?;
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
        let page = answer.map_err(|status| refused("reading the group's positions", &status))?;
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
            let (outstanding, window) =
                (member.outstanding_frames.to_string(), member.window_frames.to_string());
            let oldest = age(member.oldest_outstanding_age.as_ref());
            table.row([member.member_id, outstanding, window, bytes(member.outstanding_bytes), oldest]);
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

pub(super) fn table(groups: &[pb::ConsumerGroup]) -> String {
    let headings = [
        "GROUP",
        "STREAMS",
        "MEMBERS",
        "LAG",
        "OUTSTANDING",
        "OLDEST",
        "ACKED",
        "REDELIVERED",
        "DEAD",
        "LOST",
    ];
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

/// Formats the age of the oldest outstanding frame.
fn age(oldest: Option<&prost_types::Duration>) -> String {
    oldest.map_or_else(|| "-".to_owned(), |oldest| span(duration(oldest)))
}

pub(super) fn group_json(group: &pb::ConsumerGroup) -> Value {
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
