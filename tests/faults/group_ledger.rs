//! Records the end of each accepted frame in a consumer group: acknowledged, a dead letter, or
//! reported in a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use frameway::pb::v1 as pb;
use frameway::pb::v1::ack_result::Outcome;

use crate::ledger::Ledger;

/// A stream and a sequence.
pub(crate) type Frame = (String, u64);

#[derive(Debug, Default)]
struct Records {
    /// The attempts of all deliveries, by frame.
    attempts: BTreeMap<Frame, BTreeSet<u32>>,
    deliveries: u64,
    /// The deliveries in order, by member and call.
    calls: BTreeMap<(String, usize), Vec<Frame>>,
    acknowledged: BTreeSet<Frame>,
    dead: BTreeSet<Frame>,
    reported: BTreeSet<Frame>,
    /// Sequences that were reported in more than one gap.
    told_again: u64,
    /// Refused acks: the frame, the attempt, and the reason.
    refused: Vec<(Frame, u32, String)>,
}

/// The records of one group, shared by its members.
#[derive(Debug, Default)]
pub(crate) struct GroupLedger(Mutex<Records>);

/// The result of comparing the records.
#[derive(Debug, Default)]
pub(crate) struct GroupVerdict {
    pub(crate) acknowledged: usize,
    pub(crate) reported: usize,
    pub(crate) told_again: u64,
    pub(crate) dead: usize,
    pub(crate) deliveries: u64,
    /// The highest attempt of any delivery.
    pub(crate) max_attempts: u32,
    /// Refused acks: the frame, the attempt, and the reason.
    pub(crate) refused: Vec<(Frame, u32, String)>,
    /// Promised frames without a final result in the group.
    pub(crate) lost: Vec<Frame>,
    /// Sequences that were both acknowledged and reported in a gap.
    pub(crate) both: Vec<Frame>,
}

impl GroupLedger {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delivered(&self, frame: Frame, attempt: u32) {
        let mut records = self.records();
        records.deliveries += 1;
        records.attempts.entry(frame).or_default().insert(attempt);
    }

    /// Records a delivery of a call, in order.
    pub(crate) fn received(&self, member: &str, call: usize, frame: Frame) {
        self.records().calls.entry((member.to_owned(), call)).or_default().push(frame);
    }

    /// Returns frames that were delivered after a frame of a later registration of their stream, in
    /// the same call.
    pub(crate) fn stale(&self, ledger: &Ledger) -> Vec<Frame> {
        let mut stale = Vec::new();
        for frames in self.records().calls.values() {
            let mut lives = BTreeMap::new();
            for frame in frames {
                let (life, latest) = (ledger.removals_before(frame), lives.entry(&frame.0).or_insert(0));
                if life < *latest {
                    stale.push(frame.clone());
                }
                *latest = life.max(*latest);
            }
        }
        stale
    }

    pub(crate) fn answered(&self, frame: Frame, attempt: u32, outcome: &Outcome) {
        let mut records = self.records();
        match outcome {
            Outcome::Done(_) => {
                records.acknowledged.insert(frame);
            }
            Outcome::Refused(error) => {
                let why = format!("{}: {}", error.reason().as_str_name(), error.message);
                records.refused.push((frame, attempt, why));
            }
        }
    }

    pub(crate) fn gap_received(&self, gap: &pb::Gap) {
        let mut records = self.records();
        let total: u64 = gap.causes.iter().map(|cause| cause.count).sum();
        assert_eq!(total, gap.to_sequence + 1 - gap.from_sequence, "a gap that does not add up: {gap:?}");
        for sequence in gap.from_sequence..=gap.to_sequence {
            if !records.reported.insert((gap.stream_id.clone(), sequence)) {
                records.told_again += 1;
            }
        }
    }

    pub(crate) fn dead(&self, frame: Frame) {
        self.records().dead.insert(frame);
    }

    pub(crate) fn acknowledged_count(&self) -> usize {
        self.records().acknowledged.len()
    }

    pub(crate) fn verdict(&self, ledger: &Ledger) -> GroupVerdict {
        let records = self.records();
        let known = |frame: &Frame| {
            [&records.acknowledged, &records.dead, &records.reported].iter().any(|set| set.contains(frame))
        };
        GroupVerdict {
            acknowledged: records.acknowledged.len(),
            reported: records.reported.len(),
            told_again: records.told_again,
            dead: records.dead.len(),
            deliveries: records.deliveries,
            max_attempts: records.attempts.values().flatten().max().copied().unwrap_or(0),
            refused: records.refused.clone(),
            lost: ledger.promised_frames().into_iter().filter(|frame| !known(frame)).collect(),
            both: records.acknowledged.intersection(&records.reported).cloned().collect(),
        }
    }
}

#[test]
fn the_group_ledger_finds_unreported_frames() {
    let ledger = Ledger::default();
    for sequence in 1..=4 {
        ledger.promised("cam", sequence, sequence, vec![1]);
    }
    let group = GroupLedger::default();
    let frame = |sequence| ("cam".to_owned(), sequence);
    let gap = |from_sequence, to_sequence| pb::Gap {
        stream_id: "cam".into(),
        from_sequence,
        to_sequence,
        causes: vec![pb::GapCause {
            reason: pb::GapReason::Purged.into(),
            count: to_sequence + 1 - from_sequence,
            frames: None,
        }],
        ..Default::default()
    };
    group.delivered(frame(1), 1);
    group.answered(frame(1), 1, &Outcome::Done(pb::AckDone::default()));
    group.delivered(frame(2), 1);
    group.delivered(frame(2), 2);
    group.answered(frame(2), 1, &Outcome::Refused(pb::ItemError::default()));
    group.gap_received(&gap(3, 3));
    let verdict = group.verdict(&ledger);
    assert_eq!(verdict.lost, [frame(2), frame(4)], "delivered is not done; and one that nobody heard of");
    assert_eq!((verdict.max_attempts, verdict.refused.len(), verdict.deliveries), (2, 1, 3));
    group.dead(frame(2));
    group.gap_received(&gap(3, 4));
    let verdict = group.verdict(&ledger);
    assert!(verdict.lost.is_empty() && verdict.told_again == 1 && verdict.both.is_empty(), "{verdict:?}");
    group.gap_received(&gap(1, 1));
    assert_eq!(group.verdict(&ledger).both, [frame(1)]);
}

#[test]
fn the_group_ledger_finds_frames_of_an_earlier_registration() {
    let (ledger, group) = (Ledger::default(), GroupLedger::default());
    ledger.removed("cam", 3);
    let came = |call, sequence| group.received("a", call, ("cam".to_owned(), sequence));
    [(0, 2), (0, 1), (0, 4), (1, 3), (1, 5)].into_iter().for_each(|(call, sequence)| came(call, sequence));
    assert!(group.stale(&ledger).is_empty());
    came(1, 2);
    assert_eq!(group.stale(&ledger), [("cam".to_owned(), 2)]);
}
