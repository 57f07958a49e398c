use std::collections::HashMap;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::domain::{GroupRecord, Sequence, StreamId};
use crate::queue::{self, Queue};

/// What the members of one group on this server share.
#[derive(Debug)]
pub(super) struct Desk {
    /// Whoever claims holds it: claims of one server take turns. They are tasks, so that no slow client keeps it.
    pub(super) book: Mutex<Book>,
    news: watch::Sender<u64>,
}

impl Desk {
    pub(super) fn new(record: GroupRecord) -> Self {
        let book = Book { record, positions: HashMap::new(), stale: true, look_at: Instant::now() };
        Self { book: Mutex::new(book), news: watch::Sender::new(0) }
    }

    pub(super) fn nudge(&self) {
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

/// A group's settings and positions as this server knows them. The store decides; a claim that rests on old knowledge
/// takes nothing and brings the new.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) record: GroupRecord,
    pub(super) positions: HashMap<StreamId, Place>,
    /// To be read anew.
    pub(super) stale: bool,
    /// When to look for positions in streams that are gone.
    pub(super) look_at: Instant,
}

/// A group's position in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) next: Sequence,
    pub(super) mark: String,
    /// The store has none yet.
    pub(super) begin: bool,
}

impl Book {
    /// Reads settings and positions if they are known to have changed; answers whether it did.
    pub(super) async fn refresh(&mut self, queue: &dyn Queue) -> queue::Result<bool> {
        if !self.stale {
            return Ok(false);
        }
        let state = queue.group_state(&self.record.id).await?;
        let place = |(stream, position): (StreamId, queue::GroupPosition)| {
            let place = Place { next: position.next, mark: position.mark, begin: false };
            (stream, place)
        };
        self.positions = state.positions.into_iter().map(place).collect();
        self.record = state.record;
        self.stale = false;
        Ok(true)
    }

    /// Notes where a stream stands.
    pub(super) fn note(&mut self, stream: &StreamId, next: Sequence, mark: String) {
        self.positions.insert(stream.clone(), Place { next, mark, begin: false });
    }
}
