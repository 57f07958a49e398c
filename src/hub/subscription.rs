use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::choice::Choice;
use super::clock;
use super::ends::{Departed, Stops};
use super::event::{Event, GapReason, SubscribeError, TimeGap};
use super::followed::Followed;
use super::inbox::Inbox;
use super::load::{Found, Load, Trouble};
use super::select::{PictureWant, SubscriptionRequest};
use super::subscribe::Registration;
use super::tail::TailState;
use super::timers::{Due, Timers};
use super::{Hub, queue};
use crate::domain::{Cursor, StreamId, Timestamp};

/// The wait for a time to stop is cut into pieces: the clock may be set meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

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
    /// It ends when all that was published before its first event is told.
    stop_at_head: bool,
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
    /// When streams are to be asked whether they are done.
    stop_times: BTreeSet<Timestamp>,
    /// What starts and stops by time asked for and retention has taken; told behind the first checkpoint.
    time_gaps: Vec<TimeGap>,
    /// Streams that went, and where: they may come back.
    pub(super) departed: BTreeMap<StreamId, Departed>,
}

#[derive(Debug)]
pub(super) struct SelectorState {
    pub(super) want: PictureWant,
    pub(super) choice: Arc<Choice>,
    pub(super) stops: Stops,
    /// It names its streams: no others come.
    is_fixed: bool,
    /// So many of its streams are not done.
    open: usize,
    /// It had streams.
    had_any: bool,
}

impl SelectorState {
    fn new(selector: &super::Selector) -> Self {
        Self {
            want: selector.want,
            choice: Arc::new(selector.choice.clone()),
            stops: Stops {
                sequence: selector.stop_sequence,
                time: selector.stop_time,
                frames: selector.stop_after_frames,
            },
            is_fixed: !selector.streams.is_dynamic(),
            open: 0,
            had_any: false,
        }
    }

    pub(super) fn opened(&mut self) {
        self.open += 1;
        self.had_any = true;
    }

    pub(super) fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Whether only the newest frames are wanted, and why the others are left out.
    pub(super) fn newest(&self) -> Option<GapReason> {
        self.choice.sampling.latest_only.then_some(GapReason::Sampled)
    }

    /// Every stream selected by now has stopped. Where streams can still come, there must have been one, or none can
    /// come in time.
    fn is_done(&self, now: Timestamp) -> bool {
        let settled = self.had_any || self.stops.is_over(now);
        self.open == 0 && (self.is_fixed || self.stops.are_set() && settled)
    }
}

/// Ends one subscription.
#[derive(Debug)]
pub struct Drainer(Arc<Inbox>);

impl Drainer {
    /// Has the subscription tell its cursors and end.
    pub fn drain(&self) {
        self.0.drain();
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
        mut streams: Vec<(u32, Followed)>,
        time_gaps: Vec<TimeGap>,
    ) -> Self {
        let mut selectors: Vec<SelectorState> = request.selectors.iter().map(SelectorState::new).collect();
        for (_, stream) in &mut streams {
            if let Some(state) = selectors.get_mut(stream.selector) {
                state.opened();
                stream.newest = state.newest();
            }
        }
        let stop_times = selectors.iter().filter_map(|state| state.stops.time).collect();
        let tail = registration.hub.tail_state();
        let mut subscription = Self {
            registration,
            streams: streams.into_iter().collect(),
            selectors,
            stop_at_head: request.stop_at_head,
            remaining: request.stop_after_frames,
            out: VecDeque::new(),
            phase: Phase::Fresh,
            load: None,
            loaded: None,
            trouble: None,
            timers: Timers::new(request.heartbeat_interval, request.checkpoint_interval),
            tail,
            stop_times,
            time_gaps,
            departed: BTreeMap::new(),
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
                self.hub().told.count(&event);
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

    /// Positions of all streams, by stream id. What came before them has been told, but for gaps that are pending.
    fn cursors(&self) -> Vec<Cursor> {
        let mut cursors: Vec<Cursor> = self.streams.values().map(Followed::cursor).collect();
        cursors.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
        cursors
    }

    /// Answers what ends this subscription alone, from outside, as a drain of the server does: with its cursors.
    #[must_use]
    pub fn drainer(&self) -> Drainer {
        Drainer(Arc::clone(&self.registration.inbox))
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
            self.stop_at_heads();
            let first = self.checkpoint();
            self.out.push_back(first);
            self.out.extend(self.time_gaps.drain(..).map(Event::TimeGap));
        } else if mail.draining {
            self.tell(Due::Gaps);
            self.finish(Event::Draining(self.cursors()), None);
        } else if self.remaining == Some(0) || self.all_done() {
            self.end(None);
        } else if self.take_stop_time() {
            // Streams were marked.
        } else if let Some(due) = self.timers.take_due() {
            self.tell(due);
        } else if let Some((index, result)) = self.loaded.take() {
            self.take_loaded(index, result);
        } else if let Some(error) = self.long_outage() {
            self.end(Some(SubscribeError::Backend(error)));
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
        // A moment that has passed waits for nothing more: what failed is being read again, or is not needed any more.
        let retry_at = self
            .trouble
            .as_ref()
            .map(|trouble| trouble.retry_at)
            .filter(|retry_at| *retry_at > Instant::now());
        let stop_time = self
            .stop_times
            .first()
            .map(|stop| Instant::now() + stop.since(clock::now()).clamp(SHORTEST_WAIT, LONGEST_WAIT));
        let alarm = [self.timers.next(), outage_end, retry_at, stop_time].into_iter().flatten().min();
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

    fn all_done(&self) -> bool {
        let now = clock::now();
        self.selectors.iter().all(|state| state.is_done(now) || self.stop_at_head && state.open == 0)
    }

    /// Has each stream end at its head, where that is asked for.
    fn stop_at_heads(&mut self) {
        if !self.stop_at_head {
            return;
        }
        self.streams.values_mut().for_each(Followed::end_at_head);
        let indices: Vec<u32> = self.streams.keys().copied().collect();
        indices.into_iter().for_each(|index| self.touch(index));
    }

    /// Whether a stream that joins is too late to be told anything of.
    pub(super) fn ends_before_news(&self) -> bool {
        self.stop_at_head && !matches!(self.phase, Phase::Fresh)
    }

    /// Has all streams looked at when a time to stop has come; answers whether one has.
    fn take_stop_time(&mut self) -> bool {
        let now = clock::now();
        let due = self.stop_times.first().is_some_and(|stop| *stop <= now);
        if due {
            self.stop_times.retain(|stop| *stop > now);
            self.streams.keys().for_each(|&index| {
                self.inbox().enqueue(index);
            });
        }
        due
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
                let mut heads: Vec<_> = self.streams.values().map(Followed::head).collect();
                heads.sort_unstable_by(|a, b| a.stream_id.cmp(&b.stream_id));
                let unfollowed_streams = self.inbox().unfollowed();
                self.out.push_back(Event::Heartbeat { heads, unfollowed_streams });
            }
            Due::Checkpoint => {
                let checkpoint = self.checkpoint();
                self.out.push_back(checkpoint);
            }
            Due::Gaps => {}
        }
    }

    fn checkpoint(&self) -> Event {
        Event::Checkpoint { cursors: self.cursors(), unfollowed_streams: self.inbox().unfollowed() }
    }

    /// Tells what is pending and a last checkpoint.
    pub(super) fn end(&mut self, error: Option<SubscribeError>) {
        self.tell(Due::Gaps);
        self.finish(self.checkpoint(), error);
    }

    fn finish(&mut self, last: Event, error: Option<SubscribeError>) {
        self.out.push_back(last);
        self.phase = Phase::Over(error);
        self.load = None;
    }
}
