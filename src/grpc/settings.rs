//! The settings of a stream that submit needs before it asks the queue: the clock policy, whether
//! pictures may be relayed, and whether the stream exists.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::fault::Result;
use super::registered::Registration;
use crate::access::Caller;
use crate::domain::{ClockPolicy, ReencodeMode, StreamId, StreamPolicies, StreamSettings};
use crate::hub::Hub;
use crate::pb::v1::ErrorReason;
use crate::queue::{self, Queue, Refusal};

/// The maximum age of an entry while it is unknown whether the settings have changed. After this
/// time at the latest, a changed policy applies on every server.
const MAX_AGE_UNKNOWN: Duration = Duration::from_secs(1);
/// The maximum age of an entry while the feeds report no change.
const MAX_AGE_UNCHANGED: Duration = Duration::from_secs(60);
/// The maximum number of entries. It bounds the memory if callers invent stream ids.
const MAX_ENTRIES: usize = 20_000;

/// A short-lived copy of the settings that every submit needs.
pub(crate) struct SettingsCache {
    queue: Arc<dyn Queue>,
    hub: Arc<Hub>,
    streams: Mutex<HashMap<StreamId, CachedSettings>>,
    auto_register: Option<AutoRegister>,
}

/// The number of streams that may still be registered by their first frame.
struct AutoRegister {
    left: AtomicUsize,
}

#[derive(Clone, Copy)]
struct CachedSettings {
    /// The time when the settings were read.
    read_at: Instant,
    /// The registry version of the hub before the settings were read.
    version: Option<u64>,
    settings: SubmitSettings,
}

/// The settings of a stream that submit needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SubmitSettings {
    pub(crate) clock: ClockPolicy,
    /// True if subscribers may receive the submitted bytes unchanged.
    pub(crate) may_relay: bool,
}

impl From<&StreamPolicies> for SubmitSettings {
    fn from(policies: &StreamPolicies) -> Self {
        Self { clock: policies.clock, may_relay: policies.output.reencode != ReencodeMode::Always }
    }
}

impl CachedSettings {
    fn is_fresh(&self, version: Option<u64>) -> bool {
        let unchanged = version.is_some() && version == self.version;
        self.read_at.elapsed() < if unchanged { MAX_AGE_UNCHANGED } else { MAX_AGE_UNKNOWN }
    }
}

impl fmt::Debug for SettingsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsCache").finish_non_exhaustive()
    }
}

impl SettingsCache {
    /// Creates a cache that registers unknown streams, at most `auto_register` of them; `None`
    /// registers none.
    pub(crate) fn new(queue: Arc<dyn Queue>, hub: Arc<Hub>, auto_register: Option<usize>) -> Self {
        let auto_register = auto_register.map(|max| AutoRegister { left: AtomicUsize::new(max) });
        Self { queue, hub, streams: Mutex::default(), auto_register }
    }

    /// Returns the settings of each stream, or the fault of its frames: it is not registered, or
    /// `caller` may register no more.
    ///
    /// # Errors
    /// The settings cannot be read.
    pub(crate) async fn of(
        &self,
        streams: &[StreamId],
        caller: &Caller,
    ) -> Result<HashMap<StreamId, Result<SubmitSettings>>> {
        let mut found = HashMap::with_capacity(streams.len());
        let mut asked = Vec::new();
        let version = self.hub.registry_version();
        {
            let cached = self.streams.lock();
            for stream in streams {
                match cached.get(stream) {
                    Some(known) if known.is_fresh(version) => {
                        found.insert(stream.clone(), Ok(known.settings));
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
                Some(record) if !record.removed => Ok(SubmitSettings::from(&record.effective)),
                removed => {
                    match self.register(&stream, removed.map(|record| record.settings), caller).await {
                        Ok(Some(settings)) => Ok(settings),
                        Ok(None) => Err(Refusal::StreamNotFound.into()),
                        Err(fault) if fault.reason == ErrorReason::QuotaExceeded => Err(fault),
                        Err(fault) => return Err(fault),
                    }
                }
            };
            // An unknown stream is not cached. Otherwise, the frames of a stream that is registered
            // a moment later would be refused until the entry expires.
            if let Ok(settings) = settings {
                self.remember(stream.clone(), settings, version);
            }
            found.insert(stream, settings);
        }
        Ok(found)
    }

    /// Registers a stream by its first frame, if that is enabled and the limit is not reached.
    /// `before` are the settings that the store still has of the stream if it was unregistered. Its
    /// privacy masks are kept, because nobody has removed them.
    async fn register(
        &self,
        stream: &StreamId,
        before: Option<StreamSettings>,
        caller: &Caller,
    ) -> Result<Option<SubmitSettings>> {
        let Some(auto) = &self.auto_register else { return Ok(None) };
        let registration = Registration::of(caller, &*self.queue).await?;
        let taken = auto.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_err() {
            return Ok(None);
        }
        let StreamSettings { privacy_masks, mask_version, .. } = before.unwrap_or_default();
        let settings = StreamSettings {
            privacy_masks,
            mask_version,
            auto_registered: true,
            owner: caller.name().cloned(),
            ..StreamSettings::default()
        };
        match self.queue.register_stream(stream, &settings).await {
            // Another server registered it first.
            Ok(queue::Created { record, is_new: false }) => {
                auto.left.fetch_add(1, Ordering::Relaxed);
                Ok(Some(SubmitSettings::from(&record.effective)))
            }
            Ok(queue::Created { record, is_new: true }) => {
                registration.used();
                let privacy_masks = settings.privacy_masks.len();
                tracing::info!(stream_id = %stream, privacy_masks, "stream registered by its first frame");
                Ok(Some(SubmitSettings::from(&record.effective)))
            }
            Err(error) => {
                auto.left.fetch_add(1, Ordering::Relaxed);
                // Another caller registered it first, with settings: the frame is accepted under
                // the default policy.
                if error == queue::Error::StreamExists(stream.clone()) {
                    return Ok(Some(SubmitSettings::from(&StreamPolicies::default())));
                }
                if matches!(error, queue::Error::TooManyStreams { .. }) {
                    Ok(None)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// Reports whether the cached settings let subscribers of the stream receive the submitted
    /// bytes unchanged.
    pub(crate) fn may_relay(&self, stream: &StreamId) -> bool {
        self.streams.lock().get(stream).is_some_and(|known| known.settings.may_relay)
    }

    /// Removes a stream whose settings this server has changed.
    pub(crate) fn forget(&self, stream: &StreamId) {
        self.streams.lock().remove(stream);
    }

    fn remember(&self, stream: StreamId, settings: SubmitSettings, version: Option<u64>) {
        let mut cached = self.streams.lock();
        if cached.len() >= MAX_ENTRIES {
            cached.retain(|_, entry| entry.is_fresh(version));
        }
        if cached.len() < MAX_ENTRIES {
            cached.insert(stream, CachedSettings { read_at: Instant::now(), version, settings });
        }
    }
}
