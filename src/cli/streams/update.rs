//! `frameway streams update`.

use anyhow::anyhow;
use clap::Args;
use prost_types::FieldMask;

use super::erase;
use super::names::with_flags;
use super::plan::{self, Action, Plan, Report, Wanted};
use super::select::SelectArgs;
use super::settings::SettingsArgs;
use super::{Common, show};
use crate::console::output::{print, print_json};
use crate::console::{Failure, refused};
use crate::grpc::mask;
use crate::grpc::registry::MASK_RULES;
use crate::pb::v1 as pb;

/// The field of the privacy masks, in the contract.
const MASKS: &str = "privacy_masks";

/// Change settings of streams; settings that are not given stay as they are.
///
/// With a pattern, several ids, --labelled or --filter, several streams are changed, some of them at
/// the same time. A stream that the server refuses to change does not stop the others, and the exit
/// code is then 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  frameway streams update north-gate --quality 70
  frameway streams update north-gate --label site=south      # replaces all labels
  frameway streams update north-gate --mask 'window=0,0;0.3,0;0.3,0.4;0,0.4' --erase-unmasked
  frameway streams update north-gate --reset retention       # back to the server's default
  frameway streams update 'cam-*' --retain-age 2h --dry-run
  frameway streams update --labelled site=north --max-bytes-per-second 2Mbit
  frameway streams update --filter 'auto_registered = true' --keep-original")]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    select: SelectArgs,

    #[command(flatten)]
    settings: Box<SettingsArgs>,

    /// With new masks: erase the frames from before, which do not have them. Without this flag, a
    /// line says how many there are. For one stream, by its id.
    #[arg(long)]
    erase_unmasked: bool,

    /// A field to reset to the server's default, by its name in the contract, for example labels or
    /// retention.max_age; repeatable.
    #[arg(long, value_name = "FIELD")]
    reset: Vec<String>,

    /// Show what would change without changing anything. The server does not check the new settings
    /// then.
    #[arg(long)]
    dry_run: bool,

    /// Change nothing if the stream was changed since this etag was read. For one stream, by its id.
    #[arg(long, value_name = "ETAG", default_value = "", hide_default_value = true)]
    etag: String,

    /// The reason, for the audit log; at most 512 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(args: UpdateArgs) -> Result<(), Failure> {
    let (wanted, mut mask) = args.settings.into_stream("");
    mask.paths.extend(args.reset);
    if mask.paths.is_empty() {
        return Err(Failure::Usage(anyhow!(
            "nothing to change: give a setting or --reset FIELD (see --help)"
        )));
    }
    if args.select.is_empty() {
        return Err(Failure::Usage(anyhow!("name the streams: by ids, patterns, --labelled or --filter")));
    }
    if args.erase_unmasked && !mask.paths.iter().any(|path| path == MASKS) {
        return Err(Failure::Usage(anyhow!("--erase-unmasked needs new masks: give --mask")));
    }
    if let Some(id) = args.select.one_id().filter(|_| !args.dry_run) {
        let wanted = pb::Stream { stream_id: id.to_owned(), etag: args.etag, ..wanted };
        return one(&args.common, wanted, mask, args.erase_unmasked, args.reason).await;
    }
    if args.erase_unmasked {
        return Err(Failure::Usage(anyhow!(
            "--erase-unmasked needs one stream, by its id, without --dry-run"
        )));
    }
    if !args.etag.is_empty() {
        return Err(Failure::Usage(anyhow!("--etag needs one stream, by its id, without --dry-run")));
    }
    let mut client = args.common.connect.connect().await?;
    let streams = args.select.read(&mut client).await?;
    let plan = |stream: pb::Stream| {
        let wanted = pb::Stream { stream_id: stream.stream_id.clone(), ..wanted.clone() };
        let merged = mask::merge(&MASK_RULES, &mask.paths, &stream, &wanted)
            .map_err(|fault| Failure::Usage(anyhow!(fault.message)))?;
        let changes = plan::changes(&stream, &merged)?;
        let action = match changes.is_empty() {
            true => Action::Nothing,
            false => Action::Update { mask: mask.clone(), changes },
        };
        Ok(Plan { wanted: Wanted::Stream(Box::new(wanted)), action })
    };
    let plans = streams.into_iter().map(plan).collect::<Result<_, Failure>>()?;
    let report = Report { dry_run: args.dry_run, as_json: args.common.json, has_groups: false };
    plan::carry_out(&client, plans, &args.reason, report).await
}

/// Changes one stream.
async fn one(
    common: &Common,
    wanted: pb::Stream,
    mask: FieldMask,
    erases_unmasked: bool,
    reason: String,
) -> Result<(), Failure> {
    let (id, changed) = (wanted.stream_id.clone(), mask.paths.join(", "));
    let masks_pictures = mask.paths.iter().any(|path| path == MASKS);
    let mut client = common.connect.connect().await?;
    let request =
        pb::UpdateStreamRequest { stream: Some(wanted), update_mask: Some(mask), reason: reason.clone() };
    let answer = client.registry.update_stream(request).await;
    let action = format!("changing {id}");
    let stream = answer.map_err(|status| refused(&action, &status).map_text(with_flags))?.into_inner().stream;
    let stream = stream.unwrap_or_default();
    let unmasked = match masks_pictures && !stream.privacy_masks.is_empty() {
        true => Some(erase::unmasked(&mut client, &stream, erases_unmasked, reason).await?),
        false => None,
    };
    if common.json {
        let mut json = show::stream_json(&stream);
        if let Some(unmasked) = unmasked {
            json["unmasked"] = unmasked.json(&id);
        }
        print_json(&json);
    } else {
        let unmasked = unmasked.map(|unmasked| unmasked.text(&id)).unwrap_or_default();
        print(&format!("changed {changed} of {id}\n{unmasked}"));
    }
    Ok(())
}
