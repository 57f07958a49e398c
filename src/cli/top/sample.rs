//! Reads the state of a server through its public API.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tonic::Status;

use crate::client::{Client, describe};
use crate::pb::admin::v1beta1 as admin;
use crate::pb::admin::v1beta1::admin_service_client::AdminServiceClient;
use crate::pb::v1 as pb;

/// The maximum number of streams, and of groups, that are read.
pub(super) const MAX_ROWS: usize = 1_000;
/// The number of dead letters that are read, the newest ones.
const MAX_DEAD_LETTERS: u32 = 200;
/// The maximum number of pages of one list: a page may be short and not the last.
const MAX_PAGES: usize = 10;
/// The maximum time for one part.
const LIMIT: Duration = Duration::from_secs(10);

/// A part of the state, or the reason why it could not be read. A caller may lack the permission
/// for some parts.
pub(super) type Part<T> = Result<T, String>;

/// The state of a server at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) taken: Instant,
    pub(super) info: pb::GetServerInfoResponse,
    pub(super) queues: Part<pb::GetQueueStatsResponse>,
    pub(super) streams: Part<Rows<pb::StreamStats>>,
    pub(super) metrics: Part<admin::GetSystemMetricsResponse>,
    pub(super) groups: Part<Rows<pb::ConsumerGroup>>,
    pub(super) dead_letters: Part<pb::ListDeadLettersResponse>,
}

/// The beginning of a list.
#[derive(Debug, Clone)]
pub(super) struct Rows<T> {
    pub(super) rows: Vec<T>,
    /// The server has more.
    pub(super) more: bool,
}

impl Sample {
    /// Reads everything.
    ///
    /// # Errors
    /// The server does not answer. A part that the server refuses is not an error.
    pub(super) async fn read(client: &Client) -> Result<Self, String> {
        // The future is large.
        Box::pin(Self::read_all(client)).await
    }

    async fn read_all(client: &Client) -> Result<Self, String> {
        let mut server = client.streaming.clone();
        let info = part(server.get_server_info(pb::GetServerInfoRequest {})).await?;
        let (mut queues, mut letters) = (client.queues.clone(), client.dead_letters.clone());
        let mut admin = AdminServiceClient::new(client.channel());
        let newest = pb::ListDeadLettersRequest { page_size: MAX_DEAD_LETTERS, ..Default::default() };
        let (queues, streams, metrics, groups, dead_letters) = tokio::join!(
            part(queues.get_queue_stats(pb::GetQueueStatsRequest::default())),
            streams(client),
            part(admin.get_system_metrics(admin::GetSystemMetricsRequest {})),
            groups(client),
            part(letters.list_dead_letters(newest)),
        );
        Ok(Self { taken: Instant::now(), info, queues, streams, metrics, groups, dead_letters })
    }
}

/// Waits for an answer, for a bounded time.
async fn part<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Part<T> {
    match timeout(LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(describe(&status)),
        Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
    }
}

async fn streams(client: &Client) -> Part<Rows<pb::StreamStats>> {
    list(async |page_size, page_token| {
        let request = pb::ListStreamStatsRequest { page_size, page_token, ..Default::default() };
        let page = part(client.queues.clone().list_stream_stats(request)).await?;
        Ok((page.streams, page.next_page_token))
    })
    .await
}

async fn groups(client: &Client) -> Part<Rows<pb::ConsumerGroup>> {
    list(async |page_size, page_token| {
        let request = pb::ListConsumerGroupsRequest { page_size, page_token, ..Default::default() };
        let page = part(client.groups.clone().list_consumer_groups(request)).await?;
        Ok((page.groups, page.next_page_token))
    })
    .await
}

/// Reads the pages of a list until it has enough rows. `page` returns a page and the token of the
/// next one.
async fn list<T>(page: impl AsyncFn(u32, String) -> Part<(Vec<T>, String)>) -> Part<Rows<T>> {
    let (mut rows, mut token) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let left = MAX_ROWS - rows.len();
        let (more, next) = page(u32::try_from(left).unwrap_or(u32::MAX), token).await?;
        rows.extend(more.into_iter().take(left));
        token = next;
        if token.is_empty() || rows.len() == MAX_ROWS {
            break;
        }
    }
    Ok(Rows { rows, more: !token.is_empty() })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_list_ends_with_its_last_page_or_at_its_bound() {
        let short = list(async |_, token: String| match token.as_str() {
            "" => Ok((vec![1, 2], "next".to_owned())),
            _ => Ok((vec![3], String::new())),
        });
        let short = short.await.unwrap();
        assert_eq!((short.rows, short.more), (vec![1, 2, 3], false));

        let calls = Cell::new(0);
        let endless = list(async |size: u32, _| {
            calls.set(calls.get() + 1);
            Ok((vec![0; (size as usize).min(700)], "next".to_owned()))
        });
        let endless = endless.await.unwrap();
        assert_eq!((endless.rows.len(), endless.more, calls.get()), (MAX_ROWS, true, 2));

        calls.set(0);
        let empty = list(async |_, _| {
            calls.set(calls.get() + 1);
            Ok((Vec::<u8>::new(), "next".to_owned()))
        });
        assert!(empty.await.unwrap().more);
        assert_eq!(calls.get(), MAX_PAGES);
    }
}
