//! What submit must know of a stream before it asks the queue: its clock policy, whether its pictures may be passed on as they
//! are, and whether it is there at all.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{ClockPolicy, ReencodeMode, StreamId, StreamPolicies, StreamSettings};
use crate::hub::Hub;
use crate::queue::{self, Queue};

/// How old an answer may be while it is not known whether something has changed. A changed policy counts after this time,
/// everywhere.
const FRESH: Duration = Duration::from_secs(1);
/// How old it may be while the feeds say that nothing has.
const UNCHANGED: Duration = Duration::from_secs(60);
/// Bounds the memory of a server that is asked about endless made-up streams.
const MAX_ENTRIES: usize = 20_000;

/// A short-lived copy of the few settings that every submit needs.
pub(crate) struct SettingsCache {
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    known: Mutex<HashMap<StreamId, Known>>,
    auto_register: Option<AutoRegister>,
}

/// How many more streams may be registered by their first frame.
struct AutoRegister {
    left: AtomicUsize,
}

#[derive(Clone, Copy)]
struct Known {
    at: Instant,
    /// The hub's, before it was asked for.
    version: Option<u64>,
    settings: SubmitSettings,
}

/// Of a stream's settings, what submit needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SubmitSettings {
    pub(crate) clock: ClockPolicy,
    /// Subscribers may get the very bytes that were submitted.
    pub(crate) passes_on: bool,
}

impl From<&StreamPolicies> for SubmitSettings {
    fn from(policies: &StreamPolicies) -> Self {
        Self { clock: policies.clock, passes_on: policies.output.reencode != ReencodeMode::Always }
    }
}

impl Known {
    fn is_fresh(&self, version: Option<u64>) -> bool {
        let unchanged = version.is_some() && version == self.version;
        self.at.elapsed() < if unchanged { UNCHANGED } else { FRESH }
    }
}

impl fmt::Debug for SettingsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsCache").finish_non_exhaustive()
    }
}

impl SettingsCache {
    /// Registers unknown streams, at most `auto_register` of them, if that is given.
    pub(crate) fn new(queue: Arc<dyn Queue>, hub: Arc<Hub>, auto_register: Option<usize>) -> Self {
        let auto_register = auto_register.map(|most| AutoRegister { left: AtomicUsize::new(most) });
        Self { queue, hub, known: Mutex::default(), auto_register }
    }

    /// The settings of each stream; `None` for one that is not registered.
    pub(crate) async fn of(
        &self,
        streams: &[StreamId],
    ) -> queue::Result<HashMap<StreamId, Option<SubmitSettings>>> {
        let mut found = HashMap::with_capacity(streams.len());
        let mut asked = Vec::new();
        let version = self.hub.registry_version();
        {
            let known = self.lock();
            for stream in streams {
                match known.get(stream) {
                    Some(known) if known.is_fresh(version) => {
                        found.insert(stream.clone(), Some(known.settings));
                    }
                    _ if !asked.contains(stream) && !found.contains_key(stream) => asked.push(stream.clone()),
                    _ => {}
                }
            }
        }
        if asked.is_empty() {
            return Ok(found);
        }
        let records = self.queue.get_streams(&asked).await?;
        for (stream, record) in asked.into_iter().zip(records) {
            let settings = match record {
                Some(record) if !record.removed => Some(SubmitSettings::from(&record.effective)),
                removed => self.register(&stream, removed.map(|record| record.settings)).await?,
            };
            // What is not there is not remembered: a new stream's first frames must not be refused for a second.
            if let Some(settings) = settings {
                self.remember(stream.clone(), settings, version);
            }
            found.insert(stream, settings);
        }
        Ok(found)
    }

    /// Registers a stream by its first frame, where that is on and the bound is not reached. One that was here `before`, and of
    /// which something is left, keeps its privacy masks: nobody said that it need not have them any more.
    async fn register(
        &self,
        stream: &StreamId,
        before: Option<StreamSettings>,
    ) -> queue::Result<Option<SubmitSettings>> {
        let Some(auto) = &self.auto_register else { return Ok(None) };
        let taken = auto.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            return Ok(None);
        }
        let StreamSettings { privacy_masks, mask_version, .. } = before.unwrap_or_default();
        let settings = StreamSettings {
            privacy_masks,
            mask_version,
            auto_registered: true,
            ..StreamSettings::default()
        };
        match self.queue.register_stream(stream, &settings).await {
            // Another server was quicker.
            Ok(queue::Created { record, is_new: false }) => {
                auto.left.fetch_add(1, Ordering::Relaxed);
                Ok(Some(SubmitSettings::from(&record.effective)))
            }
            Ok(queue::Created { record, is_new: true }) => {
                let privacy_masks = settings.privacy_masks.len();
                tracing::info!(stream_id = %stream, privacy_masks, "registered by its first frame");
                Ok(Some(SubmitSettings::from(&record.effective)))
            }
            Err(error) => {
                auto.left.fetch_add(1, Ordering::Relaxed);
                // Somebody was quicker, with settings: the frame is accepted under the default policy.
                if error == queue::Error::StreamExists(stream.clone()) {
                    return Ok(Some(SubmitSettings::from(&StreamPolicies::default())));
                }
                if matches!(error, queue::Error::TooManyStreams { .. }) { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Whether subscribers of the stream may get the very bytes that were submitted, as far as is known without asking.
    pub(crate) fn passes_on(&self, stream: &StreamId) -> bool {
        self.lock().get(stream).is_some_and(|known| known.settings.passes_on)
    }

    /// Forgets a stream whose settings this server has changed.
    pub(crate) fn forget(&self, stream: &StreamId) {
        self.lock().remove(stream);
    }

    fn remember(&self, stream: StreamId, settings: SubmitSettings, version: Option<u64>) {
        let mut known = self.lock();
        if known.len() >= MAX_ENTRIES {
            known.retain(|_, entry| entry.is_fresh(version));
        }
        if known.len() < MAX_ENTRIES {
            known.insert(stream, Known { at: Instant::now(), version, settings });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Known>> {
        // Nothing panics while it is held, and what it holds is a copy.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
