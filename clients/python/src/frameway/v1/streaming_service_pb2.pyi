import datetime

from frameway.v1 import frame_pb2 as _frame_pb2
from frameway.v1 import processed_frame_pb2 as _processed_frame_pb2
from frameway.v1 import stream_pb2 as _stream_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OverflowPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OVERFLOW_POLICY_UNSPECIFIED: _ClassVar[OverflowPolicy]
    OVERFLOW_POLICY_DROP_OLDEST: _ClassVar[OverflowPolicy]
    OVERFLOW_POLICY_LATEST_ONLY: _ClassVar[OverflowPolicy]
    OVERFLOW_POLICY_DISCONNECT: _ClassVar[OverflowPolicy]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_SAMPLED: _ClassVar[GapReason]
    GAP_REASON_FILTERED: _ClassVar[GapReason]
    GAP_REASON_SLOW_CONSUMER: _ClassVar[GapReason]
    GAP_REASON_STALE: _ClassVar[GapReason]
    GAP_REASON_OVERFLOW: _ClassVar[GapReason]
    GAP_REASON_FAILED: _ClassVar[GapReason]
    GAP_REASON_PURGED: _ClassVar[GapReason]
    GAP_REASON_RETENTION: _ClassVar[GapReason]
    GAP_REASON_PAYLOAD_LOST: _ClassVar[GapReason]
    GAP_REASON_BACKEND_FAILOVER: _ClassVar[GapReason]
    GAP_REASON_UNREGISTERED: _ClassVar[GapReason]
    GAP_REASON_STORE_REPLACED: _ClassVar[GapReason]

class MissingReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MISSING_REASON_UNSPECIFIED: _ClassVar[MissingReason]
    MISSING_REASON_PENDING: _ClassVar[MissingReason]
    MISSING_REASON_NOT_ACCEPTED: _ClassVar[MissingReason]
    MISSING_REASON_RETENTION: _ClassVar[MissingReason]
    MISSING_REASON_BACKEND_FAILOVER: _ClassVar[MissingReason]
    MISSING_REASON_STREAM_NOT_FOUND: _ClassVar[MissingReason]
    MISSING_REASON_NO_PICTURE: _ClassVar[MissingReason]
    MISSING_REASON_UNREGISTERED: _ClassVar[MissingReason]

class StreamChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_CHANGE_KIND_UNSPECIFIED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_REGISTERED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_UPDATED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_LIVE: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_STALLED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_ERROR: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_REMOVED: _ClassVar[StreamChangeKind]
OVERFLOW_POLICY_UNSPECIFIED: OverflowPolicy
OVERFLOW_POLICY_DROP_OLDEST: OverflowPolicy
OVERFLOW_POLICY_LATEST_ONLY: OverflowPolicy
OVERFLOW_POLICY_DISCONNECT: OverflowPolicy
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_SAMPLED: GapReason
GAP_REASON_FILTERED: GapReason
GAP_REASON_SLOW_CONSUMER: GapReason
GAP_REASON_STALE: GapReason
GAP_REASON_OVERFLOW: GapReason
GAP_REASON_FAILED: GapReason
GAP_REASON_PURGED: GapReason
GAP_REASON_RETENTION: GapReason
GAP_REASON_PAYLOAD_LOST: GapReason
GAP_REASON_BACKEND_FAILOVER: GapReason
GAP_REASON_UNREGISTERED: GapReason
GAP_REASON_STORE_REPLACED: GapReason
MISSING_REASON_UNSPECIFIED: MissingReason
MISSING_REASON_PENDING: MissingReason
MISSING_REASON_NOT_ACCEPTED: MissingReason
MISSING_REASON_RETENTION: MissingReason
MISSING_REASON_BACKEND_FAILOVER: MissingReason
MISSING_REASON_STREAM_NOT_FOUND: MissingReason
MISSING_REASON_NO_PICTURE: MissingReason
MISSING_REASON_UNREGISTERED: MissingReason
STREAM_CHANGE_KIND_UNSPECIFIED: StreamChangeKind
STREAM_CHANGE_KIND_REGISTERED: StreamChangeKind
STREAM_CHANGE_KIND_UPDATED: StreamChangeKind
STREAM_CHANGE_KIND_LIVE: StreamChangeKind
STREAM_CHANGE_KIND_STALLED: StreamChangeKind
STREAM_CHANGE_KIND_ERROR: StreamChangeKind
STREAM_CHANGE_KIND_REMOVED: StreamChangeKind

class SubmitFrameBatchRequest(_message.Message):
    __slots__ = ("frames",)
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    frames: _containers.RepeatedCompositeFieldContainer[_frame_pb2.Frame]
    def __init__(self, frames: _Optional[_Iterable[_Union[_frame_pb2.Frame, _Mapping]]] = ...) -> None: ...

class SubmitFrameBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[_frame_pb2.FrameResult]
    def __init__(self, results: _Optional[_Iterable[_Union[_frame_pb2.FrameResult, _Mapping]]] = ...) -> None: ...

class SubmitFramesRequest(_message.Message):
    __slots__ = ("setup", "batch")
    SETUP_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    setup: SubmitSetup
    batch: SubmitBatch
    def __init__(self, setup: _Optional[_Union[SubmitSetup, _Mapping]] = ..., batch: _Optional[_Union[SubmitBatch, _Mapping]] = ...) -> None: ...

class SubmitSetup(_message.Message):
    __slots__ = ("publisher_id", "resume_stream_ids", "heartbeat_interval")
    PUBLISHER_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_STREAM_IDS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    publisher_id: str
    resume_stream_ids: _containers.RepeatedScalarFieldContainer[str]
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, publisher_id: _Optional[str] = ..., resume_stream_ids: _Optional[_Iterable[str]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SubmitBatch(_message.Message):
    __slots__ = ("batch_id", "frames")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    frames: _containers.RepeatedCompositeFieldContainer[_frame_pb2.Frame]
    def __init__(self, batch_id: _Optional[int] = ..., frames: _Optional[_Iterable[_Union[_frame_pb2.Frame, _Mapping]]] = ...) -> None: ...

class SubmitFramesResponse(_message.Message):
    __slots__ = ("ready", "batch_result", "throttle", "heartbeat", "draining")
    READY_FIELD_NUMBER: _ClassVar[int]
    BATCH_RESULT_FIELD_NUMBER: _ClassVar[int]
    THROTTLE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    ready: SubmitReady
    batch_result: SubmitBatchResult
    throttle: SubmitThrottle
    heartbeat: SubmitHeartbeat
    draining: SubmitDraining
    def __init__(self, ready: _Optional[_Union[SubmitReady, _Mapping]] = ..., batch_result: _Optional[_Union[SubmitBatchResult, _Mapping]] = ..., throttle: _Optional[_Union[SubmitThrottle, _Mapping]] = ..., heartbeat: _Optional[_Union[SubmitHeartbeat, _Mapping]] = ..., draining: _Optional[_Union[SubmitDraining, _Mapping]] = ...) -> None: ...

class SubmitReady(_message.Message):
    __slots__ = ("max_batch_frames", "max_message_bytes", "max_in_flight_batches", "max_in_flight_bytes", "positions")
    MAX_BATCH_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    max_batch_frames: int
    max_message_bytes: int
    max_in_flight_batches: int
    max_in_flight_bytes: int
    positions: _containers.RepeatedCompositeFieldContainer[PublisherPosition]
    def __init__(self, max_batch_frames: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_in_flight_batches: _Optional[int] = ..., max_in_flight_bytes: _Optional[int] = ..., positions: _Optional[_Iterable[_Union[PublisherPosition, _Mapping]]] = ...) -> None: ...

class PublisherPosition(_message.Message):
    __slots__ = ("stream_id", "last_publisher_sequence", "last_sequence")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_PUBLISHER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    last_publisher_sequence: int
    last_sequence: int
    def __init__(self, stream_id: _Optional[str] = ..., last_publisher_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class SubmitBatchResult(_message.Message):
    __slots__ = ("batch_id", "results")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    results: _containers.RepeatedCompositeFieldContainer[_frame_pb2.FrameResult]
    def __init__(self, batch_id: _Optional[int] = ..., results: _Optional[_Iterable[_Union[_frame_pb2.FrameResult, _Mapping]]] = ...) -> None: ...

class SubmitThrottle(_message.Message):
    __slots__ = ("stream_id", "pause", "max_fps", "max_bytes_per_second", "queue_fill")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    MAX_FPS_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FILL_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    pause: _duration_pb2.Duration
    max_fps: float
    max_bytes_per_second: int
    queue_fill: float
    def __init__(self, stream_id: _Optional[str] = ..., pause: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_fps: _Optional[float] = ..., max_bytes_per_second: _Optional[int] = ..., queue_fill: _Optional[float] = ...) -> None: ...

class SubmitHeartbeat(_message.Message):
    __slots__ = ("server_time",)
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    server_time: _timestamp_pb2.Timestamp
    def __init__(self, server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SubmitDraining(_message.Message):
    __slots__ = ("reconnect_delay", "grace")
    RECONNECT_DELAY_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    reconnect_delay: _duration_pb2.Duration
    grace: _duration_pb2.Duration
    def __init__(self, reconnect_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class SubscribeFramesRequest(_message.Message):
    __slots__ = ("selectors", "heartbeat_interval", "checkpoint_interval", "stop_after_frames", "group")
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STOP_AFTER_FRAMES_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    selectors: _containers.RepeatedCompositeFieldContainer[StreamSelector]
    heartbeat_interval: _duration_pb2.Duration
    checkpoint_interval: _duration_pb2.Duration
    stop_after_frames: int
    group: GroupMember
    def __init__(self, selectors: _Optional[_Iterable[_Union[StreamSelector, _Mapping]]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., checkpoint_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stop_after_frames: _Optional[int] = ..., group: _Optional[_Union[GroupMember, _Mapping]] = ...) -> None: ...

class StreamSelector(_message.Message):
    __slots__ = ("streams", "start", "stop", "sampling", "max_age", "pictures", "filter", "overflow_policy", "fail_if_trimmed")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_POLICY_FIELD_NUMBER: _ClassVar[int]
    FAIL_IF_TRIMMED_FIELD_NUMBER: _ClassVar[int]
    streams: _stream_pb2.StreamMatch
    start: StartPosition
    stop: StopPosition
    sampling: Sampling
    max_age: _duration_pb2.Duration
    pictures: _processed_frame_pb2.PictureSelection
    filter: FrameFilter
    overflow_policy: OverflowPolicy
    fail_if_trimmed: bool
    def __init__(self, streams: _Optional[_Union[_stream_pb2.StreamMatch, _Mapping]] = ..., start: _Optional[_Union[StartPosition, _Mapping]] = ..., stop: _Optional[_Union[StopPosition, _Mapping]] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pictures: _Optional[_Union[_processed_frame_pb2.PictureSelection, _Mapping]] = ..., filter: _Optional[_Union[FrameFilter, _Mapping]] = ..., overflow_policy: _Optional[_Union[OverflowPolicy, str]] = ..., fail_if_trimmed: _Optional[bool] = ...) -> None: ...

class StartPosition(_message.Message):
    __slots__ = ("live", "earliest", "sequence", "received_time", "age", "cursors")
    LIVE_FIELD_NUMBER: _ClassVar[int]
    EARLIEST_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    live: StartLive
    earliest: StartEarliest
    sequence: int
    received_time: _timestamp_pb2.Timestamp
    age: _duration_pb2.Duration
    cursors: CursorList
    def __init__(self, live: _Optional[_Union[StartLive, _Mapping]] = ..., earliest: _Optional[_Union[StartEarliest, _Mapping]] = ..., sequence: _Optional[int] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cursors: _Optional[_Union[CursorList, _Mapping]] = ...) -> None: ...

class StartLive(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StartEarliest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CursorList(_message.Message):
    __slots__ = ("cursors",)
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[StreamCursor]
    def __init__(self, cursors: _Optional[_Iterable[_Union[StreamCursor, _Mapping]]] = ...) -> None: ...

class StreamCursor(_message.Message):
    __slots__ = ("stream_id", "cursor")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    cursor: str
    def __init__(self, stream_id: _Optional[str] = ..., cursor: _Optional[str] = ...) -> None: ...

class StopPosition(_message.Message):
    __slots__ = ("sequence", "received_time", "frame_count")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    received_time: _timestamp_pb2.Timestamp
    frame_count: int
    def __init__(self, sequence: _Optional[int] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., frame_count: _Optional[int] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("max_fps", "every_nth", "latest_only")
    MAX_FPS_FIELD_NUMBER: _ClassVar[int]
    EVERY_NTH_FIELD_NUMBER: _ClassVar[int]
    LATEST_ONLY_FIELD_NUMBER: _ClassVar[int]
    max_fps: float
    every_nth: int
    latest_only: bool
    def __init__(self, max_fps: _Optional[float] = ..., every_nth: _Optional[int] = ..., latest_only: _Optional[bool] = ...) -> None: ...

class FrameFilter(_message.Message):
    __slots__ = ("min_quality_score", "min_motion_intensity", "min_vehicle_density", "attributes", "stream_labels", "exclude_invalid")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class StreamLabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MIN_QUALITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    MIN_MOTION_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    MIN_VEHICLE_DENSITY_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    STREAM_LABELS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_INVALID_FIELD_NUMBER: _ClassVar[int]
    min_quality_score: float
    min_motion_intensity: float
    min_vehicle_density: float
    attributes: _containers.ScalarMap[str, str]
    stream_labels: _containers.ScalarMap[str, str]
    exclude_invalid: bool
    def __init__(self, min_quality_score: _Optional[float] = ..., min_motion_intensity: _Optional[float] = ..., min_vehicle_density: _Optional[float] = ..., attributes: _Optional[_Mapping[str, str]] = ..., stream_labels: _Optional[_Mapping[str, str]] = ..., exclude_invalid: _Optional[bool] = ...) -> None: ...

class GroupMember(_message.Message):
    __slots__ = ("group_id", "member_id", "max_outstanding_frames", "max_outstanding_bytes", "pictures")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    member_id: str
    max_outstanding_frames: int
    max_outstanding_bytes: int
    pictures: _processed_frame_pb2.PictureSelection
    def __init__(self, group_id: _Optional[str] = ..., member_id: _Optional[str] = ..., max_outstanding_frames: _Optional[int] = ..., max_outstanding_bytes: _Optional[int] = ..., pictures: _Optional[_Union[_processed_frame_pb2.PictureSelection, _Mapping]] = ...) -> None: ...

class SubscribeFramesResponse(_message.Message):
    __slots__ = ("frame", "gap", "heartbeat", "checkpoint", "draining")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    frame: DeliveredFrame
    gap: Gap
    heartbeat: Heartbeat
    checkpoint: Checkpoint
    draining: SubscribeDraining
    def __init__(self, frame: _Optional[_Union[DeliveredFrame, _Mapping]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., draining: _Optional[_Union[SubscribeDraining, _Mapping]] = ...) -> None: ...

class DeliveredFrame(_message.Message):
    __slots__ = ("frame", "cursor", "selector_index", "ack_id", "delivery_attempt", "ack_deadline")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_INDEX_FIELD_NUMBER: _ClassVar[int]
    ACK_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ACK_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    frame: _processed_frame_pb2.ProcessedFrame
    cursor: str
    selector_index: int
    ack_id: str
    delivery_attempt: int
    ack_deadline: _timestamp_pb2.Timestamp
    def __init__(self, frame: _Optional[_Union[_processed_frame_pb2.ProcessedFrame, _Mapping]] = ..., cursor: _Optional[str] = ..., selector_index: _Optional[int] = ..., ack_id: _Optional[str] = ..., delivery_attempt: _Optional[int] = ..., ack_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GapCause(_message.Message):
    __slots__ = ("reason", "count", "frames")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    reason: GapReason
    count: int
    frames: int
    def __init__(self, reason: _Optional[_Union[GapReason, str]] = ..., count: _Optional[int] = ..., frames: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("stream_id", "from_sequence", "to_sequence", "causes", "cursor", "selector_index", "start_receive_time", "end_receive_time", "oldest_receive_time")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TO_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAUSES_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_INDEX_FIELD_NUMBER: _ClassVar[int]
    START_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    OLDEST_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    from_sequence: int
    to_sequence: int
    causes: _containers.RepeatedCompositeFieldContainer[GapCause]
    cursor: str
    selector_index: int
    start_receive_time: _timestamp_pb2.Timestamp
    end_receive_time: _timestamp_pb2.Timestamp
    oldest_receive_time: _timestamp_pb2.Timestamp
    def __init__(self, stream_id: _Optional[str] = ..., from_sequence: _Optional[int] = ..., to_sequence: _Optional[int] = ..., causes: _Optional[_Iterable[_Union[GapCause, _Mapping]]] = ..., cursor: _Optional[str] = ..., selector_index: _Optional[int] = ..., start_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., oldest_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("server_time", "streams", "outstanding_frames")
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    server_time: _timestamp_pb2.Timestamp
    streams: _containers.RepeatedCompositeFieldContainer[StreamLag]
    outstanding_frames: int
    def __init__(self, server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., streams: _Optional[_Iterable[_Union[StreamLag, _Mapping]]] = ..., outstanding_frames: _Optional[int] = ...) -> None: ...

class StreamLag(_message.Message):
    __slots__ = ("stream_id", "head_sequence", "lag_frames")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    head_sequence: int
    lag_frames: int
    def __init__(self, stream_id: _Optional[str] = ..., head_sequence: _Optional[int] = ..., lag_frames: _Optional[int] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("cursors",)
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[StreamCursor]
    def __init__(self, cursors: _Optional[_Iterable[_Union[StreamCursor, _Mapping]]] = ...) -> None: ...

class SubscribeDraining(_message.Message):
    __slots__ = ("cursors", "reconnect_delay")
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_DELAY_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[StreamCursor]
    reconnect_delay: _duration_pb2.Duration
    def __init__(self, cursors: _Optional[_Iterable[_Union[StreamCursor, _Mapping]]] = ..., reconnect_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AckResult(_message.Message):
    __slots__ = ("done", "refused")
    DONE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    done: AckDone
    refused: _frame_pb2.FrameError
    def __init__(self, done: _Optional[_Union[AckDone, _Mapping]] = ..., refused: _Optional[_Union[_frame_pb2.FrameError, _Mapping]] = ...) -> None: ...

class AckDone(_message.Message):
    __slots__ = ("already_acknowledged", "ack_deadline")
    ALREADY_ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    ACK_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    already_acknowledged: bool
    ack_deadline: _timestamp_pb2.Timestamp
    def __init__(self, already_acknowledged: _Optional[bool] = ..., ack_deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AcknowledgeFramesRequest(_message.Message):
    __slots__ = ("group_id", "ack_ids")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    ack_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, group_id: _Optional[str] = ..., ack_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class AcknowledgeFramesResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AckResult]
    def __init__(self, results: _Optional[_Iterable[_Union[AckResult, _Mapping]]] = ...) -> None: ...

class RejectFramesRequest(_message.Message):
    __slots__ = ("group_id", "rejections")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    def __init__(self, group_id: _Optional[str] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("ack_id", "reason", "retry_delay", "dead_letter")
    ACK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_DELAY_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    ack_id: str
    reason: str
    retry_delay: _duration_pb2.Duration
    dead_letter: bool
    def __init__(self, ack_id: _Optional[str] = ..., reason: _Optional[str] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., dead_letter: _Optional[bool] = ...) -> None: ...

class RejectFramesResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AckResult]
    def __init__(self, results: _Optional[_Iterable[_Union[AckResult, _Mapping]]] = ...) -> None: ...

class ExtendAckDeadlineRequest(_message.Message):
    __slots__ = ("group_id", "ack_ids", "extension")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    EXTENSION_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    ack_ids: _containers.RepeatedScalarFieldContainer[str]
    extension: _duration_pb2.Duration
    def __init__(self, group_id: _Optional[str] = ..., ack_ids: _Optional[_Iterable[str]] = ..., extension: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ExtendAckDeadlineResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[AckResult]
    def __init__(self, results: _Optional[_Iterable[_Union[AckResult, _Mapping]]] = ...) -> None: ...

class MissingFrame(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: MissingReason
    def __init__(self, reason: _Optional[_Union[MissingReason, str]] = ...) -> None: ...

class GetFramesRequest(_message.Message):
    __slots__ = ("stream_id", "sequences", "pictures")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    sequences: _containers.RepeatedScalarFieldContainer[int]
    pictures: _processed_frame_pb2.PictureSelection
    def __init__(self, stream_id: _Optional[str] = ..., sequences: _Optional[_Iterable[int]] = ..., pictures: _Optional[_Union[_processed_frame_pb2.PictureSelection, _Mapping]] = ...) -> None: ...

class GetFramesResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[FrameLookup]
    def __init__(self, results: _Optional[_Iterable[_Union[FrameLookup, _Mapping]]] = ...) -> None: ...

class FrameLookup(_message.Message):
    __slots__ = ("sequence", "frame", "tombstone", "missing")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    TOMBSTONE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    frame: _processed_frame_pb2.ProcessedFrame
    tombstone: _processed_frame_pb2.Tombstone
    missing: MissingFrame
    def __init__(self, sequence: _Optional[int] = ..., frame: _Optional[_Union[_processed_frame_pb2.ProcessedFrame, _Mapping]] = ..., tombstone: _Optional[_Union[_processed_frame_pb2.Tombstone, _Mapping]] = ..., missing: _Optional[_Union[MissingFrame, _Mapping]] = ...) -> None: ...

class GetLatestFramesRequest(_message.Message):
    __slots__ = ("stream_ids", "pictures")
    STREAM_IDS_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    stream_ids: _containers.RepeatedScalarFieldContainer[str]
    pictures: _processed_frame_pb2.PictureSelection
    def __init__(self, stream_ids: _Optional[_Iterable[str]] = ..., pictures: _Optional[_Union[_processed_frame_pb2.PictureSelection, _Mapping]] = ...) -> None: ...

class GetLatestFramesResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[LatestFrame]
    def __init__(self, results: _Optional[_Iterable[_Union[LatestFrame, _Mapping]]] = ...) -> None: ...

class LatestFrame(_message.Message):
    __slots__ = ("stream_id", "frame", "missing", "age")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    frame: _processed_frame_pb2.ProcessedFrame
    missing: MissingFrame
    age: _duration_pb2.Duration
    def __init__(self, stream_id: _Optional[str] = ..., frame: _Optional[_Union[_processed_frame_pb2.ProcessedFrame, _Mapping]] = ..., missing: _Optional[_Union[MissingFrame, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RegisterStreamRequest(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ...) -> None: ...

class RegisterStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ...) -> None: ...

class GetStreamRequest(_message.Message):
    __slots__ = ("stream_id",)
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    def __init__(self, stream_id: _Optional[str] = ...) -> None: ...

class GetStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ...) -> None: ...

class ListStreamsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListStreamsResponse(_message.Message):
    __slots__ = ("streams", "next_page_token")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[_stream_pb2.Stream]
    next_page_token: str
    def __init__(self, streams: _Optional[_Iterable[_Union[_stream_pb2.Stream, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateStreamRequest(_message.Message):
    __slots__ = ("stream", "update_mask")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ...) -> None: ...

class UnregisterStreamRequest(_message.Message):
    __slots__ = ("stream_id", "etag")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    etag: str
    def __init__(self, stream_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class UnregisterStreamResponse(_message.Message):
    __slots__ = ("last_sequence", "removed_queued_frames", "removed_output_frames")
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_QUEUED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_OUTPUT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    removed_queued_frames: int
    removed_output_frames: int
    def __init__(self, last_sequence: _Optional[int] = ..., removed_queued_frames: _Optional[int] = ..., removed_output_frames: _Optional[int] = ...) -> None: ...

class WatchStreamsRequest(_message.Message):
    __slots__ = ("streams", "resume_token", "heartbeat_interval")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    streams: _stream_pb2.StreamMatch
    resume_token: str
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, streams: _Optional[_Union[_stream_pb2.StreamMatch, _Mapping]] = ..., resume_token: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchStreamsResponse(_message.Message):
    __slots__ = ("snapshot_start", "existing", "snapshot_end", "change", "heartbeat", "resume_token")
    SNAPSHOT_START_FIELD_NUMBER: _ClassVar[int]
    EXISTING_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_END_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    snapshot_start: WatchSnapshotStart
    existing: _stream_pb2.Stream
    snapshot_end: WatchSnapshotEnd
    change: StreamChange
    heartbeat: WatchHeartbeat
    resume_token: str
    def __init__(self, snapshot_start: _Optional[_Union[WatchSnapshotStart, _Mapping]] = ..., existing: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ..., snapshot_end: _Optional[_Union[WatchSnapshotEnd, _Mapping]] = ..., change: _Optional[_Union[StreamChange, _Mapping]] = ..., heartbeat: _Optional[_Union[WatchHeartbeat, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchSnapshotStart(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchSnapshotEnd(_message.Message):
    __slots__ = ("stream_count",)
    STREAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    stream_count: int
    def __init__(self, stream_count: _Optional[int] = ...) -> None: ...

class WatchHeartbeat(_message.Message):
    __slots__ = ("server_time",)
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    server_time: _timestamp_pb2.Timestamp
    def __init__(self, server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamChange(_message.Message):
    __slots__ = ("kind", "stream", "change_time", "error")
    KIND_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TIME_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    kind: StreamChangeKind
    stream: _stream_pb2.Stream
    change_time: _timestamp_pb2.Timestamp
    error: _frame_pb2.FrameError
    def __init__(self, kind: _Optional[_Union[StreamChangeKind, str]] = ..., stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[_frame_pb2.FrameError, _Mapping]] = ...) -> None: ...
