//! What became of each accepted frame in a consumer group: acknowledged, a dead letter, or told as a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use frameway::pb::v1 as pb;
use frameway::pb::v1::ack_result::Outcome;

use crate::ledger::Ledger;

/// A stream and a sequence.
pub(crate) type Frame = (String, u64);

#[derive(Debug, Default)]
struct Books {
    /// Attempts by frame, of all deliveries.
    attempts: BTreeMap<Frame, BTreeSet<u32>>,
    deliveries: u64,
    /// Deliveries in the order of each call, by member and call.
    calls: BTreeMap<(String, usize), Vec<Frame>>,
    acknowledged: BTreeSet<Frame>,
    dead: BTreeSet<Frame>,
    told: BTreeSet<Frame>,
    /// Numbers that were told more than once.
    told_again: u64,
    /// Acks that were refused: the frame, the attempt, and why.
    refused: Vec<(Frame, u32, String)>,
}

/// The books of one group, shared by its members.
#[derive(Debug, Default)]
pub(crate) struct GroupLedger(Mutex<Books>);

/// What the books come to.
#[derive(Debug, Default)]
pub(crate) struct GroupVerdict {
    pub(crate) acknowledged: usize,
    pub(crate) told: usize,
    pub(crate) told_again: u64,
    pub(crate) dead: usize,
    pub(crate) deliveries: u64,
    /// The highest attempt of any delivery.
    pub(crate) most_attempts: u32,
    /// Acks that were refused: the frame, the attempt, and why.
    pub(crate) refused: Vec<(Frame, u32, String)>,
    /// Promised frames of which the group's members heard nothing, or nothing final.
    pub(crate) lost: Vec<Frame>,
    /// Numbers that were both acknowledged and told as a gap.
    pub(crate) both: Vec<Frame>,
}

impl GroupLedger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn delivered(&self, frame: Frame, attempt: u32) {
        let mut books = self.books();
        books.deliveries += 1;
        books.attempts.entry(frame).or_default().insert(attempt);
    }

    /// What a call brings, in its order.
    pub(crate) fn came(&self, member: &str, call: usize, frame: Frame) {
        self.books().calls.entry((member.to_owned(), call)).or_default().push(frame);
    }

    /// Frames that came behind one of a later life of their stream, in the same call.
    pub(crate) fn revived(&self, ledger: &Ledger) -> Vec<Frame> {
        let mut revived = Vec::new();
        for frames in self.books().calls.values() {
            let mut lives = BTreeMap::new();
            for frame in frames {
                let (life, latest) = (ledger.life_of(frame), lives.entry(&frame.0).or_insert(0));
                if life < *latest {
                    revived.push(frame.clone());
                }
                *latest = life.max(*latest);
            }
        }
        revived
    }

    pub(crate) fn answered(&self, frame: Frame, attempt: u32, outcome: &Outcome) {
        let mut books = self.books();
        match outcome {
            Outcome::Done(_) => {
                books.acknowledged.insert(frame);
            }
            Outcome::Refused(error) => {
                let why = format!("{}: {}", error.reason().as_str_name(), error.message);
                books.refused.push((frame, attempt, why));
            }
        }
    }

    pub(crate) fn told(&self, gap: &pb::Gap) {
        let mut books = self.books();
        let total: u64 = gap.causes.iter().map(|cause| cause.count).sum();
        assert_eq!(total, gap.to_sequence + 1 - gap.from_sequence, "a gap that does not add up: {gap:?}");
        for sequence in gap.from_sequence..=gap.to_sequence {
            if !books.told.insert((gap.stream_id.clone(), sequence)) {
                books.told_again += 1;
            }
        }
    }

    pub(crate) fn dead(&self, frame: Frame) {
        self.books().dead.insert(frame);
    }

    pub(crate) fn acknowledged_count(&self) -> usize {
        self.books().acknowledged.len()
    }

    pub(crate) fn verdict(&self, ledger: &Ledger) -> GroupVerdict {
        let books = self.books();
        let known = |frame: &Frame| {
            [&books.acknowledged, &books.dead, &books.told].iter().any(|set| set.contains(frame))
        };
        GroupVerdict {
            acknowledged: books.acknowledged.len(),
            told: books.told.len(),
            told_again: books.told_again,
            dead: books.dead.len(),
            deliveries: books.deliveries,
            most_attempts: books.attempts.values().flatten().max().copied().unwrap_or(0),
            refused: books.refused.clone(),
            lost: ledger.promised_frames().into_iter().filter(|frame| !known(frame)).collect(),
            both: books.acknowledged.intersection(&books.told).cloned().collect(),
        }
    }
}

#[test]
fn the_group_ledger_finds_frames_that_nobody_was_told_of() {
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
    group.told(&gap(3, 3));
    let verdict = group.verdict(&ledger);
    assert_eq!(verdict.lost, [frame(2), frame(4)], "delivered is not done; and one that nobody heard of");
    assert_eq!((verdict.most_attempts, verdict.refused.len(), verdict.deliveries), (2, 1, 3));
    group.dead(frame(2));
    group.told(&gap(3, 4));
    let verdict = group.verdict(&ledger);
    assert!(verdict.lost.is_empty() && verdict.told_again == 1 && verdict.both.is_empty(), "{verdict:?}");
    group.told(&gap(1, 1));
    assert_eq!(group.verdict(&ledger).both, [frame(1)]);
}

#[test]
fn the_group_ledger_finds_frames_of_an_earlier_life() {
    let (ledger, group) = (Ledger::default(), GroupLedger::default());
    ledger.removed("cam", 3);
    let came = |call, sequence| group.came("a", call, ("cam".to_owned(), sequence));
    [(0, 2), (0, 1), (0, 4), (1, 3), (1, 5)].into_iter().for_each(|(call, sequence)| came(call, sequence));
    assert!(group.revived(&ledger).is_empty());
    came(1, 2);
    assert_eq!(group.revived(&ledger), [("cam".to_owned(), 2)]);
}
