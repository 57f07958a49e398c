//! The registry: register, get, list, update, unregister.

use std::sync::Arc;

use super::convert::stream::{self, WantedStream};
use super::fault::{Fault, Result};
use super::filter::{Fields, Filter};
use super::mask;
use super::page::{self, Page};
use super::settings::SettingsCache;
use crate::domain::{StreamId, StreamRecord, Timestamp};
use crate::pb::v1 as pb;
use crate::queue::{self, ListStreams, Queue};

const LIST: &str = "streams";
/// What an update may change.
const MASK_RULES: mask::Rules = mask::Rules {
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
/// Streams that are read at once for a page.
const READ_AT_ONCE: usize = 100;
/// Most such reads for one page: 4,000 streams are looked at for those few that pass a filter.
const READS_A_PAGE: usize = 40;
/// What a filter of streams may name.
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
/// How often an update without an etag starts again when others change the stream at the same time.
const UPDATE_TRIES: usize = 8;

/// Streams and their settings.
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
    ) -> Result<pb::RegisterStreamResponse> {
        let pb::RegisterStreamRequest { stream } = request;
        let stream = stream.ok_or_else(|| Fault::invalid("stream", "must be set"))?;
        let WantedStream { id, mut settings } = stream::from_pb(stream).map_err(|f| f.within("stream"))?;
        // What is remembered of a stream of that id still tells which masks it had.
        let before = self.queue.get_streams(std::slice::from_ref(&id)).await?.into_iter().next().flatten();
        settings.number_masks(before.as_ref().map(|record| &record.settings));
        let record = self.queue.register_stream(&id, &settings).await?.record;
        self.settings.forget(&id);
        Ok(pb::RegisterStreamResponse { stream: Some(self.to_pb(record)) })
    }

    pub(crate) async fn get(&self, request: pb::GetStreamRequest) -> Result<pb::GetStreamResponse> {
        let pb::GetStreamRequest { stream_id } = request;
        let record = self.read(&stream_id.parse()?).await?;
        Ok(pb::GetStreamResponse { stream: Some(self.to_pb(record)) })
    }

    pub(crate) async fn list(&self, request: pb::ListStreamsRequest) -> Result<pb::ListStreamsResponse> {
        let pb::ListStreamsRequest { page_size, page_token, filter } = request;
        let list = page::filtered(LIST, &filter, &self.queue.identity());
        let filter = Filter::of::<pb::Stream>(&filter, FILTER_FIELDS)?;
        let mut after: Option<StreamId> = page::after(&list, &page_token)?;
        let mut page = Page::new(page::size(page_size));
        'page: for _ in 0..READS_A_PAGE {
            let limit = if filter.is_empty() { READ_AT_ONCE.min(page.left()) } else { READ_AT_ONCE };
            let records = self.queue.list_streams(&ListStreams { after, limit }).await?;
            let is_last = records.len() < limit;
            after = records.last().map(|record| record.id.clone());
            for record in records {
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
            // Large settings take a while to read: others have their turn.
            tokio::task::yield_now().await;
        }
        // A page may be short: what few streams pass is not looked for without end in one call, and a page of large settings
        // must fit into a message.
        let (streams, last) = page.cut();
        let next_page_token = last.map(|last| page::token(&list, &last)).unwrap_or_default();
        Ok(pb::ListStreamsResponse { streams, next_page_token })
    }

    pub(crate) async fn update(&self, request: pb::UpdateStreamRequest) -> Result<pb::UpdateStreamResponse> {
        let pb::UpdateStreamRequest { stream, update_mask, reason: _ } = request;
        let wanted = stream.ok_or_else(|| Fault::invalid("stream", "must be set"))?;
        let id: StreamId = wanted.stream_id.parse().map_err(|e| Fault::from(e).within("stream"))?;
        let expected = stream::etag("stream.etag", &wanted.etag)?;
        let paths = update_mask.unwrap_or_default().paths;
        let mut tries = UPDATE_TRIES;
        loop {
            let current = self.read(&id).await?;
            let etag = expected.unwrap_or(current.etag());
            let before = current.settings.clone();
            let merged = mask::merge(&MASK_RULES, &paths, &self.to_pb(current), &wanted)?;
            let WantedStream { id: _, mut settings } =
                stream::from_pb(merged).map_err(|f| f.within("stream"))?;
            settings.number_masks(Some(&before));
            settings.auto_registered = before.auto_registered;
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
    ) -> Result<pb::UnregisterStreamResponse> {
        let pb::UnregisterStreamRequest { stream_id, etag, reason: _ } = request;
        let id: StreamId = stream_id.parse()?;
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
