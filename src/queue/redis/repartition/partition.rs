use redis::{Pipeline, Value};

use super::copy::{Copied, PAGE, add_entry};
use super::ends::Ends;
use super::error::Moved;
use super::merge::{Merged, stream_of};
use super::plan::{HIGHEST, PAST, Plan, Source, highest};
use super::stream::streams_of;
use crate::domain::{PartitionId, PayloadRef};
use crate::queue::Result;
use crate::queue::redis::markers::MARKER;
use crate::queue::redis::{dead_entry, reply};

/// A stream issues at most one sequence in so many microseconds, on average: see docs/adr/0005.
const STEP_US: u64 = 100;

impl Ends {
    /// Copies what belongs to a partition of the target as a whole; its streams were copied before.
    pub(super) async fn copy_partition(&self, partition: PartitionId, plan: &Plan) -> Moved<()> {
        let keys = self.target.names.keys(partition);
        self.remove(&[keys.counts(), keys.suspects(), keys.fence()]).await?;
        let work = self.copy_work(partition, plan).await?;
        let letters = self.copy_letters(partition, plan).await?;
        let mut write = redis::pipe();
        let key = keys.counts();
        let mut set = |field: &str, value: u64| {
            if value > 0 {
                write.cmd("HSET").arg(&key).arg(field).arg(value);
            }
        };
        for field in HIGHEST {
            set(field, highest(plan.sources(partition), field)?);
        }
        for field in PAST {
            let mut sum = 0;
            for source in plan.ancestors(partition) {
                sum += source.counts.number(field)?;
                // They are not copied, as if the holder of the lease had removed them.
                sum += if *field == "trimmed" { source.old_entries } else { 0 };
            }
            set(field, sum);
        }
        // Finished frames count where the past is, waiting ones where they wait.
        let mut finished = Copied::default();
        for Source { counts, .. } in plan.ancestors(partition) {
            finished.frames += counts.number("accepted")?.saturating_sub(counts.number("work_frames")?);
            finished.bytes += counts.number("accepted_bytes")?.saturating_sub(counts.number("work_bytes")?);
        }
        set("accepted", finished.frames + work.frames);
        set("accepted_bytes", finished.bytes + work.bytes);
        set("work_frames", work.frames);
        set("work_bytes", work.bytes);
        set("dead_frames", letters.frames);
        set("dead_bytes", letters.bytes);
        let sums = self.sums_of_streams(partition).await?;
        set("output_bytes", sums.output_bytes);
        set("settings_bytes", sums.settings_bytes);
        set("publishers", sums.publishers);
        for (field, value) in base(plan, partition)? {
            set(field, value);
        }
        set("epoch", plan.epoch(partition)?);
        // If dead letters are yet to be checked, all are.
        let is_unchecked = |source: &Source| -> Result<bool> {
            Ok(source.counts.number("removals")? != source.counts.number("removals_looked")?)
        };
        for source in plan.sources(partition) {
            if is_unchecked(source)? {
                set("removals", 1);
            }
        }
        set_texts(&mut write, &key, plan, partition)?;
        set_suspects(&mut write, &keys.suspects(), &key, plan, partition)?;
        let fence = plan.sources(partition).map(|source| source.fence).max().unwrap_or(0);
        write.cmd("SET").arg(keys.fence()).arg(fence);
        // In a cluster, each partition has a marker of its own.
        if self.target.control.is_clustered() {
            write.cmd("HSET").arg(&key).arg(MARKER).arg(&self.source.gate.identity().to_bytes()[..]);
        }
        Ok(self.write(&write).await?)
    }

    /// Copies the waiting frames, with their pictures.
    async fn copy_work(&self, partition: PartitionId, plan: &Plan) -> Result<Copied> {
        let key = self.target.names.keys(partition).work();
        self.remove(std::slice::from_ref(&key)).await?;
        let sources = plan.sources(partition).map(|source| source.partition);
        let sources = sources.map(|one| (one, self.source.names.keys(one).work()));
        let mut waiting = Merged::new(&self.source, sources);
        let (mut copied, mut write, mut count) = (Copied::default(), redis::pipe(), 0);
        while let Some((from, (at, fields))) = waiting.next().await? {
            if self.target.config.partitions.of(&stream_of(&fields)?) != partition {
                continue;
            }
            if let Some(picture) = dead_entry::payload_key(&fields)? {
                let picture = PayloadRef { key: picture, size_bytes: fields.number("n")? };
                self.copy_payloads(from, partition, &[picture]).await?;
            }
            copied.add(fields.number("n")?);
            add_entry(&mut write, &key, plan.place(from, at), &fields);
            count += 1;
            if count == PAGE {
                self.write(&write).await?;
                (write, count) = (redis::pipe(), 0);
            }
        }
        self.write(&write).await?;
        Ok(copied)
    }

    async fn sums_of_streams(&self, partition: PartitionId) -> Result<Sums> {
        let keys = self.target.names.keys(partition);
        let ids: Vec<_> = streams_of(&self.target, partition).await?.into_keys().collect();
        let mut sums = Sums::default();
        for some in ids.chunks(PAGE) {
            let mut read = redis::pipe();
            for id in some {
                read.cmd("HMGET").arg(keys.stream(id)).arg("removed").arg("output_bytes");
                read.cmd("HSTRLEN").arg(keys.stream(id)).arg("settings");
                read.cmd("SCARD").arg(keys.publishers(id));
            }
            let mut answers = self.target.all(&self.target.control, &read).await?.into_iter();
            let mut next = || answers.next().unwrap_or(Value::Nil);
            for _ in some {
                let mut fields = reply::array(next())?.into_iter().map(reply::text);
                let mut field = || fields.next().transpose().map(|text| text.flatten().unwrap_or_default());
                let is_registered = field()? == "0";
                let bytes = field()?;
                // An older version may have subtracted too much.
                sums.output_bytes +=
                    if bytes.is_empty() || bytes.starts_with('-') { 0 } else { reply::parse(&bytes)? };
                let settings = reply::number(next())?;
                sums.settings_bytes += if is_registered { settings } else { 0 };
                sums.publishers += reply::number(next())?;
            }
        }
        Ok(sums)
    }
}

/// The sums over the streams of a partition.
#[derive(Debug, Default)]
struct Sums {
    output_bytes: u64,
    settings_bytes: u64,
    publishers: u64,
}

/// Returns where unknown streams begin. The line of sequences over time that they can have reached is
/// at least that of each source.
pub(super) fn base(plan: &Plan, partition: PartitionId) -> Result<[(&'static str, u64); 3]> {
    let (base, epoch) = (highest(plan.sources(partition), "base")?, plan.epoch(partition)?);
    let (mut paced, mut is_due) = (None, false);
    for source in plan.sources(partition) {
        let counts = &source.counts;
        is_due |= counts.number("base_epoch")? < counts.number("epoch")?;
        let at = counts.number("base_paced")?.max(source.last_entry);
        if at > 0 {
            let ahead = (base - counts.number("base")?).saturating_mul(STEP_US);
            let at = at.saturating_add(ahead);
            paced = Some(paced.map_or(at, |lowest: u64| lowest.min(at)));
        }
    }
    let base_epoch = if is_due { epoch.saturating_sub(1) } else { epoch };
    Ok([("base", base), ("base_epoch", base_epoch), ("base_paced", paced.unwrap_or(0))])
}

/// Writes the fields of a partition that are no numbers.
fn set_texts(write: &mut Pipeline, key: &str, plan: &Plan, partition: PartitionId) -> Result<()> {
    let mut purge_to = None;
    for source in plan.sources(partition) {
        let counts = &source.counts;
        // All of them have the same state.
        for field in ["state", "state_reason"] {
            if counts.has(field) {
                write.cmd("HSET").arg(key).arg(field).arg(counts.text(field)?);
            }
        }
        if counts.has("purge_to") {
            let to = plan.place(source.partition, reply::place(counts.text("purge_to")?)?);
            purge_to = purge_to.max(Some(to));
        }
        // Without an instance, the first frame continues the sequences. With that of a process that
        // is gone, it lets them jump, as it would have done in the source.
        if source.may_have_lost()? {
            write.cmd("HSET").arg(key).arg("instance").arg(counts.text("instance")?);
        }
    }
    if let Some((a, b)) = purge_to {
        write.cmd("HSET").arg(key).arg("purge_to").arg(format!("{a}-{b}"));
    }
    Ok(())
}

/// Writes which frames may have crashed a worker, if one ended without releasing its lease.
fn set_suspects(
    write: &mut Pipeline,
    key: &str,
    counts_key: &str,
    plan: &Plan,
    partition: PartitionId,
) -> Result<()> {
    let (mut in_work, mut most_strikes) = (Vec::new(), None);
    for source in plan.sources(partition).filter(|source| source.is_unclean) {
        write.cmd("HSET").arg(key).arg("unclean").arg(1);
        let (from, suspects) = (source.partition, &source.suspects);
        let noted =
            source.counts.text("in_work")?.split(' ').skip(1).chain(suspects.text("isolate")?.split(' '));
        for place in noted.filter(|place| !place.is_empty()) {
            in_work.push(plan.place_text(from, place)?);
        }
        if suspects.has("alone") {
            write.cmd("HSET").arg(key).arg("alone").arg(plan.place_text(from, suspects.text("alone")?)?);
            write.arg("life").arg(suspects.text("life")?);
        }
        // Only one frame can have strikes.
        let strikes = suspects.number("strikes")?;
        if suspects.has("struck") && Some(strikes) > most_strikes {
            most_strikes = Some(strikes);
            write.cmd("HSET").arg(key).arg("struck").arg(plan.place_text(from, suspects.text("struck")?)?);
            write.arg("strikes").arg(strikes);
        }
    }
    if !in_work.is_empty() {
        write.cmd("HSET").arg(counts_key).arg("in_work").arg(format!("- {}", in_work.join(" ")));
    }
    Ok(())
}
