//! The registry: register, get, list, update, unregister.

use std::sync::Arc;

use prost::Message as _;

use super::convert::stream::{self, WantedStream};
use super::fault::{Fault, Result};
use super::filter::Filter;
use super::settings::SettingsCache;
use super::{mask, page};
use crate::domain::{StreamId, StreamRecord, Timestamp};
use crate::pb::v1 as pb;
use crate::queue::{self, ListStreams, Queue};

const LIST: &str = "streams";
/// Streams that are read at once for a page.
const READ_AT_ONCE: usize = 100;
/// Most such reads for one page: 4,000 streams are looked at for those few that pass a filter.
const READS_A_PAGE: usize = 40;
/// Bytes of a page's streams, but for one that has more alone: every gRPC client takes a message of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;
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
        let terms = Filter::parse(&filter)?;
        // A token leads on in its own filter only.
        let list = page::kind(LIST, &self.queue.identity());
        let list = if filter.is_empty() { list } else { format!("{list} where {filter}") };
        let size = page::size(page_size);
        let mut after = page::after(&list, &page_token)?;
        let mut streams: Vec<pb::Stream> = Vec::new();
        let mut room = PAGE_BYTES;
        let now = Timestamp::now();
        'page: for _ in 0..READS_A_PAGE {
            let limit = if filter.is_empty() { READ_AT_ONCE.min(size - streams.len()) } else { READ_AT_ONCE };
            let records = self.queue.list_streams(&ListStreams { after: after.clone(), limit }).await?;
            let is_last = records.len() < limit;
            for record in records {
                let id = record.id.clone();
                if terms.passes(&record, now) {
                    let stream = self.to_pb(record);
                    let bytes = stream.encoded_len();
                    if bytes > room && !streams.is_empty() {
                        break 'page;
                    }
                    room = room.saturating_sub(bytes);
                    streams.push(stream);
                }
                after = Some(id);
                if streams.len() >= size {
                    break 'page;
                }
            }
            if is_last {
                return Ok(pb::ListStreamsResponse { streams, next_page_token: String::new() });
            }
            // Large settings take a while to read: others have their turn.
            tokio::task::yield_now().await;
        }
        // A page may be short: what few streams pass is not looked for without end in one call, and a page of large settings
        // must fit into a message.
        let next_page_token = after.map(|last| page::token(&list, &last)).unwrap_or_default();
        Ok(pb::ListStreamsResponse { streams, next_page_token })
    }

    pub(crate) async fn update(&self, request: pb::UpdateStreamRequest) -> Result<pb::UpdateStreamResponse> {
        let pb::UpdateStreamRequest { stream, update_mask } = request;
        let wanted = stream.ok_or_else(|| Fault::invalid("stream", "must be set"))?;
        let id: StreamId = wanted.stream_id.parse().map_err(|e| Fault::from(e).within("stream"))?;
        let expected = stream::etag("stream.etag", &wanted.etag)?;
        let paths = update_mask.unwrap_or_default().paths;
        let mut tries = UPDATE_TRIES;
        loop {
            let current = self.read(&id).await?;
            let etag = expected.unwrap_or(current.etag());
            let before = current.settings.clone();
            let mut merged = stream::said_to_pb(current, self.queue.partitions(), Timestamp::now());
            mask::apply(&mut merged, &wanted, &paths)?;
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
        let pb::UnregisterStreamRequest { stream_id, etag } = request;
        let id: StreamId = stream_id.parse()?;
        let expected = stream::etag("etag", &etag)?;
        let removed = self.queue.unregister_stream(&id, expected).await?;
        self.settings.forget(&id);
        let queue::Unregistered { last_sequence, queued_frames, output_frames } = removed;
        Ok(pb::UnregisterStreamResponse {
            last_sequence,
            removed_queued_frames: queued_frames,
            removed_output_frames: output_frames,
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
