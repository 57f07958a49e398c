//! `frameway dead-letters summary`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::choose::FilterArgs;
use super::pages::Pages;
use super::{Common, show};
use crate::console::Failure;
use crate::console::output::{Table, bytes, print, print_json, since, span, time_json};
use crate::pb::v1 as pb;

/// Count dead letters by stream and reason.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters summary
  frameway dead-letters summary --younger-than 1h
  frameway dead-letters summary --json | jq '.groups[] | select(.count > 100)'")]
pub(super) struct SummaryArgs {
    #[command(flatten)]
    filter: FilterArgs,

    #[command(flatten)]
    common: Common,
}

/// The dead letters of a stream with the same reason and origin.
#[derive(Debug, Default)]
struct Count {
    letters: u64,
    replayed: u64,
    bytes: u64,
    oldest: Option<prost_types::Timestamp>,
    newest: Option<prost_types::Timestamp>,
}

pub(super) async fn run(args: SummaryArgs) -> Result<(), Failure> {
    let filter = args.filter.text()?;
    let client = args.common.connect.connect().await?;
    let mut pages = Pages::new(&client, filter);
    let mut counts: BTreeMap<(String, String, String), Count> = BTreeMap::new();
    while let Some(page) = pages.next(usize::MAX).await? {
        for letter in &page.dead_letters {
            let key = (letter.stream_id.clone(), show::reason(letter), show::source(letter));
            counts.entry(key).or_default().add(letter);
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(count.letters));
    if args.common.json {
        let groups: Vec<Value> = counts.iter().map(|(key, count)| count.json(key)).collect();
        print_json(&json!({ "groups": groups }));
    } else {
        print(&table(&counts));
    }
    Ok(())
}

impl Count {
    fn add(&mut self, letter: &pb::DeadLetter) {
        self.letters += 1;
        self.replayed += u64::from(letter.replay_time.is_some());
        self.bytes += letter.picture.as_ref().map_or(0, |picture| picture.size_bytes);
        // The list is from the newest to the oldest.
        self.newest = self.newest.or(letter.dead_letter_time);
        self.oldest = letter.dead_letter_time.or(self.oldest);
    }

    fn json(&self, (stream, reason, source): &(String, String, String)) -> Value {
        json!({
            "stream_id": stream,
            "reason": reason,
            "source": source,
            "count": self.letters,
            "replayed": self.replayed,
            "picture_bytes": self.bytes,
            "oldest_time": time_json(self.oldest.as_ref()),
            "newest_time": time_json(self.newest.as_ref()),
        })
    }
}

fn table(counts: &[((String, String, String), Count)]) -> String {
    let headings = ["STREAM", "REASON", "FROM", "COUNT", "REPLAYED", "PICTURES", "OLDEST", "NEWEST"];
    let mut table = Table::new(&headings, &[3, 4, 5, 6, 7]);
    let age = |time: Option<prost_types::Timestamp>| time.map_or("-".to_owned(), |time| span(since(&time)));
    for ((stream, reason, source), count) in counts {
        table.row([
            stream.clone(),
            reason.clone(),
            source.clone(),
            count.letters.to_string(),
            count.replayed.to_string(),
            bytes(count.bytes),
            age(count.oldest),
            age(count.newest),
        ]);
    }
    let total: u64 = counts.iter().map(|(_, count)| count.letters).sum();
    let rows = if counts.is_empty() { String::new() } else { table.render() };
    format!("{rows}{total} dead letters\n")
}
