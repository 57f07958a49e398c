//! GetServerInfo: what this server is, and what it takes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::MAX_PLAIN_MESSAGE_BYTES;
use super::convert::{picture, stats, time};
use super::frames::MAX_LOOKUP_ITEMS;
use super::front::MAX_METADATA_BYTES;
use super::health::Health;
use super::page::MAX_PAGE_SIZE;
use crate::config::Limits;
use crate::domain::limits as maxima;
use crate::domain::{Partitions, Timestamp};
use crate::hub::HubConfig;
use crate::pb::v1 as pb;
use crate::queue::{self, BackendStatus, Durability, Queue};

/// What does not change while the server runs.
#[derive(Debug, Clone)]
pub(crate) struct ServerInfo {
    pub(crate) server_id: String,
    pub(crate) start_time: Timestamp,
    pub(crate) role: pb::ServerRole,
    pub(crate) limits: Limits,
    pub(crate) max_streams: usize,
    pub(crate) max_subscriptions: usize,
    pub(crate) max_calls: usize,
    pub(crate) max_calls_per_connection: u32,
    pub(crate) auto_register: Option<usize>,
    pub(crate) partitions: Partitions,
    pub(crate) kind: pb::BackendKind,
    pub(crate) health: watch::Receiver<Health>,
}

impl ServerInfo {
    /// Reads what the server is. Answers also while the backend is away.
    pub(crate) async fn read(&self, queue: &Arc<dyn Queue>) -> pb::GetServerInfoResponse {
        self.to_pb(queue.status().await, &self.health)
    }

    fn to_pb(
        &self,
        backend: queue::Result<BackendStatus>,
        health: &watch::Receiver<Health>,
    ) -> pb::GetServerInfoResponse {
        let (health, health_message) = match &*health.borrow() {
            Health::Serving | Health::Starting if backend.is_ok() => {
                (pb::ServerHealth::Serving, String::new())
            }
            Health::Serving | Health::Starting => {
                (pb::ServerHealth::BackendUnavailable, "the queue backend does not answer".to_owned())
            }
            Health::BackendDown(why) => (pb::ServerHealth::BackendUnavailable, why.clone()),
            Health::Draining => (pb::ServerHealth::Draining, "the server is draining".to_owned()),
        };
        let (cluster_id, version, durability, replicas, warnings) = match backend {
            Ok(BackendStatus {
                kind: _,
                store,
                version,
                durability,
                used_bytes: _,
                max_bytes: _,
                warnings,
            }) => {
                let replicas = match durability {
                    Durability::Replicated(replicas) => replicas,
                    Durability::Memory
                    | Durability::RedisMemory
                    | Durability::AofEverySec
                    | Durability::AofAlways => 0,
                };
                (store.cluster_id(), version, stats::durability_to_pb(durability), replicas, warnings)
            }
            Err(_) => (String::new(), String::new(), pb::Durability::Unspecified, 0, Vec::new()),
        };
        pb::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: "frameway.v1".to_owned(),
            server_id: self.server_id.clone(),
            role: self.role.into(),
            start_time: Some(time::to_pb(self.start_time)),
            server_time: Some(time::to_pb(Timestamp::now())),
            health: health.into(),
            health_message,
            limits: Some(self.limits_to_pb()),
            backend_kind: self.kind.into(),
            backend_version: version,
            durability: durability.into(),
            durability_replicas: replicas,
            partition_count: self.partitions.count().into(),
            auto_registration: self.auto_register.is_some(),
            defaults: Some(stats::defaults()),
            warnings,
            features: Vec::new(),
            cluster_id,
        }
    }

    fn limits_to_pb(&self) -> pb::Limits {
        const SECONDS_PER_YEAR: u64 = 31_556_952;
        let Limits { max_picture_bytes, max_message_bytes, max_batch_frames, max_pixels, max_side } =
            self.limits;
        let offset = Duration::from_secs(maxima::MAX_CLOCK_ERROR_YEARS * SECONDS_PER_YEAR);
        pb::Limits {
            max_message_bytes: max_message_bytes as u64,
            max_batch_frames: max_batch_frames as u32,
            max_picture_bytes: max_picture_bytes as u64,
            max_picture_pixels: max_pixels,
            max_picture_side: max_side,
            max_attributes: maxima::MAX_ATTRIBUTES as u32,
            max_attribute_key_bytes: maxima::MAX_ATTRIBUTE_KEY_BYTES as u32,
            max_attribute_value_bytes: maxima::MAX_ATTRIBUTE_VALUE_BYTES as u32,
            max_streams: self.max_streams as u64,
            max_auto_registered_streams: self.auto_register.unwrap_or(0) as u64,
            max_publishers_per_stream: maxima::MAX_PUBLISHERS_PER_STREAM as u32,
            dedup_window: maxima::DEDUP_WINDOW as u32,
            max_in_flight_batches: maxima::MAX_IN_FLIGHT_BATCHES as u32,
            max_in_flight_bytes: self.limits.max_in_flight_bytes() as u64,
            max_subscriber_buffer_bytes: HubConfig::default().overflow_bytes,
            max_ack_ids: maxima::MAX_ACK_IDS as u32,
            max_consumer_groups: maxima::MAX_GROUPS as u32,
            max_rois: maxima::MAX_ROIS as u32,
            max_privacy_masks: maxima::MAX_PRIVACY_MASKS as u32,
            max_selectors: maxima::MAX_SELECTORS as u32,
            max_subscriptions: self.max_subscriptions as u32,
            default_response_picture_bytes: maxima::DEFAULT_MAX_DELIVERED_PICTURE_BYTES,
            max_response_picture_bytes: picture::MAX_DELIVERED_PICTURE_BYTES,
            max_lookup_items: MAX_LOOKUP_ITEMS as u32,
            max_page_size: MAX_PAGE_SIZE as u32,
            max_calls_per_connection: self.max_calls_per_connection,
            max_metadata_bytes: MAX_METADATA_BYTES as u32,
            max_control_message_bytes: MAX_PLAIN_MESSAGE_BYTES as u64,
            max_capture_time_offset: Some(time::duration_to_pb(offset)),
            max_resume_streams: maxima::MAX_RESUME_STREAMS as u32,
            max_polygon_points: maxima::MAX_POLYGON_POINTS as u32,
            max_stream_matches: maxima::MAX_STREAM_MATCHES as u32,
            max_glob_chars: maxima::MAX_GLOB_CHARS as u32,
            max_streams_per_subscription: maxima::MAX_STREAMS_PER_SUBSCRIPTION as u32,
            max_cursors: maxima::MAX_CURSORS as u32,
            max_group_members: maxima::MAX_GROUP_MEMBERS as u32,
            max_group_outstanding_frames: maxima::MAX_GROUP_FRAMES,
            max_member_outstanding_frames: maxima::MAX_MEMBER_FRAMES,
            max_member_outstanding_bytes: maxima::MAX_MEMBER_BYTES,
            max_page_bytes: maxima::MAX_PAGE_BYTES as u32,
            max_filter_bytes: maxima::MAX_FILTER_BYTES as u32,
            max_display_name_bytes: maxima::MAX_DISPLAY_NAME_BYTES as u32,
            max_reason_bytes: maxima::MAX_REASON_BYTES as u32,
            max_calls: self.max_calls as u32,
        }
    }
}
