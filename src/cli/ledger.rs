//! The accounts of a run: what was accepted, and what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Every accepted frame by (stream, sequence), and whether it was delivered: once, in order, or not at all.
///
/// Acceptance and delivery come over two connections, so that a delivery may be entered before its acceptance.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    streams: HashMap<String, Account>,
}

#[derive(Debug, Default)]
struct Account {
    accepted: HashSet<u64>,
    delivered: HashSet<u64>,
    publisher_sequences: HashSet<u64>,
    /// Told in a gap, with the reason.
    gone: HashMap<u64, String>,
    last_delivered: u64,
    duplicates: u64,
    out_of_order: u64,
}

/// The sums of a ledger.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Totals {
    /// Frames that the server accepted.
    pub(super) accepted: u64,
    /// Accepted frames that were delivered.
    pub(super) delivered: u64,
    /// Accepted frames of which a gap said that they could not be processed.
    pub(super) failed: u64,
    /// Accepted frames that were neither delivered nor failed: told in another gap, or not mentioned at all.
    pub(super) lost: u64,
    /// Deliveries of a frame that had been delivered, or stored under another sequence, before.
    pub(super) duplicates: u64,
    /// Deliveries of a sequence below one that had been delivered before.
    pub(super) out_of_order: u64,
    /// Deliveries of frames whose acceptance nobody knows of.
    pub(super) unaccounted: u64,
    /// Frames told in gaps, by reason.
    pub(super) gaps: BTreeMap<String, u64>,
}

/// The reason of gaps that are tombstones of frames that could not be processed.
pub(super) const FAILED: &str = "FAILED";

impl Ledger {
    /// The server accepted a frame.
    pub(super) fn accepted(&mut self, stream: &str, sequence: u64) {
        self.account(stream).accepted.insert(sequence);
    }

    /// A frame was delivered; `publisher_sequence` is the number that its camera gave it.
    pub(super) fn delivered(&mut self, stream: &str, sequence: u64, publisher_sequence: Option<u64>) {
        let account = self.account(stream);
        let stored_twice =
            publisher_sequence.is_some_and(|number| !account.publisher_sequences.insert(number));
        if !account.delivered.insert(sequence) || stored_twice {
            account.duplicates += 1;
        } else if sequence < account.last_delivered {
            account.out_of_order += 1;
        }
        account.last_delivered = account.last_delivered.max(sequence);
    }

    /// A gap told that sequences are not sent; `causes` are reasons and counts that add up to its length. Which frame has
    /// which reason is not told; they are given out in order.
    pub(super) fn gap(&mut self, stream: &str, from: u64, to: u64, causes: &[(String, u64)]) {
        let account = self.account(stream);
        let mut reasons = causes.iter().flat_map(|(reason, count)| {
            std::iter::repeat_n(reason, usize::try_from(*count).unwrap_or(usize::MAX))
        });
        for sequence in from..=to {
            let reason = reasons.next().map_or("UNSPECIFIED", String::as_str);
            account.gone.insert(sequence, reason.to_owned());
        }
    }

    /// How many accepted frames are neither delivered nor told of in a gap.
    pub(super) fn open(&self) -> u64 {
        self.streams.values().map(Account::open).sum()
    }

    /// The sums of all streams.
    pub(super) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for account in self.streams.values() {
            account.add_to(&mut sum);
        }
        sum
    }

    /// The sums of one stream.
    pub(super) fn totals_of(&self, stream: &str) -> Totals {
        let mut sum = Totals::default();
        if let Some(account) = self.streams.get(stream) {
            account.add_to(&mut sum);
        }
        sum
    }

    fn account(&mut self, stream: &str) -> &mut Account {
        if !self.streams.contains_key(stream) {
            self.streams.insert(stream.to_owned(), Account::default());
        }
        self.streams.entry(stream.to_owned()).or_default()
    }
}

impl Account {
    fn open(&self) -> u64 {
        let open = |number: &&u64| !self.delivered.contains(number) && !self.gone.contains_key(number);
        self.accepted.iter().filter(open).count() as u64
    }

    fn add_to(&self, sum: &mut Totals) {
        let delivered = self.accepted.intersection(&self.delivered).count() as u64;
        let failed = self.accepted.iter().filter(|&number| {
            !self.delivered.contains(number) && self.gone.get(number).is_some_and(|reason| reason == FAILED)
        });
        let failed = failed.count() as u64;
        let accepted = self.accepted.len() as u64;
        sum.accepted += accepted;
        sum.delivered += delivered;
        sum.failed += failed;
        sum.lost += accepted - delivered - failed;
        sum.duplicates += self.duplicates;
        sum.out_of_order += self.out_of_order;
        sum.unaccounted += self.delivered.len() as u64 - delivered;
        for reason in self.gone.values() {
            *sum.gaps.entry(reason.clone()).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(numbers: std::ops::RangeInclusive<u64>) -> Ledger {
        let mut ledger = Ledger::default();
        numbers.for_each(|number| ledger.accepted("cam", number));
        ledger
    }

    #[test]
    fn everything_delivered_is_nothing_lost() {
        let mut ledger = accepted(1..=3);
        (1..=3).for_each(|number| ledger.delivered("cam", number, Some(number + 100)));
        assert_eq!(ledger.open(), 0);
        assert_eq!(ledger.totals(), Totals { accepted: 3, delivered: 3, ..Totals::default() });
    }

    #[test]
    fn a_delivery_may_come_before_its_acceptance() {
        let mut ledger = Ledger::default();
        ledger.delivered("cam", 1, None);
        assert_eq!(ledger.totals().unaccounted, 1);
        ledger.accepted("cam", 1);
        assert_eq!(ledger.totals(), Totals { accepted: 1, delivered: 1, ..Totals::default() });
    }

    #[test]
    fn what_is_not_delivered_is_lost() {
        let mut ledger = accepted(1..=3);
        ledger.delivered("cam", 2, None);
        assert_eq!((ledger.open(), ledger.totals().lost), (2, 2));
    }

    #[test]
    fn a_failed_frame_is_neither_delivered_nor_lost() {
        let mut ledger = accepted(1..=3);
        ledger.delivered("cam", 1, None);
        ledger.gap("cam", 2, 3, &[(FAILED.to_owned(), 1), ("SLOW_CONSUMER".to_owned(), 1)]);
        let totals = ledger.totals();
        assert_eq!((ledger.open(), totals.delivered, totals.failed, totals.lost), (0, 1, 1, 1));
        assert_eq!(totals.gaps, BTreeMap::from([(FAILED.to_owned(), 1), ("SLOW_CONSUMER".to_owned(), 1)]));
    }

    #[test]
    fn a_repeat_is_a_duplicate_and_a_step_back_is_out_of_order() {
        let mut ledger = accepted(1..=3);
        for number in [1, 3, 2, 3] {
            ledger.delivered("cam", number, None);
        }
        let totals = ledger.totals();
        assert_eq!((totals.delivered, totals.duplicates, totals.out_of_order, totals.lost), (3, 1, 1, 0));
    }

    #[test]
    fn one_picture_under_two_sequences_is_a_duplicate() {
        let mut ledger = accepted(1..=2);
        ledger.delivered("cam", 1, Some(7));
        ledger.delivered("cam", 2, Some(7));
        assert_eq!(ledger.totals().duplicates, 1);
    }

    #[test]
    fn streams_have_accounts_of_their_own() {
        let mut ledger = accepted(1..=1);
        ledger.accepted("other", 1);
        ledger.delivered("other", 1, None);
        assert_eq!((ledger.totals_of("cam").lost, ledger.totals_of("other").lost), (1, 0));
        assert_eq!(ledger.totals_of("none"), Totals::default());
    }
}
