use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::event::{Event, SubscribeError};
use super::followed::Followed;
use super::inbox::Inbox;
use super::load::{Found, Load, Trouble};
use super::select::{PictureWant, StreamSet, SubscriptionRequest};
use super::subscribe::{Registration, too_many_streams};
use super::tail::TailState;
use super::timers::{Due, Timers};
use super::{Hub, queue};
use crate::domain::{Cursor, Sequence};

/// A reader of streams. Yields events when asked, and holds no frames between.
///
/// The first event is a checkpoint; a subscription that reaches its stop ends with another, then `None`. Dropping it
/// ends it. While the backend is away it waits, and heartbeats tell what was known before; when that has lasted for
/// [`HubConfig::outage_limit`](super::HubConfig::outage_limit), it ends with [`SubscribeError::Backend`], so that the
/// client can try another server: everything told is told, and the last cursors hold.
#[derive(Debug)]
pub struct Subscription {
    pub(super) registration: Registration,
    /// By their index in the inbox.
    pub(super) streams: BTreeMap<u32, Followed>,
    pub(super) selectors: Vec<SelectorState>,
    /// Frames until the end.
    pub(super) remaining: Option<u64>,
    /// What is to be told before anything else; emptied before anything is added.
    pub(super) out: VecDeque<Event>,
    phase: Phase,
    pub(super) load: Option<Load>,
    loaded: Option<(u32, queue::Result<Found>)>,
    pub(super) trouble: Option<Trouble>,
    pub(super) timers: Timers,
    tail: watch::Receiver<TailState>,
}

#[derive(Debug)]
pub(super) struct SelectorState {
    pub(super) want: PictureWant,
    pub(super) stop: Option<Sequence>,
    pub(super) remaining: Option<u64>,
    /// It names its streams, and so many of them are not done.
    pub(super) open: Option<usize>,
}

impl SelectorState {
    pub(super) fn is_exhausted(&self) -> bool {
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
            // A backlog that is all in memory would otherwise never let another task run.
            tokio::task::consume_budget().await;
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

    pub(super) fn inbox(&self) -> &Inbox {
        &self.registration.inbox
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
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

    pub(super) fn end(&mut self, last: fn(Vec<Cursor>) -> Event, error: Option<SubscribeError>) {
        self.tell(Due::Gaps);
        self.out.push_back(last(self.cursors()));
        self.phase = Phase::Over(error);
        self.load = None;
    }
}
