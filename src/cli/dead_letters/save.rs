//! `frameway dead-letters save`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::choose::{FilterArgs, require_one};
use super::pages::Pages;
use super::{Common, picture, show};
use crate::client::Client;
use crate::console::Failure;
use crate::console::output::{print, print_json, write_whole};
use crate::pb::v1 as pb;

/// The number of dead letters that are read at the same time. A picture has at most 16 MiB by default.
const AT_ONCE: usize = 4;
/// The file with the facts about each saved picture.
const INDEX: &str = "dead-letters.jsonl";

/// Save the pictures of dead letters, and an index of them.
///
/// Each picture becomes DIR/STREAM/SEQUENCE-REASON-ID.EXT. The index, DIR/dead-letters.jsonl, has a
/// line of JSON for each dead letter, as `frameway dead-letters list --json` prints it, with the
/// name of the file. Pictures that are in the folder already are not read again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway dead-letters save broken --all
  frameway dead-letters save broken --stream north-gate --reason DECODE_TRUNCATED
  frameway dead-letters save broken p07-1763856000123456-12")]
pub(super) struct SaveArgs {
    /// The folder; it is created.
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Ids of dead letters.
    ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// All dead letters.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    common: Common,
}

/// The outcome of one dead letter.
enum Saved {
    /// The file, relative to the folder, and whether it was there already.
    File(String, bool),
    /// There is no picture.
    Without,
    /// The server omitted the picture, or refused the call.
    Refused(String),
}

#[derive(Default)]
struct Counts {
    saved: u64,
    known: u64,
    without: u64,
    refused: u64,
    first_refusal: String,
}

pub(super) async fn run(args: SaveArgs) -> Result<(), Failure> {
    let filter = args.filter.text()?;
    require_one(&args.ids, &filter, args.all)?;
    let client = args.common.connect.connect().await?;
    fs::create_dir_all(&args.folder)
        .with_context(|| format!("cannot create {}", args.folder.display()))
        .map_err(Failure::Usage)?;
    let mut counts = Counts::default();
    let mut index = String::new();
    let result = save_all(&args, &client, filter, &mut counts, &mut index).await;
    // Saved pictures are listed, also if the rest failed.
    let listed = write_whole(&args.folder.join(INDEX), index.as_bytes()).map_err(Failure::Failed);
    counts.report(&args);
    result.and(listed)?;
    match counts.refused {
        0 => Ok(()),
        refused => Err(Failure::Failed(anyhow!("{refused} not saved; {}", counts.first_refusal))),
    }
}

async fn save_all(
    args: &SaveArgs,
    client: &Client,
    filter: String,
    counts: &mut Counts,
    index: &mut String,
) -> Result<(), Failure> {
    if !args.ids.is_empty() {
        let letters =
            args.ids.iter().map(|id| pb::DeadLetter { dead_letter_id: id.clone(), ..Default::default() });
        return save_some(args, client, letters.collect(), counts, index).await;
    }
    let mut pages = Pages::new(client, filter);
    while let Some(page) = pages.next(usize::MAX).await? {
        save_some(args, client, page.dead_letters, counts, index).await?;
    }
    Ok(())
}

async fn save_some(
    args: &SaveArgs,
    client: &Client,
    letters: Vec<pb::DeadLetter>,
    counts: &mut Counts,
    index: &mut String,
) -> Result<(), Failure> {
    let save = |letter| save_one(args, client, letter);
    let mut outcomes = futures::stream::iter(letters.into_iter().map(save)).buffered(AT_ONCE);
    while let Some(outcome) = outcomes.next().await {
        let (letter, saved) = outcome?;
        let mut entry = show::as_json(&letter);
        match saved {
            Saved::File(file, is_known) => {
                entry["file"] = file.into();
                if is_known { counts.known += 1 } else { counts.saved += 1 }
            }
            Saved::Without => {
                entry["file"] = Value::Null;
                counts.without += 1;
            }
            Saved::Refused(why) => {
                if counts.refused == 0 {
                    counts.first_refusal = format!("{}: {why}", letter.dead_letter_id);
                }
                counts.refused += 1;
                continue;
            }
        }
        index.push_str(&format!("{entry}\n"));
    }
    Ok(())
}

/// Saves the picture of a dead letter, unless it is in the folder.
async fn save_one(
    args: &SaveArgs,
    client: &Client,
    listed: pb::DeadLetter,
) -> Result<(pb::DeadLetter, Saved), Failure> {
    // A dead letter that was named by its id is not known yet.
    let is_listed = !listed.stream_id.is_empty();
    if let Some(kept) = listed.picture.as_ref().filter(|_| is_listed) {
        let file = file_name(&listed);
        if fs::metadata(args.folder.join(&file)).is_ok_and(|found| found.len() == kept.size_bytes) {
            return Ok((listed, Saved::File(file, true)));
        }
    } else if is_listed {
        return Ok((listed, Saved::Without));
    }
    let mut letter = match picture::read(client, &listed.dead_letter_id, false).await {
        Ok(letter) => letter,
        Err(Failure::Failed(error) | Failure::Usage(error)) => {
            return Ok((listed, Saved::Refused(format!("{error:#}"))));
        }
    };
    let file = file_name(&letter);
    let saved = match picture::data(&mut letter) {
        Ok(Some(data)) => {
            write(&args.folder.join(&file), &data)?;
            Saved::File(file, false)
        }
        Ok(None) => Saved::Without,
        Err(why) => Saved::Refused(why),
    };
    Ok((letter, saved))
}

fn write(path: &Path, data: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))
        .and_then(|()| write_whole(path, data))
        .map_err(Failure::Failed)
}

/// Returns the file for a dead letter, relative to the folder.
fn file_name(letter: &pb::DeadLetter) -> String {
    let extension = letter.picture.as_ref().map_or("bin", picture::extension);
    // Ids of streams are safe names for files. Ids of dead letters are opaque.
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let id: String =
        letter.dead_letter_id.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect();
    format!("{}/{:09}-{}-{id}.{extension}", letter.stream_id, letter.sequence, show::reason(letter))
}

impl Counts {
    fn report(&self, args: &SaveArgs) {
        let folder = args.folder.display();
        if args.common.json {
            print_json(&json!({
                "folder": folder.to_string(),
                "saved": self.saved,
                "already_saved": self.known,
                "without_picture": self.without,
                "refused": self.refused,
            }));
            return;
        }
        let mut text = format!("saved {} pictures to {folder}", self.saved);
        for (count, words) in
            [(self.known, "were there already"), (self.without, "have no picture"), (self.refused, "refused")]
        {
            if count > 0 {
                text.push_str(&format!(", {count} {words}"));
            }
        }
        print(&format!("{text}; the index is {INDEX}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_stays_in_the_folder() {
        let letter = pb::DeadLetter {
            dead_letter_id: "../p07/1-2".to_owned(),
            stream_id: "cam".to_owned(),
            sequence: 12,
            reason: pb::ErrorReason::DecodeTruncated.into(),
            picture: Some(pb::Picture { format: pb::PictureFormat::Jpeg.into(), ..Default::default() }),
            ..Default::default()
        };
        assert_eq!(file_name(&letter), "cam/000000012-DECODE_TRUNCATED-.._p07_1-2.jpg");
    }
}
