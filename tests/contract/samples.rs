//! Requests that a server with one stream, one group and one dead letter answers with OK, and
//! messages for parts of them.

use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Value as Json, json};

use crate::json;

/// The values that only the server can issue.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) dead_letter: String,
    /// A cursor of `cam-1`.
    pub(crate) cursor: String,
}

/// A placeholder for the cursor.
pub(crate) const CURSOR: &str = "the cursor of cam-1";

impl Given {
    /// Replaces the placeholders of the cursor in a value.
    pub(crate) fn fill(&self, value: &Json) -> Json {
        match value {
            Json::String(text) if text == CURSOR => json!(self.cursor),
            Json::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Json::Object(fields) => {
                fields.iter().map(|(name, value)| (name.clone(), self.fill(value))).collect()
            }
            value => value.clone(),
        }
    }

    /// Creates a valid request.
    pub(crate) fn request(&self, method: &MethodDescriptor) -> DynamicMessage {
        json::message(&method.input(), &self.request_json(method.name()))
    }

    fn request_json(&self, method: &str) -> Json {
        let stream = json!({"id": "cam-1"});
        match method {
            "SubmitFrameBatch" => json!({"frames": [self.sample_json("Frame")]}),
            "SubmitFrames" => json!({"setup": {}}),
            "SubscribeFrames" => json!({"selectors": [self.sample_json("StreamSelector")]}),
            "ConsumeFrames" => json!({"group_id": "group-1", "member_id": "member-1"}),
            "AcknowledgeFrames" | "ExtendAckDeadline" => json!({"group_id": "group-1", "ack_ids": ["none"]}),
            "RejectFrames" => json!({"group_id": "group-1", "rejections": [{"ack_id": "none"}]}),
            "GetFrames" => json!({"stream_id": "cam-1", "sequences": [1]}),
            "ListFrames" => json!({"stream_id": "cam-1", "sequences": {}}),
            "GetLatestFrames" => json!({"stream_ids": ["cam-1"]}),
            "RegisterStream" => json!({"stream": {"stream_id": "new"}}),
            "UpdateStream" => {
                json!({"stream": {"stream_id": "cam-1", "display_name": "changed"}, "update_mask": {"paths": ["*"]}})
            }
            "GetStream" | "UnregisterStream" => json!({"stream_id": "cam-1"}),
            "EraseFrames" => {
                json!({"stream_id": "cam-1", "sequences": {"first_sequence": 1, "last_sequence": 1}})
            }
            "CreateConsumerGroup" => json!({"group": {"group_id": "new", "streams": [stream]}}),
            "UpdateConsumerGroup" => {
                json!({"group": {"group_id": "group-1", "streams": [stream]}, "update_mask": {"paths": ["*"]}})
            }
            "GetConsumerGroup" | "DeleteConsumerGroup" | "ListConsumerGroupPositions" => {
                json!({"group_id": "group-1"})
            }
            "SeekConsumerGroup" => {
                json!({"group_id": "group-1", "position": {"earliest": {}}, "streams": [stream]})
            }
            "GetDeadLetter" => json!({"dead_letter_id": self.dead_letter}),
            "ReplayDeadLetters" | "DiscardDeadLetters" => json!({"ids": {"ids": [self.dead_letter]}}),
            "PauseQueue" | "ResumeQueue" | "DrainQueue" | "PurgeQueue" => json!({"all_queues": true}),
            "ListStreams" | "WatchStreams" | "ListConsumerGroups" | "ListDeadLetters" | "ListQueues"
            | "GetQueueStats" | "ListStreamStats" | "GetServerInfo" | "GetSystemMetrics" => json!({}),
            other => panic!("no sample of a request of {other}"),
        }
    }

    /// Creates a valid message for a part of a request that has none yet.
    pub(crate) fn sample(&self, of: &MessageDescriptor) -> DynamicMessage {
        json::message(of, &self.sample_json(of.name()))
    }

    fn sample_json(&self, name: &str) -> Json {
        let triangle = json!([{"x": 0.1, "y": 0.1}, {"x": 0.9, "y": 0.1}, {"x": 0.5, "y": 0.9}]);
        let cursor = json!({"stream_id": "cam-1", "cursor": self.cursor});
        match name {
            "Frame" => json!({"stream_id": "cam-1", "data": "\u{ff}\u{d8}\u{ff}\u{e0}"}),
            "SubmitBatch" => json!({"batch_id": 1, "frames": [self.sample_json("Frame")]}),
            "StreamSelector" => json!({"streams": [{"id": "cam-1"}]}),
            "StreamMatch" => json!({"id": "cam-1"}),
            "LabelSelector" => json!({"present": ["site"]}),
            "StartPosition" => json!({"earliest": {}}),
            "StopPosition" => json!({"sequence": 1}),
            "SequenceRange" => json!({"first_sequence": 1, "last_sequence": 1}),
            "ReceiveTimeRange" => json!({
                "start_receive_time": {"seconds": 1, "nanos": 0}, "end_receive_time": {"seconds": 2, "nanos": 0}
            }),
            "StreamCursor" => cursor,
            "CursorList" => json!({"cursors": [cursor]}),
            "GeoLocation" => json!({"latitude_degrees": 47.5, "longitude_degrees": 8.5}),
            "Roi" => json!({"roi_id": "road", "polygon": triangle}),
            "PrivacyMask" => json!({"mask_id": "window", "polygon": triangle}),
            "AdaptiveQuality" => json!({"max_bytes_per_frame": 100_000}),
            "DeadLetterIdList" => json!({"ids": [self.dead_letter]}),
            "FramesAround" => json!({"receive_time": {"seconds": 1_800_000_000, "nanos": 0}, "after": 1}),
            "SubmitSetup" | "OutputPolicy" | "RetentionPolicy" | "ValidationPolicy" | "QueuePolicy"
            | "Sampling" | "FrameFilter" | "PictureSelection" | "Rendition" | "RetryBackoff" => json!({}),
            other => panic!("no sample of {other}"),
        }
    }
}
