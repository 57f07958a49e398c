//! GetServerInfo: the identity, the health and the limits of this server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::config::GrpcConfig;
use super::convert::{picture, stats, time};
use super::frames::MAX_LOOKUP_ITEMS;
use super::health::Health;
use super::layers::MAX_METADATA_BYTES;
use super::message_size::MAX_CONTROL_MESSAGE_BYTES;
use super::page::MAX_PAGE_SIZE;
use crate::domain::Timestamp;
use crate::domain::limits::{self as maxima, RequestLimits};
use crate::hub::HubConfig;
use crate::pb::v1 as pb;
use crate::queue::{self, BackendStatus, Durability, Queue};

/// The feature of a server that authenticates its callers.
const AUTHENTICATION: &str = "authentication";
/// The features of every server of this version, which were added after the first version.
const FEATURES: &[&str] = &["erase_frames", "list_frames"];

/// The parts of the answer that do not change while the server runs, and the health.
#[derive(Debug, Clone)]
pub(crate) struct ServerInfo {
    server_id: String,
    start_time: Timestamp,
    config: GrpcConfig,
    health: watch::Receiver<Health>,
}

impl ServerInfo {
    /// Creates the info of a server that starts now.
    pub(crate) fn new(config: GrpcConfig, health: watch::Receiver<Health>) -> Self {
        let server_id = format!("{:016x}", rand::random::<u64>());
        Self { server_id, start_time: Timestamp::now(), config, health }
    }

    /// Reads the info. Works also while the backend does not answer.
    pub(crate) async fn read(&self, queue: &Arc<dyn Queue>) -> pb::GetServerInfoResponse {
        self.to_pb(queue.status().await)
    }

    fn to_pb(&self, backend: queue::Result<BackendStatus>) -> pb::GetServerInfoResponse {
        let (health, health_message) = match &*self.health.borrow() {
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
        let role = if self.config.has_worker { pb::ServerRole::All } else { pb::ServerRole::Api };
        pb::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: "frameway.v1".to_owned(),
            server_id: self.server_id.clone(),
            role: role.into(),
            start_time: Some(time::to_pb(self.start_time)),
            server_time: Some(time::to_pb(Timestamp::now())),
            health: health.into(),
            health_message,
            limits: Some(self.limits_to_pb()),
            backend_kind: stats::backend_to_pb(self.config.backend).into(),
            backend_version: version,
            durability: durability.into(),
            durability_replicas: replicas,
            partition_count: self.config.partitions.count().into(),
            auto_registration: self.config.max_auto_registered_streams.is_some(),
            defaults: Some(stats::defaults_to_pb(&self.config.defaults)),
            warnings,
            features: self.features(),
            cluster_id,
        }
    }

    fn features(&self) -> Vec<String> {
        let authentication = self.config.authenticates.then_some(AUTHENTICATION);
        authentication.into_iter().chain(FEATURES.iter().copied()).map(str::to_owned).collect()
    }

    fn limits_to_pb(&self) -> pb::Limits {
        const SECONDS_PER_YEAR: u64 = 31_556_952;
        let GrpcConfig {
            limits,
            max_streams,
            max_auto_registered_streams,
            max_subscriptions,
            max_calls,
            max_calls_per_connection,
            ..
        } = self.config;
        let RequestLimits { max_picture_bytes, max_message_bytes, max_batch_frames, max_pixels, max_side } =
            limits;
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
            max_streams: max_streams as u64,
            max_auto_registered_streams: max_auto_registered_streams.unwrap_or(0) as u64,
            max_publishers_per_stream: maxima::MAX_PUBLISHERS_PER_STREAM as u32,
            dedup_window: maxima::DEDUP_WINDOW as u32,
            max_in_flight_batches: maxima::MAX_IN_FLIGHT_BATCHES as u32,
            max_in_flight_bytes: limits.max_in_flight_bytes() as u64,
            max_subscriber_buffer_bytes: HubConfig::default().overflow_bytes,
            max_ack_ids: maxima::MAX_ACK_IDS as u32,
            max_consumer_groups: maxima::MAX_GROUPS as u32,
            max_rois: maxima::MAX_ROIS as u32,
            max_privacy_masks: maxima::MAX_PRIVACY_MASKS as u32,
            max_selectors: maxima::MAX_SELECTORS as u32,
            max_subscriptions: max_subscriptions as u32,
            default_response_picture_bytes: maxima::DEFAULT_MAX_DELIVERED_PICTURE_BYTES,
            max_response_picture_bytes: picture::MAX_DELIVERED_PICTURE_BYTES,
            max_lookup_items: MAX_LOOKUP_ITEMS as u32,
            max_page_size: MAX_PAGE_SIZE as u32,
            max_calls_per_connection,
            max_metadata_bytes: MAX_METADATA_BYTES as u32,
            max_control_message_bytes: MAX_CONTROL_MESSAGE_BYTES as u64,
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
            max_calls: max_calls as u32,
        }
    }
}
