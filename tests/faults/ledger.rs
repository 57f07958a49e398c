//! What was promised and what came; and the proof that they are the same.
//!
//! A  what was answered ACCEPTED or DUPLICATE is in the output once, as a frame or as a tombstone with its reason; what
//!    was not answered was sent again until it was
//! B  no byte differs
//! C  each stream in its order
//! D  nothing twice

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use frameway::pb::v1::GapReason;

/// Digest of a picture's bytes.
pub(crate) type Digest = Vec<u8>;

/// A frame as its publisher knows it.
#[derive(Debug, Clone)]
struct Promised {
    number: u64,
    digest: Digest,
    at: Instant,
}

/// A frame as a subscriber got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) sequence: u64,
    pub(crate) number: u64,
    pub(crate) digest: Digest,
}

/// A gap as a subscriber was told of it: inclusive.
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
struct Books {
    /// The streams' numbers need not begin with 1.
    begins_anywhere: bool,
    /// Sent and not answered yet.
    open: BTreeSet<(String, u64)>,
    /// By stream and sequence.
    promised: BTreeMap<(String, u64), Promised>,
    /// All promises, in their order: a store that lost data may give a sequence twice.
    promises: Vec<(String, u64, Instant)>,
    /// By stream, in the order of arrival.
    arrived: BTreeMap<String, Vec<Arrival>>,
    /// Reasons for which a frame may be missing, if the output says so.
    tombstones: Vec<GapReason>,
    /// By stream: the last numbers of its lives that were ended by unregistering it.
    floors: BTreeMap<String, BTreeSet<u64>>,
    faults: Vec<String>,
}

/// What the books come to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdict {
    /// Frames that were promised.
    pub(crate) at_stake: u64,
    /// Promised frames that are neither there nor accounted for.
    pub(crate) lost: u64,
    /// Frames that came more than once.
    pub(crate) duplicates: u64,
    /// Frames in whose place a tombstone is, with a reason that the test allows.
    pub(crate) tombstones: u64,
    /// Lost frames: stream, publisher's number, and when they were promised.
    pub(crate) losses: Vec<(String, u64, Instant)>,
    /// All that is wrong, in words.
    pub(crate) faults: Vec<String>,
}

/// Shared by the publisher and the subscriber of a test.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The streams' numbers need not begin with 1.
    pub(crate) fn begins_anywhere(&self) {
        self.books().begins_anywhere = true;
    }

    /// Frames may be missing for these reasons, if the output says so.
    pub(crate) fn allow(&self, reasons: &[GapReason]) {
        self.books().tombstones.extend(reasons);
    }

    /// The stream was unregistered, and this was its last number: what its subscribers did not have is told, and nothing of it
    /// comes behind that. Publishers' numbers begin anew.
    pub(crate) fn removed(&self, stream: &str, last: u64) {
        self.books().floors.entry(stream.to_owned()).or_default().insert(last);
    }

    /// Whether streams are unregistered in this test.
    pub(crate) fn has_removals(&self) -> bool {
        let books = self.books();
        !books.floors.is_empty() || books.tombstones.contains(&GapReason::Unregistered)
    }

    /// How many times the stream had been unregistered when this number was given out.
    pub(crate) fn life_of(&self, (stream, sequence): &(String, u64)) -> usize {
        self.books().floors.get(stream).map_or(0, |floors| floors.range(..*sequence).count())
    }

    /// The publisher is about to send this frame, and will until it is answered.
    pub(crate) fn sent(&self, stream: &str, number: u64) {
        self.books().open.insert((stream.to_owned(), number));
    }

    /// The server refused this frame for good: it owes nothing.
    pub(crate) fn refused(&self, stream: &str, number: u64) {
        self.books().open.remove(&(stream.to_owned(), number));
    }

    /// The server answered ACCEPTED or DUPLICATE: it owes this frame.
    pub(crate) fn promised(&self, stream: &str, sequence: u64, number: u64, digest: Digest) {
        let mut books = self.books();
        books.open.remove(&(stream.to_owned(), number));
        let promise = Promised { number, digest, at: Instant::now() };
        books.promises.push((stream.to_owned(), number, promise.at));
        if let Some(other) = books.promised.insert((stream.to_owned(), sequence), promise)
            && other.number != number
        {
            let fault = format!("{stream}/{sequence} was promised for {} and {number}", other.number);
            books.faults.push(fault);
        }
    }

    /// A frame arrived.
    pub(crate) fn delivered(&self, stream: &str, frame: Delivered) {
        self.books().arrived.entry(stream.to_owned()).or_default().push(Arrival::Frame(frame));
    }

    /// A gap was told.
    pub(crate) fn missing(&self, stream: &str, gap: Missing) {
        self.books().arrived.entry(stream.to_owned()).or_default().push(Arrival::Gap(gap));
    }

    /// Something arrived that never should.
    pub(crate) fn fault(&self, fault: String) {
        self.books().faults.push(fault);
    }

    pub(crate) fn promised_count(&self) -> usize {
        self.books().promised.len()
    }

    pub(crate) fn promised_of(&self, streams: &[String]) -> usize {
        self.books().promised.keys().filter(|(stream, _)| streams.contains(stream)).count()
    }

    /// All promised frames: stream and sequence.
    pub(crate) fn promised_frames(&self) -> Vec<(String, u64)> {
        self.books().promised.keys().cloned().collect()
    }

    /// All promises: stream, publisher's number, and when.
    pub(crate) fn promises(&self) -> Vec<(String, u64, Instant)> {
        self.books().promises.clone()
    }

    /// How many frames were told to be missing for this reason.
    pub(crate) fn told(&self, wanted: GapReason) -> u64 {
        let books = self.books();
        let told = |arrival: &Arrival| match arrival {
            Arrival::Frame(_) => 0,
            Arrival::Gap(gap) => gap
                .reasons
                .iter()
                .filter(|(reason, _)| *reason == wanted)
                .map(|(_, count)| count)
                .sum::<u64>(),
        };
        books.arrived.values().flatten().map(told).sum()
    }

    /// Frames that arrived, and those that were told to be tombstones.
    pub(crate) fn delivered_count(&self) -> usize {
        let books = self.books();
        let count = |arrival: &Arrival| match arrival {
            Arrival::Frame(_) => 1,
            Arrival::Gap(gap) => tombstones(gap, &books.tombstones).unwrap_or(0) as usize,
        };
        books.arrived.values().flatten().map(count).sum()
    }

    /// What the books come to.
    pub(crate) fn verdict(&self) -> Verdict {
        let books = self.books();
        let mut verdict = Verdict {
            at_stake: books.promised.len() as u64,
            faults: books.faults.clone(),
            ..Verdict::default()
        };
        let mut settled = BTreeSet::new();
        for (stream, arrivals) in &books.arrived {
            books.follow(stream, arrivals, &mut settled, &mut verdict);
        }
        for ((stream, sequence), promise) in &books.promised {
            if !settled.contains(&(stream.as_str(), *sequence)) {
                verdict.losses.push((stream.clone(), promise.number, promise.at));
            }
        }
        verdict.lost = verdict.losses.len() as u64;
        if verdict.lost > 0 {
            verdict.faults.push(format!("{} of {} promised are lost", verdict.lost, verdict.at_stake));
        }
        if !books.open.is_empty() {
            verdict.faults.push(format!("{} sent were never answered", books.open.len()));
        }
        verdict
    }

    /// Every promised frame came once, whole and in order, and nothing else did.
    ///
    /// # Panics
    /// With the list of what is wrong.
    pub(crate) fn check(&self) -> Verdict {
        let verdict = self.verdict();
        let faults = &verdict.faults;
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        verdict
    }
}

impl Missing {
    fn is_removed(&self) -> bool {
        self.reasons.iter().any(|(reason, _)| *reason == GapReason::Unregistered)
    }
}

impl Books {
    fn last_floor(&self, stream: &str) -> u64 {
        self.floors.get(stream).and_then(|floors| floors.last()).copied().unwrap_or(0)
    }

    /// One stream's arrivals, in their order.
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
                verdict.faults.push(format!("{stream}: {from} came where {next} was due"));
            }
            let life = self.floors.get(stream).and_then(|floors| floors.range(from..).next());
            if life != ends {
                ends = life;
                (last_number, numbers) = (0, BTreeSet::new());
            }
            next = to + 1;
            match arrival {
                Arrival::Frame(frame) => {
                    if !numbers.insert(frame.number) {
                        verdict.duplicates += 1;
                        verdict.faults.push(format!("{stream}: {} came twice", frame.number));
                    } else if frame.number < last_number {
                        verdict.faults.push(format!("{stream}: {} came after {last_number}", frame.number));
                    }
                    last_number = last_number.max(frame.number);
                    match self.promised.get(&(stream.to_owned(), frame.sequence)) {
                        Some(Promised { number, digest, .. })
                            if *number == frame.number && *digest == frame.digest =>
                        {
                            settled.insert((stream, frame.sequence));
                        }
                        Some(other) => {
                            verdict.faults.push(format!("{stream}: {other:?} came as {frame:?}"));
                        }
                        // Its answer was lost, and its number was given another time in the stream's next life.
                        None if life.is_some() => {}
                        None => verdict.faults.push(format!("{stream}: {from} was not promised")),
                    }
                }
                Arrival::Gap(gap) => match tombstones(gap, &self.tombstones) {
                    Some(_) if gap.is_removed() && self.last_floor(stream) < to => {
                        verdict.faults.push(format!("{stream}: {gap:?} reaches into what was not removed"));
                    }
                    Some(count) => {
                        verdict.tombstones += count;
                        // A gap may be long: it is the promises in it that it settles.
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

/// How many frames a gap accounts for; `None` if it has a reason that is not allowed, or does not add up.
fn tombstones(gap: &Missing, allowed: &[GapReason]) -> Option<u64> {
    let total: u64 = gap.reasons.iter().map(|(_, count)| count).sum();
    let fits =
        gap.reasons.iter().all(|(reason, _)| allowed.contains(reason)) && total == gap.to - gap.from + 1;
    fits.then_some(total)
}

#[test]
fn the_ledger_finds_loss_repeats_disorder_and_changed_bytes() {
    let frame = |sequence, number, byte| Delivered { sequence, number, digest: vec![byte] };
    let books = || {
        let ledger = Ledger::default();
        ledger.promised("cam", 1, 10, vec![1]);
        ledger.promised("cam", 2, 20, vec![2]);
        ledger
    };
    let check = |arrived: &[Delivered]| {
        let ledger = books();
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
        let ledger = books();
        ledger.allow(allowed);
        ledger.delivered("cam", frame(1, 10, 1));
        ledger.missing("cam", Missing { from: 2, to: 2, reasons: vec![(GapReason::Failed, count)] });
        ledger.verdict()
    };
    let allowed = with_gap(&[GapReason::Failed], 1);
    assert!(allowed.faults.is_empty() && allowed.tombstones == 1 && allowed.lost == 0, "{allowed:?}");
    assert_eq!(with_gap(&[], 1).lost, 1, "a tombstone that the test does not allow");
    assert_eq!(with_gap(&[GapReason::Failed], 2).lost, 1, "a gap that does not add up");

    let ledger = books();
    ledger.sent("cam", 30);
    assert!(ledger.verdict().faults.iter().any(|fault| fault.contains("never answered")));
}

#[test]
fn the_ledger_knows_what_a_removal_may_take() {
    let frame = |sequence, number| Delivered { sequence, number, digest: vec![1] };
    let check = |to, arrived: &[Delivered]| {
        let ledger = Ledger::default();
        ledger.allow(&[GapReason::Unregistered]);
        // Numbers begin anew behind 3; the answer to 1 was lost.
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
    assert!(!check(3, &[frame(4, 10)]).is_empty(), "one of the new life is lost");
    assert!(!check(3, &[frame(3, 30), frame(4, 10), frame(5, 20)]).is_empty(), "one comes after it was told");
    assert!(!check(4, &[frame(5, 20)]).is_empty(), "more is told than was removed");
}
