//! Records promised and received frames, and compares them:
//!
//! - A: each frame answered ACCEPTED or DUPLICATE is in the output once, as a frame or as a
//!   tombstone with its reason; frames without an answer were sent again until they had one
//! - B: no byte differs
//! - C: each stream is in order
//! - D: nothing is delivered twice

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use frameway::pb::v1::GapReason;

/// The digest of a picture's bytes.
pub(crate) type Digest = Vec<u8>;

/// A frame as its publisher knows it.
#[derive(Debug, Clone)]
struct Promised {
    number: u64,
    digest: Digest,
    at: Instant,
}

/// A frame as a subscriber received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) sequence: u64,
    pub(crate) number: u64,
    pub(crate) digest: Digest,
}

/// A gap as a subscriber received it; the range is inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) reasons: Vec<(GapReason, u64)>,
}

#[derive(Debug)]
enum Arrival {
    Frame(Delivered),
    Gap(Missing),
}

#[derive(Debug, Default)]
struct Records {
    /// True if the streams' sequences may begin above 1.
    begins_anywhere: bool,
    /// True if a failover may lose frames that were not promised.
    fails_over: bool,
    /// True if the store may lose everything, as long as gaps tell of it.
    loses_all: bool,
    /// Frames that were sent and not answered yet.
    open: BTreeSet<(String, u64)>,
    /// The promised frames, by stream and sequence.
    promised: BTreeMap<(String, u64), Promised>,
    /// All promises in order: a store that lost data may issue a sequence twice.
    promises: Vec<(String, u64, Instant)>,
    /// The arrivals by stream, in order.
    arrived: BTreeMap<String, Vec<Arrival>>,
    /// The reasons for which a frame may be missing, if a gap reports them.
    tombstones: Vec<GapReason>,
    /// The last sequences of each stream's ended registrations.
    floors: BTreeMap<String, BTreeSet<u64>>,
    faults: Vec<String>,
}

/// The result of comparing the records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// The number of promised frames.
    pub(crate) at_stake: u64,
    /// Promised frames that are neither received nor reported.
    pub(crate) lost: u64,
    /// Frames that were received more than once.
    pub(crate) duplicates: u64,
    /// Frames with a tombstone, for a reason that the test allows.
    pub(crate) tombstones: u64,
    /// Frames that were received, and lost by a failover before they were promised.
    pub(crate) unconfirmed: u64,
    /// The lost frames: stream, publisher sequence, and when they were promised.
    pub(crate) losses: Vec<(String, u64, Instant)>,
    /// All faults, in words.
    pub(crate) faults: Vec<String>,
}

/// The records of a test, shared by its publisher and its subscriber.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Records>);

impl Ledger {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows the streams' sequences to begin above 1.
    pub(crate) fn begins_anywhere(&self) {
        self.records().begins_anywhere = true;
    }

    /// Allows failovers: frames that were not promised may be lost after a subscriber received them,
    /// and are received again when they were sent again; sequences jump. No promised frame may be in
    /// a gap.
    pub(crate) fn fails_over(&self) {
        self.records().fails_over = true;
        self.allow(&[GapReason::BackendFailover]);
    }

    /// Allows the store to lose everything, and to be filled again: promised frames may be in the gap
    /// of a failover, and frames that were not promised may be received.
    pub(crate) fn loses_all(&self) {
        self.fails_over();
        self.records().loses_all = true;
    }

    /// Allows frames to be missing for these reasons, if a gap reports them.
    pub(crate) fn allow(&self, reasons: &[GapReason]) {
        self.records().tombstones.extend(reasons);
    }

    /// Records that the stream was unregistered with this last sequence: its subscribers receive
    /// gaps for the rest, and no older frame after that. Publisher sequences begin again.
    pub(crate) fn removed(&self, stream: &str, last: u64) {
        self.records().floors.entry(stream.to_owned()).or_default().insert(last);
    }

    /// Reports whether streams are unregistered in this test.
    pub(crate) fn has_removals(&self) -> bool {
        let records = self.records();
        !records.floors.is_empty() || records.tombstones.contains(&GapReason::Unregistered)
    }

    /// Returns how often the stream had been unregistered when this sequence was issued.
    pub(crate) fn removals_before(&self, (stream, sequence): &(String, u64)) -> usize {
        self.records().floors.get(stream).map_or(0, |floors| floors.range(..*sequence).count())
    }

    /// Records that the publisher sends this frame until it is answered.
    pub(crate) fn sent(&self, stream: &str, number: u64) {
        self.records().open.insert((stream.to_owned(), number));
    }

    /// Records that the server refused this frame finally.
    pub(crate) fn refused(&self, stream: &str, number: u64) {
        self.records().open.remove(&(stream.to_owned(), number));
    }

    /// Records that the server answered ACCEPTED or DUPLICATE: the frame is promised.
    pub(crate) fn promised(&self, stream: &str, sequence: u64, number: u64, digest: Digest) {
        let mut records = self.records();
        records.open.remove(&(stream.to_owned(), number));
        let promise = Promised { number, digest, at: Instant::now() };
        records.promises.push((stream.to_owned(), number, promise.at));
        if let Some(other) = records.promised.insert((stream.to_owned(), sequence), promise)
            && other.number != number
        {
            let fault = format!("{stream}/{sequence} was promised for {} and {number}", other.number);
            records.faults.push(fault);
        }
    }

    /// Records a received frame.
    pub(crate) fn delivered(&self, stream: &str, frame: Delivered) {
        self.records().arrived.entry(stream.to_owned()).or_default().push(Arrival::Frame(frame));
    }

    /// Records a received gap.
    pub(crate) fn missing(&self, stream: &str, gap: Missing) {
        self.records().arrived.entry(stream.to_owned()).or_default().push(Arrival::Gap(gap));
    }

    /// Records a fault.
    pub(crate) fn fault(&self, fault: String) {
        self.records().faults.push(fault);
    }

    pub(crate) fn promised_count(&self) -> usize {
        self.records().promised.len()
    }

    pub(crate) fn promised_of(&self, streams: &[String]) -> usize {
        self.records().promised.keys().filter(|(stream, _)| streams.contains(stream)).count()
    }

    /// Returns all promised frames: stream and sequence.
    pub(crate) fn promised_frames(&self) -> Vec<(String, u64)> {
        self.records().promised.keys().cloned().collect()
    }

    /// Returns all promises: stream, publisher sequence, and time.
    pub(crate) fn promises(&self) -> Vec<(String, u64, Instant)> {
        self.records().promises.clone()
    }

    /// Returns the number of frames that gaps reported with this reason.
    pub(crate) fn missing_for(&self, wanted: GapReason) -> u64 {
        let records = self.records();
        let reported = |arrival: &Arrival| match arrival {
            Arrival::Frame(_) => 0,
            Arrival::Gap(gap) => gap
                .reasons
                .iter()
                .filter(|(reason, _)| *reason == wanted)
                .map(|(_, count)| count)
                .sum::<u64>(),
        };
        records.arrived.values().flatten().map(reported).sum()
    }

    /// Returns the number of received frames and reported tombstones.
    pub(crate) fn delivered_count(&self) -> usize {
        let records = self.records();
        let count = |arrival: &Arrival| match arrival {
            Arrival::Frame(_) => 1,
            Arrival::Gap(gap) => tombstones(gap, &records.tombstones).unwrap_or(0) as usize,
        };
        records.arrived.values().flatten().map(count).sum()
    }

    /// Compares the records and returns the verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        let records = self.records();
        let mut verdict = Verdict {
            at_stake: records.promised.len() as u64,
            faults: records.faults.clone(),
            ..Verdict::default()
        };
        let mut settled = BTreeSet::new();
        for (stream, arrivals) in &records.arrived {
            records.follow(stream, arrivals, &mut settled, &mut verdict);
        }
        for ((stream, sequence), promise) in &records.promised {
            if !settled.contains(&(stream.as_str(), *sequence)) {
                verdict.losses.push((stream.clone(), promise.number, promise.at));
            }
        }
        verdict.lost = verdict.losses.len() as u64;
        if verdict.lost > 0 {
            verdict.faults.push(format!("{} of {} promised are lost", verdict.lost, verdict.at_stake));
        }
        if !records.open.is_empty() {
            verdict.faults.push(format!("{} sent were never answered", records.open.len()));
        }
        verdict
    }

    /// Asserts that each promised frame was received once, whole and in order, and nothing else
    /// was.
    ///
    /// # Panics
    /// Panics with the list of faults.
    pub(crate) fn check(&self) -> Verdict {
        let verdict = self.verdict();
        let faults = &verdict.faults;
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        verdict
    }
}

impl Missing {
    fn is_failover(&self) -> bool {
        self.reasons.iter().any(|(reason, _)| *reason == GapReason::BackendFailover)
    }

    fn is_removed(&self) -> bool {
        self.reasons.iter().any(|(reason, _)| *reason == GapReason::Unregistered)
    }
}

impl Records {
    fn last_floor(&self, stream: &str) -> u64 {
        self.floors.get(stream).and_then(|floors| floors.last()).copied().unwrap_or(0)
    }

    /// Checks the arrivals of one stream, in order.
    fn follow<'a>(
        &'a self,
        stream: &'a str,
        arrivals: &'a [Arrival],
        settled: &mut BTreeSet<(&'a str, u64)>,
        verdict: &mut Verdict,
    ) {
        let first = arrivals.first().map_or(1, |arrival| match arrival {
            Arrival::Frame(frame) => frame.sequence,
            Arrival::Gap(gap) => gap.from,
        });
        let (mut next, mut last_number, mut numbers) =
            (if self.begins_anywhere { first } else { 1 }, 0, BTreeSet::new());
        let mut ends = None;
        for arrival in arrivals {
            let (from, to) = match arrival {
                Arrival::Frame(frame) => (frame.sequence, frame.sequence),
                Arrival::Gap(gap) => (gap.from, gap.to),
            };
            if from != next {
                verdict.faults.push(format!("{stream}: {from} arrived instead of {next}"));
            }
            let life = self.floors.get(stream).and_then(|floors| floors.range(from..).next());
            if life != ends {
                ends = life;
                (last_number, numbers) = (0, BTreeSet::new());
            }
            next = to + 1;
            match arrival {
                Arrival::Frame(frame)
                    if self.fails_over
                        && !numbers.contains(&frame.number)
                        && !self.promised.contains_key(&(stream.to_owned(), frame.sequence)) =>
                {
                    verdict.unconfirmed += 1;
                }
                Arrival::Frame(frame) => {
                    if !numbers.insert(frame.number) {
                        verdict.duplicates += 1;
                        verdict.faults.push(format!("{stream}: {} arrived twice", frame.number));
                    } else if frame.number < last_number {
                        verdict
                            .faults
                            .push(format!("{stream}: {} arrived after {last_number}", frame.number));
                    }
                    last_number = last_number.max(frame.number);
                    match self.promised.get(&(stream.to_owned(), frame.sequence)) {
                        Some(Promised { number, digest, .. })
                            if *number == frame.number && *digest == frame.digest =>
                        {
                            settled.insert((stream, frame.sequence));
                        }
                        Some(other) => {
                            verdict.faults.push(format!("{stream}: {other:?} arrived as {frame:?}"));
                        }
                        // Its answer was lost, and its publisher sequence was used again after the
                        // stream was registered again.
                        None if life.is_some() => {}
                        None => verdict.faults.push(format!("{stream}: {from} was not promised")),
                    }
                }
                Arrival::Gap(gap) => match tombstones(gap, &self.tombstones) {
                    Some(_) if gap.is_removed() && self.last_floor(stream) < to => {
                        verdict
                            .faults
                            .push(format!("{stream}: {gap:?} includes frames that were not removed"));
                    }
                    // Whatever was promised in it is lost.
                    Some(_) if self.fails_over && !self.loses_all && gap.is_failover() => {}
                    Some(count) => {
                        verdict.tombstones += count;
                        // A gap may be long, so iterate over the promises in it.
                        let within = (stream.to_owned(), from)..=(stream.to_owned(), to);
                        settled.extend(
                            self.promised.range(within).map(|((_, sequence), _)| (stream, *sequence)),
                        );
                    }
                    None => verdict.faults.push(format!("{stream}: {gap:?}")),
                },
            }
        }
    }
}

/// Returns the number of frames that a gap accounts for; `None` if a reason is not allowed or the
/// numbers do not add up.
fn tombstones(gap: &Missing, allowed: &[GapReason]) -> Option<u64> {
    let total: u64 = gap.reasons.iter().map(|(_, count)| count).sum();
    let fits =
        gap.reasons.iter().all(|(reason, _)| allowed.contains(reason)) && total == gap.to - gap.from + 1;
    fits.then_some(total)
}

#[test]
fn the_ledger_finds_loss_repeats_disorder_and_changed_bytes() {
    let frame = |sequence, number, byte| Delivered { sequence, number, digest: vec![byte] };
    let records = || {
        let ledger = Ledger::default();
        ledger.promised("cam", 1, 10, vec![1]);
        ledger.promised("cam", 2, 20, vec![2]);
        ledger
    };
    let check = |arrived: &[Delivered]| {
        let ledger = records();
        for frame in arrived {
            ledger.delivered("cam", frame.clone());
        }
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ledger.check())).is_ok()
    };
    assert!(check(&[frame(1, 10, 1), frame(2, 20, 2)]));
    assert!(!check(&[frame(1, 10, 1)]), "loss");
    assert!(!check(&[frame(1, 10, 1), frame(1, 10, 1), frame(2, 20, 2)]), "repeat");
    assert!(!check(&[frame(2, 20, 2), frame(1, 10, 1)]), "disorder");
    assert!(!check(&[frame(1, 10, 1), frame(2, 20, 9)]), "changed bytes");
    assert!(!check(&[frame(1, 10, 1), frame(2, 20, 2), frame(3, 30, 3)]), "never promised");

    let with_gap = |allowed: &[GapReason], count| {
        let ledger = records();
        ledger.allow(allowed);
        ledger.delivered("cam", frame(1, 10, 1));
        ledger.missing("cam", Missing { from: 2, to: 2, reasons: vec![(GapReason::Failed, count)] });
        ledger.verdict()
    };
    let allowed = with_gap(&[GapReason::Failed], 1);
    assert!(allowed.faults.is_empty() && allowed.tombstones == 1 && allowed.lost == 0, "{allowed:?}");
    assert_eq!(with_gap(&[], 1).lost, 1, "a tombstone that the test does not allow");
    assert_eq!(with_gap(&[GapReason::Failed], 2).lost, 1, "a gap that does not add up");

    let ledger = records();
    ledger.sent("cam", 30);
    assert!(ledger.verdict().faults.iter().any(|fault| fault.contains("never answered")));
}

#[test]
fn the_ledger_allows_only_the_gaps_of_a_removal() {
    let frame = |sequence, number| Delivered { sequence, number, digest: vec![1] };
    let check = |to, arrived: &[Delivered]| {
        let ledger = Ledger::default();
        ledger.allow(&[GapReason::Unregistered]);
        // Publisher sequences begin again after 3; the answer to 1 was lost.
        for (sequence, number) in [(2, 20), (3, 30), (4, 10), (5, 20)] {
            ledger.promised("cam", sequence, number, vec![1]);
        }
        ledger.removed("cam", 3);
        ledger.delivered("cam", frame(1, 10));
        let reasons = vec![(GapReason::Unregistered, to - 1)];
        ledger.missing("cam", Missing { from: 2, to, reasons });
        arrived.iter().for_each(|one| ledger.delivered("cam", one.clone()));
        ledger.verdict().faults
    };
    assert!(check(3, &[frame(4, 10), frame(5, 20)]).is_empty());
    assert!(!check(3, &[frame(4, 10)]).is_empty(), "a frame of the new registration is lost");
    assert!(
        !check(3, &[frame(3, 30), frame(4, 10), frame(5, 20)]).is_empty(),
        "a frame is delivered after it was reported"
    );
    assert!(!check(4, &[frame(5, 20)]).is_empty(), "more is reported than was removed");
}

#[test]
fn the_ledger_forgives_a_failover_only_what_was_not_promised() {
    let check = |promised: &[(u64, u64)], arrived: &[(u64, u64)]| {
        let ledger = Ledger::default();
        ledger.fails_over();
        for (sequence, number) in promised {
            ledger.promised("cam", *sequence, *number, vec![1]);
        }
        let frame = |(sequence, number)| Delivered { sequence, number, digest: vec![1] };
        let (before, after): (Vec<_>, Vec<_>) =
            arrived.iter().copied().partition(|(sequence, _)| *sequence < 9);
        let last = before.last().map_or(0, |(sequence, _)| *sequence);
        before.into_iter().for_each(|one| ledger.delivered("cam", frame(one)));
        let reasons = vec![(GapReason::BackendFailover, 8 - last)];
        ledger.missing("cam", Missing { from: last + 1, to: 8, reasons });
        after.into_iter().for_each(|one| ledger.delivered("cam", frame(one)));
        let Verdict { lost, unconfirmed, faults, .. } = ledger.verdict();
        (lost, unconfirmed, faults.is_empty())
    };
    assert_eq!(check(&[(1, 10), (9, 20)], &[(1, 10), (9, 20)]), (0, 0, true));
    assert_eq!(check(&[(1, 10), (9, 20)], &[(1, 10), (2, 20), (9, 20)]), (0, 1, true));
    assert_eq!(check(&[(1, 10), (2, 20)], &[(1, 10)]), (1, 0, false), "a promised frame is in the gap");
    let twice = check(&[(1, 10), (2, 20), (9, 30)], &[(1, 10), (2, 20), (9, 30), (10, 20)]);
    assert_eq!(twice, (0, 0, false), "a promised frame is received twice");
}
