//! Items that wait, by stream. Streams take turns, so many items of one stream do not delay those of
//! another.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;

use crate::domain::StreamId;

/// The maximum number of streams without items whose last turn is remembered.
const REMEMBERED: usize = 4_096;

/// Items that wait, in order within their stream. The stream whose last turn is the longest ago is
/// next, so a stream that always has items cannot keep another one waiting, nor be kept waiting by
/// many that come and go.
pub(super) struct Turns<T> {
    streams: HashMap<StreamId, Waiting<T>>,
    /// The streams that have items, in the order of their turns.
    order: BTreeMap<Place, StreamId>,
    /// A counter of additions and turns.
    clock: u64,
}

/// The last turn of a stream, 0 if none is remembered, and the time from which it waits.
type Place = (u64, u64);

struct Waiting<T> {
    items: VecDeque<T>,
    place: Place,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { streams: HashMap::new(), order: BTreeMap::new(), clock: 0 }
    }
}

impl<T> fmt::Debug for Turns<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").field("order", &self.order).finish_non_exhaustive()
    }
}

impl<T> Turns<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.streams.values().map(|waiting| waiting.items.len()).sum()
    }

    /// Adds an item after the others of its stream.
    pub(super) fn push(&mut self, stream: &StreamId, item: T) {
        if self.streams.len() > self.order.len() + REMEMBERED {
            self.streams.retain(|_, waiting| !waiting.items.is_empty());
        }
        self.clock += 1;
        let new = || Waiting { items: VecDeque::new(), place: (0, 0) };
        let waiting = self.streams.entry(stream.clone()).or_insert_with(new);
        if waiting.items.is_empty() {
            waiting.place.1 = self.clock;
            self.order.insert(waiting.place, stream.clone());
        }
        waiting.items.push_back(item);
    }

    /// Removes the first item of the next stream among those that may have a turn.
    pub(super) fn next(&mut self, may_have_it: impl Fn(&StreamId) -> bool) -> Option<(StreamId, T)> {
        let place = *self.order.iter().find(|(_, stream)| may_have_it(stream))?.0;
        let stream = self.order.remove(&place)?;
        let waiting = self.streams.get_mut(&stream)?;
        let item = waiting.items.pop_front()?;
        self.clock += 1;
        waiting.place = (self.clock, self.clock);
        if waiting.items.is_empty() {
            waiting.items = VecDeque::new();
        } else {
            self.order.insert(waiting.place, stream.clone());
        }
        Some((stream, item))
    }

    /// Removes all items.
    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.streams.values_mut().for_each(|waiting| waiting.items = VecDeque::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(items: &[(&str, u32)]) -> Turns<u32> {
        let mut turns = Turns::default();
        items.iter().for_each(|(stream, item)| turns.push(&id(stream), *item));
        turns
    }

    fn id(name: &str) -> StreamId {
        name.parse().unwrap()
    }

    fn all(turns: &mut Turns<u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.next(|_| true)).map(|(_, item)| item).collect()
    }

    #[test]
    fn streams_take_turns_and_keep_their_order() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("a", 3), ("b", 10), ("c", 20), ("b", 11)]);
        assert_eq!(all(&mut turns), [1, 10, 20, 2, 11, 3]);
        assert!(turns.is_empty());
    }

    #[test]
    fn a_stream_that_comes_and_goes_does_not_pass_one_that_waits_longer() {
        let mut turns = turns(&[("flood", 1), ("flood", 2), ("flood", 3)]);
        let mut served = Vec::new();
        for item in 10..14 {
            turns.push(&id("brief"), item);
            served.extend(turns.next(|_| true).map(|(_, item)| item));
        }
        assert_eq!(served, [1, 10, 2, 11]);
    }

    #[test]
    fn a_stream_that_may_not_have_its_turn_keeps_it() {
        let mut turns = turns(&[("a", 1), ("b", 10), ("b", 11)]);
        assert_eq!(turns.next(|stream| *stream != id("a")), Some((id("b"), 10)));
        assert_eq!(turns.next(|stream| *stream == id("c")), None);
        assert_eq!(all(&mut turns), [1, 11]);
    }

    #[test]
    fn a_bounded_number_of_streams_is_remembered() {
        let mut turns = Turns::default();
        turns.push(&id("first"), 0);
        for index in 0..3 * REMEMBERED {
            turns.push(&id(&format!("cam-{index}")), 1);
            assert!(turns.next(|stream| *stream != id("first")).is_some());
        }
        assert!(turns.streams.len() <= REMEMBERED + 2, "{}", turns.streams.len());
        assert_eq!(all(&mut turns), [0]);
    }
}
