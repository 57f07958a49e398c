//! The publisher sequences of frames that the program does not number itself. It does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::pb::v1 as pb;

/// The next publisher sequence of each stream.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Frames without a publisher sequence get one.
    on: bool,
    next: BTreeMap<String, u64>,
    /// The streams whose positions are not known.
    wanted: BTreeSet<String>,
    /// The first frame of such a stream.
    held: Option<pb::Frame>,
}

impl Numbers {
    /// Numbers frames if streams are given, even none; the first call reads their positions.
    pub(super) fn new(streams: Option<&Vec<String>>) -> Self {
        Self {
            on: streams.is_some(),
            wanted: streams.into_iter().flatten().cloned().collect(),
            ..Self::default()
        }
    }

    /// Returns the streams whose positions are not known. That of a frame that waits comes first.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &String> {
        let first = self.held.as_ref().map(|frame| &frame.stream_id);
        first.into_iter().chain(self.wanted.iter().filter(move |stream| Some(*stream) != first))
    }

    /// Reports whether the position of a stream is among them.
    pub(super) fn wants(&self, stream: &str) -> bool {
        self.wanted.contains(stream)
    }

    /// Numbers a frame. Returns `None` if the position of its stream must be read first; the frame
    /// waits here until then.
    pub(super) fn number(&mut self, mut frame: pb::Frame) -> Option<pb::Frame> {
        if !self.on {
            return Some(frame);
        }
        let known = self.next.get_mut(&frame.stream_id);
        match (frame.publisher_sequence, known) {
            (Some(own), Some(next)) => *next = (own + 1).max(*next),
            (Some(_), None) => {}
            (None, Some(next)) => {
                frame.publisher_sequence = Some(*next);
                *next += 1;
            }
            (None, None) => {
                self.wanted.insert(frame.stream_id.clone());
                self.held = Some(frame);
                return None;
            }
        }
        Some(frame)
    }

    /// Records the positions that the server has returned.
    pub(super) fn learn(&mut self, positions: &[pb::PublisherPosition]) {
        for position in positions {
            if self.wanted.remove(&position.stream_id) {
                let next = position.last_publisher_sequence.map_or(1, |last| last + 1);
                self.next.insert(position.stream_id.clone(), next);
            }
        }
    }

    /// Returns the frame that has waited, with its number, if the position of its stream is known now.
    pub(super) fn next_held(&mut self) -> Option<pb::Frame> {
        let frame = self.held.take()?;
        self.number(frame)
    }

    pub(super) fn holds_frame(&self) -> bool {
        self.held.is_some()
    }

    /// Returns the frame that still waits.
    pub(super) fn abandon(self) -> Option<pb::Frame> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: &str, own: Option<u64>) -> pb::Frame {
        pb::Frame { stream_id: stream.to_owned(), publisher_sequence: own, ..Default::default() }
    }

    fn at(stream: &str, last: Option<u64>) -> pb::PublisherPosition {
        let stream_id = stream.to_owned();
        pb::PublisherPosition { stream_id, last_publisher_sequence: last, last_sequence: None }
    }

    fn numbered(numbers: &mut Numbers, stream: &str) -> Option<u64> {
        numbers.number(frame(stream, None)).and_then(|frame| frame.publisher_sequence)
    }

    #[test]
    fn a_stream_continues_after_the_position_of_the_server() {
        let mut numbers = Numbers::new(Some(&vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(numbers.wanted().collect::<Vec<_>>(), ["a", "b"]);
        numbers.learn(&[at("a", Some(7)), at("b", None), at("c", Some(3))]);
        assert_eq!(numbered(&mut numbers, "a"), Some(8));
        assert_eq!(numbered(&mut numbers, "a"), Some(9));
        assert_eq!(numbered(&mut numbers, "b"), Some(1));
        // A later position, after a reconnect, changes nothing.
        numbers.learn(&[at("a", Some(8))]);
        assert_eq!(numbered(&mut numbers, "a"), Some(10));
        assert!(!numbers.holds_frame());
        assert_eq!(numbered(&mut numbers, "c"), None);
        assert!(numbers.holds_frame() && numbers.wants("c"));
        numbers.learn(&[at("c", Some(3))]);
        assert_eq!(numbers.next_held().and_then(|frame| frame.publisher_sequence), Some(4));
    }

    #[test]
    fn numbers_of_the_program_are_kept() {
        let mut off = Numbers::new(None);
        assert_eq!(off.number(frame("a", None)), Some(frame("a", None)));
        let mut numbers = Numbers::new(Some(&vec!["a".to_owned()]));
        numbers.learn(&[at("a", Some(7))]);
        assert_eq!(numbers.number(frame("a", Some(20))), Some(frame("a", Some(20))));
        assert_eq!(numbered(&mut numbers, "a"), Some(21));
        assert_eq!(numbers.number(frame("new", Some(1))), Some(frame("new", Some(1))));
    }
}
