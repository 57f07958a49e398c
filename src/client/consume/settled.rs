//! The frames that were settled last.

use std::collections::{HashSet, VecDeque};

/// The number of ids that are remembered. It is the maximum of a member's outstanding frames, each of
/// which may be under way once more when its acknowledgement arrives.
const MAX_SETTLED: usize = 10_000;

/// The ack ids of the frames that were settled last.
#[derive(Debug, Default)]
pub(super) struct Settled {
    ids: HashSet<String>,
    /// The same ids, the oldest first.
    order: VecDeque<String>,
}

impl Settled {
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Remembers an id, and forgets the oldest one if there are too many.
    pub(super) fn insert(&mut self, id: &str) {
        if self.ids.insert(id.to_owned()) {
            self.order.push_back(id.to_owned());
        }
        while self.order.len() > MAX_SETTLED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_ids_are_forgotten() {
        let mut settled = Settled::default();
        for number in 0..=MAX_SETTLED {
            settled.insert(&number.to_string());
        }
        assert!(!settled.contains("0") && settled.contains("1"));
        assert_eq!(settled.order.len(), settled.ids.len());
    }
}
