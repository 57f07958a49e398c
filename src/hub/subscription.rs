use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::event::{DeliveredFrame, DeliveredPicture, Event, GapReason, PicturesOrLost, SubscribeError};
use super::followed::{Exit, Followed, Peek};
use super::inbox::{Change, Inbox};
use super::load::{Found, Load, Trouble};
use super::select::{PictureWant, StreamSet, SubscriptionRequest};
use super::subscribe::{Registration, too_many_streams};
use super::tail::TailState;
use super::timers::{Due, Timers};
use super::{Hub, queue};
use crate::domain::{Cursor, OutputBody, OutputEntry, Sequence, TombstoneKind};

/// Tombstones passed over before another stream has its turn.
const SKIPS_A_TURN: usize = 32;
/// Pages that a subscription holds in all, while it lags in many streams.
const PAGES_AHEAD: usize = 4;

/// A reader of streams. Yields events when asked, and holds no frames between.
///
/// The first event is a checkpoint; a subscription that reaches its stop ends with another, then `None`. Dropping it
/// ends it. While the backend is away it waits, and heartbeats tell what was known before; when that has lasted for
/// [`HubConfig::outage_limit`](super::HubConfig::outage_limit), it ends with [`SubscribeError::Backend`], so that the
/// client can try another server: everything told is told, and the last cursors hold.
#[derive(Debug)]
pub struct Subscription {
    registration: Registration,
    /// By their index in the inbox.
    streams: BTreeMap<u32, Followed>,
    selectors: Vec<SelectorState>,
    /// Frames until the end.
    remaining: Option<u64>,
    /// What is to be told before anything else; emptied before anything is added.
    out: VecDeque<Event>,
    phase: Phase,
    load: Option<Load>,
    loaded: Option<(u32, queue::Result<Found>)>,
    trouble: Option<Trouble>,
    timers: Timers,
    tail: watch::Receiver<TailState>,
}

#[derive(Debug)]
struct SelectorState {
    want: PictureWant,
    stop: Option<Sequence>,
    remaining: Option<u64>,
    /// It names its streams, and so many of them are not done.
    open: Option<usize>,
}

impl SelectorState {
    fn is_exhausted(&self) -> bool {
        self.remaining == Some(0)
    }

    fn is_done(&self) -> bool {
        self.is_exhausted() || self.open == Some(0)
    }
}

#[derive(Debug)]
enum Phase {
    Fresh,
    Running,
    Over(Option<SubscribeError>),
}

enum Step {
    /// Something was done: see what follows.
    Done,
    /// Nothing can be done now.
    Wait,
}

impl Subscription {
    pub(super) fn new(
        registration: Registration,
        request: &SubscriptionRequest,
        streams: Vec<(u32, Followed)>,
    ) -> Self {
        let state = |selector: &super::Selector| SelectorState {
            want: selector.want,
            stop: selector.stop_sequence,
            remaining: selector.stop_after_frames,
            open: matches!(selector.streams, StreamSet::Ids(_)).then_some(0),
        };
        let mut selectors: Vec<SelectorState> = request.selectors.iter().map(state).collect();
        for (_, stream) in &streams {
            if let Some(open) = selectors.get_mut(stream.selector).and_then(|state| state.open.as_mut()) {
                *open += 1;
            }
        }
        let tail = registration.hub.tail_state();
        let mut subscription = Self {
            registration,
            streams: streams.into_iter().collect(),
            selectors,
            remaining: request.stop_after_frames,
            out: VecDeque::new(),
            phase: Phase::Fresh,
            load: None,
            loaded: None,
            trouble: None,
            timers: Timers::new(request.heartbeat_interval, request.checkpoint_interval),
            tail,
        };
        let indices: Vec<u32> = subscription.streams.keys().copied().collect();
        indices.into_iter().for_each(|index| subscription.touch(index));
        subscription
    }

    /// The next event. Waits until there is one; `None` after the last. May be dropped and called again at any time:
    /// nothing is lost. After an error comes `None`.
    pub async fn next(&mut self) -> Option<Result<Event, SubscribeError>> {
        loop {
            if let Some(event) = self.out.pop_front() {
                return Some(Ok(event));
            }
            if let Phase::Over(error) = &mut self.phase {
                return error.take().map(Err);
            }
            if let Step::Wait = self.step() {
                self.wait().await;
            }
        }
    }

    /// Positions of all streams. What came before them has been told, but for gaps that are pending.
    fn cursors(&self) -> Vec<Cursor> {
        self.streams.values().map(Followed::cursor).collect()
    }

    fn inbox(&self) -> &Inbox {
        &self.registration.inbox
    }

    fn hub(&self) -> &Arc<Hub> {
        &self.registration.hub
    }

    /// Does one thing, without waiting.
    fn step(&mut self) -> Step {
        let mail = self.inbox().take_mail();
        mail.changes.into_iter().for_each(|change| self.apply(change));
        if let Phase::Fresh = self.phase {
            self.phase = Phase::Running;
            self.out.push_back(Event::Checkpoint(self.cursors()));
        } else if mail.draining {
            self.end(Event::Draining, None);
        } else if mail.overflowed {
            self.end(Event::Checkpoint, Some(too_many_streams()));
        } else if self.remaining == Some(0) || self.selectors.iter().all(SelectorState::is_done) {
            self.end(Event::Checkpoint, None);
        } else if let Some(due) = self.timers.take_due() {
            self.tell(due);
        } else if let Some((index, result)) = self.loaded.take() {
            self.take_loaded(index, result);
        } else if let Some(error) = self.long_outage() {
            self.end(Event::Checkpoint, Some(SubscribeError::Backend(error)));
        } else if self.load.is_some()
            || self.trouble.as_ref().is_some_and(|trouble| trouble.retry_at > Instant::now())
        {
            return Step::Wait;
        } else if let Some((index, waiting)) = self.inbox().dequeue() {
            self.turn(index, waiting);
        } else {
            return Step::Wait;
        }
        Step::Done
    }

    /// Waits until [`Self::step`] may have something to do.
    async fn wait(&mut self) {
        let outage_end = match &*self.tail.borrow_and_update() {
            TailState::Down { since, .. } => Some(*since + self.registration.hub.config.outage_limit),
            TailState::Starting | TailState::Connected => None,
        };
        let retry_at = self.trouble.as_ref().map(|trouble| trouble.retry_at);
        let alarm = [self.timers.next(), outage_end, retry_at].into_iter().flatten().min();
        tokio::select! {
            biased;
            loaded = async { match &mut self.load {
                Some(load) => (load.index, load.future.as_mut().await),
                None => std::future::pending().await,
            } } => {
                self.load = None;
                self.loaded = Some(loaded);
            }
            () = self.registration.inbox.news() => {}
            _ = self.tail.changed() => {}
            () = async { match alarm {
                Some(alarm) => sleep_until(alarm).await,
                None => std::future::pending().await,
            } } => {}
        }
    }

    fn long_outage(&mut self) -> Option<queue::Error> {
        match &*self.tail.borrow() {
            TailState::Down { since, error } if since.elapsed() >= self.hub().config.outage_limit => {
                Some(error.clone())
            }
            TailState::Down { .. } | TailState::Starting | TailState::Connected => None,
        }
    }

    /// Tells what is due though no frame came; pending gaps first.
    fn tell(&mut self, due: Due) {
        self.out.extend(self.streams.values_mut().filter_map(Followed::take_gap).map(Event::Gap));
        match due {
            Due::Heartbeat => {
                self.out.push_back(Event::Heartbeat(self.streams.values().map(Followed::head).collect()));
            }
            Due::Checkpoint => self.out.push_back(Event::Checkpoint(self.cursors())),
            Due::Gaps => {}
        }
    }

    fn end(&mut self, last: fn(Vec<Cursor>) -> Event, error: Option<SubscribeError>) {
        self.tell(Due::Gaps);
        self.out.push_back(last(self.cursors()));
        self.phase = Phase::Over(error);
        self.load = None;
    }

    fn apply(&mut self, change: Change) {
        let (index, exit) = match change {
            Change::Joined { index, topic, selector, first, settled } => {
                let stop = self.selectors.get(selector).and_then(|state| state.stop);
                let mut joined = Followed::new(topic, selector, first, stop);
                joined.settled = settled;
                self.streams.entry(index).or_insert(joined);
                return;
            }
            Change::Begins { index, first } => {
                if let Some(stream) = self.streams.get_mut(&index) {
                    stream.begin(first);
                }
                return;
            }
            Change::Removed { index } => (index, Exit::WhenDrained),
            Change::Left { index, head } => (index, Exit::Behind(head)),
            Change::Stays { index } => (index, Exit::Stays),
        };
        if let Some(stream) = self.streams.get_mut(&index) {
            stream.exit = exit;
        }
    }

    /// One stream's turn: at most one frame, or the read that it needs.
    fn turn(&mut self, index: u32, waiting: usize) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let Some(selector) = self.selectors.get(stream.selector).filter(|state| !state.is_exhausted()) else {
            return;
        };
        let mut again = true;
        for _ in 0..SKIPS_A_TURN {
            let entry = match stream.peek() {
                Peek::Entry(entry) => entry,
                Peek::Read => {
                    let pages = self.registration.hub.config.page_entries.max(1);
                    let limit = (PAGES_AHEAD * pages / (waiting + 1)).clamp(1, pages);
                    let (id, from) = (stream.id().clone(), stream.next);
                    self.load = Some(Load::page(&self.registration.hub, index, id, from, limit));
                    again = false;
                    break;
                }
                Peek::Nothing => {
                    again = false;
                    break;
                }
            };
            let want = selector.want;
            match &entry.body {
                OutputBody::Tombstone(tombstone) => {
                    stream.skip(entry.sequence.get(), reason_of(&tombstone.kind));
                    continue;
                }
                OutputBody::Frame(_) if want.roles().next().is_none() => {
                    return self.deliver(index, entry, Vec::new());
                }
                OutputBody::Frame(_) => {
                    self.load = Some(Load::pictures(&self.registration.hub, index, entry, want));
                    again = false;
                    break;
                }
            }
        }
        if again {
            self.inbox().enqueue(index);
        }
        self.touch(index);
    }

    fn take_loaded(&mut self, index: u32, result: queue::Result<Found>) {
        let found = match result {
            Ok(found) => found,
            Err(error) => return self.retry(index, error),
        };
        self.trouble = None;
        let Some(stream) = self.streams.get_mut(&index) else { return };
        let again = match found {
            Found::Page(Some(page)) => stream.ingest(page),
            Found::Page(None) => {
                stream.vanish();
                false
            }
            Found::Pictures(entry, PicturesOrLost::Pictures(pictures)) => {
                return self.deliver(index, entry, pictures);
            }
            Found::Pictures(entry, PicturesOrLost::Lost(reason)) => {
                stream.skip(entry.sequence.get(), reason);
                true
            }
        };
        if again {
            self.inbox().enqueue(index);
        }
        self.touch(index);
    }

    fn retry(&mut self, index: u32, error: queue::Error) {
        // Those who failed together need not come back together.
        let spread = Duration::from_millis(5 * (self.inbox().id() % 16));
        let limit = self.hub().config.outage_limit;
        self.trouble = Trouble::again(self.trouble.as_ref(), limit, spread);
        if self.trouble.is_none() || !error.is_retryable() {
            return self.end(Event::Checkpoint, Some(SubscribeError::Backend(error)));
        }
        self.inbox().enqueue(index);
    }

    fn deliver(&mut self, index: u32, entry: Arc<OutputEntry>, pictures: Vec<DeliveredPicture>) {
        self.inbox().enqueue(index);
        let Some(stream) = self.streams.get_mut(&index) else { return };
        if entry.sequence != stream.next {
            return;
        }
        self.out.extend(stream.take_gap().map(Event::Gap));
        stream.advance();
        let cursor = stream.cursor();
        self.out.push_back(Event::Frame(DeliveredFrame { entry, pictures, cursor }));
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(1);
        }
        if let Some(remaining) =
            self.selectors.get_mut(stream.selector).and_then(|state| state.remaining.as_mut())
        {
            *remaining = remaining.saturating_sub(1);
        }
        self.touch(index);
    }

    /// Draws the consequences of a stream's new position.
    fn touch(&mut self, index: u32) {
        let Some(stream) = self.streams.get_mut(&index) else { return };
        if stream.has_gap() {
            self.timers.gap_pending();
        }
        if stream.is_done() && !stream.closed {
            stream.closed = true;
            if let Some(open) = self.selectors.get_mut(stream.selector).and_then(|state| state.open.as_mut())
            {
                *open = open.saturating_sub(1);
            }
        }
        if stream.exit == Exit::Due {
            let id = stream.id().clone();
            if self.registration.hub.followers.forget(&self.registration.inbox, &id, index) {
                self.out.extend(stream.take_gap().map(Event::Gap));
                self.streams.remove(&index);
            } else {
                self.registration.inbox.enqueue(index);
            }
        }
    }
}

fn reason_of(kind: &TombstoneKind) -> GapReason {
    match kind {
        TombstoneKind::Failed(_) => GapReason::Failed,
        TombstoneKind::Dropped => GapReason::Overflow,
        TombstoneKind::Purged => GapReason::Purged,
    }
}
