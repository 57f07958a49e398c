//! The registry: registers, reads, lists, updates and unregisters streams.

use std::sync::Arc;

use super::convert::stream::{self, WantedStream};
use super::fault::{Fault, Result};
use super::filter::{Fields, Filter};
use super::mask;
use super::page::{self, Page};
use super::permissions;
use super::registered::Registration;
use super::settings::SettingsCache;
use crate::access::Caller;
use crate::domain::{StreamId, StreamRecord, Timestamp};
use crate::pb::v1 as pb;
use crate::queue::{self, ListStreams, Queue};

const LIST: &str = "streams";
/// The fields that an update may not change.
pub(crate) const MASK_RULES: mask::Rules = mask::Rules {
    name: "stream",
    fixed: &["stream_id"],
    output_only: &[
        "etag",
        "create_time",
        "update_time",
        "mask_version",
        "auto_registered",
        "status",
        "effective",
    ],
};
/// The fields that a filter of streams may use.
const FILTER_FIELDS: Fields = Fields {
    only: &[
        "stream_id",
        "display_name",
        "labels",
        "create_time",
        "update_time",
        "auto_registered",
        "mask_version",
        "status",
    ],
    except: &[],
};

/// The operations on streams and their settings.
#[derive(Debug)]
pub(crate) struct Registry {
    queue: Arc<dyn Queue>,
    settings: Arc<SettingsCache>,
}

impl Registry {
    pub(crate) fn new(queue: Arc<dyn Queue>, settings: Arc<SettingsCache>) -> Self {
        Self { queue, settings }
    }

    pub(crate) async fn register(
        &self,
        request: pb::RegisterStreamRequest,
        caller: &Caller,
    ) -> Result<pb::RegisterStreamResponse> {
        let pb::RegisterStreamRequest { stream } = request;
        let stream = stream.ok_or_else(|| Fault::invalid("stream", "must be set"))?;
        let WantedStream { id, mut settings } = stream::from_pb(stream).map_err(|f| f.within("stream"))?;
        permissions::check_manage(caller, &id)?;
        // The record of an unregistered stream with this id still has its masks.
        let before = self.queue.get_streams(std::slice::from_ref(&id)).await?.into_iter().next().flatten();
        settings.update_mask_version(before.as_ref().map(|record| &record.settings));
        settings.owner = caller.name().cloned();
        // A registered stream is not counted again: the answer is the same as without a quota.
        let registration = match before {
            Some(record) if !record.removed => None,
            _ => Some(Registration::of(caller, &*self.queue).await?),
        };
        let queue::Created { record, is_new } = self.queue.register_stream(&id, &settings).await?;
        if let Some(registration) = registration
            && is_new
        {
            registration.used();
        }
        self.settings.forget(&id);
        Ok(pb::RegisterStreamResponse { stream: Some(self.to_pb(record)) })
    }

    pub(crate) async fn get(
        &self,
        request: pb::GetStreamRequest,
        caller: &Caller,
    ) -> Result<pb::GetStreamResponse> {
        let pb::GetStreamRequest { stream_id } = request;
        let id: StreamId = stream_id.parse()?;
        permissions::check_see(caller, &id)?;
        let record = self.read(&id).await?;
        Ok(pb::GetStreamResponse { stream: Some(self.to_pb(record)) })
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListStreamsRequest,
        caller: &Caller,
    ) -> Result<pb::ListStreamsResponse> {
        let visible = &caller.permissions().visible;
        let pb::ListStreamsRequest { page_size, page_token, filter } = request;
        let list = page::filtered(LIST, &filter, &self.queue.identity());
        let filter = Filter::of::<pb::Stream>(&filter, FILTER_FIELDS)?;
        let mut after: Option<StreamId> = page::after(&list, &page_token)?;
        let mut page = Page::new(page::size(page_size));
        let mut reads = 0;
        'page: while reads < page::READS_A_PAGE {
            let limit = page.read_limit(filter.is_empty() && visible.is_all());
            let records = self.queue.list_streams(&ListStreams { after, limit }).await?;
            let is_last = records.len() < limit;
            after = records.last().map(|record| record.id.clone());
            // Streams that the caller may not see do not count as read, and are in no token.
            reads += usize::from(records.iter().any(|record| visible.contains(record.id.as_str())));
            for record in records.into_iter().filter(|record| visible.contains(record.id.as_str())) {
                let id = record.id.clone();
                let stream = self.to_pb(record);
                if !filter.passes(&stream)? {
                    page.pass(id);
                } else if !page.add(id, stream) {
                    break 'page;
                }
            }
            if is_last {
                return Ok(pb::ListStreamsResponse { streams: page.all(), next_page_token: String::new() });
            }
            // Large settings take a while to read: other tasks may run in between.
            tokio::task::yield_now().await;
        }
        // A page may have fewer items than asked for: one call reads a limited number of streams,
        // even if few of them pass the filter, and their settings must fit into a message.
        let (streams, last) = page.cut();
        let next_page_token = last.map(|last| page::token(&list, &last)).unwrap_or_default();
        Ok(pb::ListStreamsResponse { streams, next_page_token })
    }

    pub(crate) async fn update(
        &self,
        request: pb::UpdateStreamRequest,
        caller: &Caller,
    ) -> Result<pb::UpdateStreamResponse> {
        let pb::UpdateStreamRequest { stream, update_mask, reason: _ } = request;
        let wanted = stream.ok_or_else(|| Fault::invalid("stream", "must be set"))?;
        let id: StreamId = wanted.stream_id.parse().map_err(|e| Fault::from(e).within("stream"))?;
        permissions::check_manage(caller, &id)?;
        let expected = stream::etag("stream.etag", &wanted.etag)?;
        let paths = update_mask.unwrap_or_default().paths;
        let mut tries = mask::UPDATE_TRIES;
        loop {
            let current = self.read(&id).await?;
            let etag = expected.unwrap_or(current.etag());
            let before = current.settings.clone();
            let merged = mask::merge(&MASK_RULES, &paths, &self.to_pb(current), &wanted)?;
            let WantedStream { id: _, mut settings } =
                stream::from_pb(merged).map_err(|f| f.within("stream"))?;
            settings.update_mask_version(Some(&before));
            settings.auto_registered = before.auto_registered;
            settings.owner = before.owner;
            tries -= 1;
            match self.queue.update_stream(&id, &settings, etag).await {
                Err(queue::Error::EtagMismatch { .. }) if expected.is_none() && tries > 0 => {}
                updated => {
                    self.settings.forget(&id);
                    return Ok(pb::UpdateStreamResponse { stream: Some(self.to_pb(updated?)) });
                }
            }
        }
    }

    pub(crate) async fn unregister(
        &self,
        request: pb::UnregisterStreamRequest,
        caller: &Caller,
    ) -> Result<pb::UnregisterStreamResponse> {
        let pb::UnregisterStreamRequest { stream_id, etag, reason: _ } = request;
        let id: StreamId = stream_id.parse()?;
        permissions::check_manage(caller, &id)?;
        let expected = stream::etag("etag", &etag)?;
        let removed = self.queue.unregister_stream(&id, expected).await?;
        self.settings.forget(&id);
        let queue::Unregistered { last_sequence, queued_frames, output_frames, dead_letters } = removed;
        Ok(pb::UnregisterStreamResponse {
            last_sequence,
            removed_queued_frames: queued_frames,
            removed_output_frames: output_frames,
            removed_dead_letters: dead_letters,
        })
    }

    async fn read(&self, id: &StreamId) -> Result<StreamRecord> {
        let found = self.queue.get_streams(std::slice::from_ref(id)).await?.into_iter().next().flatten();
        match found {
            Some(record) if !record.removed => Ok(record),
            Some(_) | None => Err(queue::Error::StreamNotFound(id.clone()).into()),
        }
    }

    fn to_pb(&self, record: StreamRecord) -> pb::Stream {
        stream::to_pb(record, self.queue.partitions(), Timestamp::now())
    }
}
