//! The accounts of a run: the accepted frames, and the outcome of each.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Every accepted frame, by stream and sequence, and how it was delivered.
///
/// Acceptance and delivery arrive over two connections: a delivery may be recorded before its
/// acceptance.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    streams: HashMap<String, Account>,
}

#[derive(Debug, Default)]
struct Account {
    accepted: HashSet<u64>,
    delivered: HashSet<u64>,
    publisher_sequences: HashSet<u64>,
    /// Frames that a gap has reported, with the reason.
    in_gaps: HashMap<u64, String>,
    last_delivered: u64,
    duplicates: u64,
    out_of_order: u64,
}

/// The sums of a ledger.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Frames that the server accepted.
    pub(crate) accepted: u64,
    /// Accepted frames that were delivered.
    pub(crate) delivered: u64,
    /// Accepted frames that a gap reported as failed.
    pub(crate) failed: u64,
    /// Accepted frames that were neither delivered nor reported as failed. A gap reported them with
    /// another reason, or nothing was reported.
    pub(crate) lost: u64,
    /// Deliveries of a frame that was already delivered, under the same or another sequence.
    pub(crate) duplicates: u64,
    /// Deliveries of a lower sequence after a higher one.
    pub(crate) out_of_order: u64,
    /// Deliveries of frames whose acceptance was never recorded.
    pub(crate) unaccounted: u64,
    /// Frames that gaps reported, by reason.
    pub(crate) gaps: BTreeMap<String, u64>,
}

/// The reason in a gap for frames that could not be processed.
pub(crate) const FAILED: &str = "FAILED";

impl Ledger {
    /// Records that the server accepted a frame.
    pub(crate) fn accepted(&mut self, stream: &str, sequence: u64) {
        self.account(stream).accepted.insert(sequence);
    }

    /// Records that a frame was delivered; its camera numbered it with `publisher_sequence`.
    pub(crate) fn delivered(&mut self, stream: &str, sequence: u64, publisher_sequence: Option<u64>) {
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

    /// Records a gap; `causes` are reasons with counts that add up to its length. A gap does not
    /// say which sequence has which reason, so the reasons are assigned in order.
    pub(crate) fn gap(&mut self, stream: &str, from: u64, to: u64, causes: &[(String, u64)]) {
        let account = self.account(stream);
        let mut reasons = causes.iter().flat_map(|(reason, count)| {
            std::iter::repeat_n(reason, usize::try_from(*count).unwrap_or(usize::MAX))
        });
        for sequence in from..=to {
            let reason = reasons.next().map_or("UNSPECIFIED", String::as_str);
            account.in_gaps.insert(sequence, reason.to_owned());
        }
    }

    /// Counts the unsettled frames: accepted, and neither delivered nor reported in a gap.
    pub(crate) fn unsettled(&self) -> u64 {
        self.streams.values().map(Account::unsettled).sum()
    }

    /// Returns the sums of all streams.
    pub(crate) fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for account in self.streams.values() {
            account.add_to(&mut sum);
        }
        sum
    }

    /// Returns the sums of one stream.
    pub(crate) fn totals_of(&self, stream: &str) -> Totals {
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
    fn unsettled(&self) -> u64 {
        let unsettled =
            |number: &&u64| !self.delivered.contains(number) && !self.in_gaps.contains_key(number);
        self.accepted.iter().filter(unsettled).count() as u64
    }

    fn add_to(&self, sum: &mut Totals) {
        let delivered = self.accepted.intersection(&self.delivered).count() as u64;
        let failed = self.accepted.iter().filter(|&number| {
            !self.delivered.contains(number)
                && self.in_gaps.get(number).is_some_and(|reason| reason == FAILED)
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
        for reason in self.in_gaps.values() {
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
    fn no_frame_is_lost_if_all_are_delivered() {
        let mut ledger = accepted(1..=3);
        (1..=3).for_each(|number| ledger.delivered("cam", number, Some(number + 100)));
        assert_eq!(ledger.unsettled(), 0);
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
    fn an_undelivered_frame_is_lost() {
        let mut ledger = accepted(1..=3);
        ledger.delivered("cam", 2, None);
        assert_eq!((ledger.unsettled(), ledger.totals().lost), (2, 2));
    }

    #[test]
    fn a_failed_frame_is_neither_delivered_nor_lost() {
        let mut ledger = accepted(1..=3);
        ledger.delivered("cam", 1, None);
        ledger.gap("cam", 2, 3, &[(FAILED.to_owned(), 1), ("SLOW_CONSUMER".to_owned(), 1)]);
        let totals = ledger.totals();
        assert_eq!((ledger.unsettled(), totals.delivered, totals.failed, totals.lost), (0, 1, 1, 1));
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
