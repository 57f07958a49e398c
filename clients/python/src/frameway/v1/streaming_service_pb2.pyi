import datetime

from frameway.v1 import error_pb2 as _error_pb2
from frameway.v1 import frame_pb2 as _frame_pb2
from frameway.v1 import processed_frame_pb2 as _processed_frame_pb2
from frameway.v1 import server_pb2 as _server_pb2
from frameway.v1 import subscription_pb2 as _subscription_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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
    MISSING_REASON_ERASED: _ClassVar[MissingReason]
    MISSING_REASON_NOT_PERMITTED: _ClassVar[MissingReason]
MISSING_REASON_UNSPECIFIED: MissingReason
MISSING_REASON_PENDING: MissingReason
MISSING_REASON_NOT_ACCEPTED: MissingReason
MISSING_REASON_RETENTION: MissingReason
MISSING_REASON_BACKEND_FAILOVER: MissingReason
MISSING_REASON_STREAM_NOT_FOUND: MissingReason
MISSING_REASON_NO_PICTURE: MissingReason
MISSING_REASON_UNREGISTERED: MissingReason
MISSING_REASON_ERASED: MissingReason
MISSING_REASON_NOT_PERMITTED: MissingReason

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
    __slots__ = ("selectors", "heartbeat_interval", "checkpoint_interval", "stop_after_frames", "stop_at_head", "subscriber_name")
    SELECTORS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STOP_AFTER_FRAMES_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_HEAD_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIBER_NAME_FIELD_NUMBER: _ClassVar[int]
    selectors: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.StreamSelector]
    heartbeat_interval: _duration_pb2.Duration
    checkpoint_interval: _duration_pb2.Duration
    stop_after_frames: int
    stop_at_head: bool
    subscriber_name: str
    def __init__(self, selectors: _Optional[_Iterable[_Union[_subscription_pb2.StreamSelector, _Mapping]]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., checkpoint_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stop_after_frames: _Optional[int] = ..., stop_at_head: bool = ..., subscriber_name: _Optional[str] = ...) -> None: ...

class SubscribeFramesResponse(_message.Message):
    __slots__ = ("frame", "gap", "heartbeat", "checkpoint", "draining")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    frame: DeliveredFrame
    gap: DeliveredGap
    heartbeat: Heartbeat
    checkpoint: Checkpoint
    draining: SubscribeDraining
    def __init__(self, frame: _Optional[_Union[DeliveredFrame, _Mapping]] = ..., gap: _Optional[_Union[DeliveredGap, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ..., draining: _Optional[_Union[SubscribeDraining, _Mapping]] = ...) -> None: ...

class DeliveredFrame(_message.Message):
    __slots__ = ("frame", "cursor", "selector_index")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_INDEX_FIELD_NUMBER: _ClassVar[int]
    frame: _processed_frame_pb2.ProcessedFrame
    cursor: str
    selector_index: int
    def __init__(self, frame: _Optional[_Union[_processed_frame_pb2.ProcessedFrame, _Mapping]] = ..., cursor: _Optional[str] = ..., selector_index: _Optional[int] = ...) -> None: ...

class DeliveredGap(_message.Message):
    __slots__ = ("gap", "cursor", "selector_index")
    GAP_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_INDEX_FIELD_NUMBER: _ClassVar[int]
    gap: _subscription_pb2.Gap
    cursor: str
    selector_index: int
    def __init__(self, gap: _Optional[_Union[_subscription_pb2.Gap, _Mapping]] = ..., cursor: _Optional[str] = ..., selector_index: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("server_time", "streams", "unfollowed_streams")
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    UNFOLLOWED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    server_time: _timestamp_pb2.Timestamp
    streams: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.StreamLag]
    unfollowed_streams: int
    def __init__(self, server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., streams: _Optional[_Iterable[_Union[_subscription_pb2.StreamLag, _Mapping]]] = ..., unfollowed_streams: _Optional[int] = ...) -> None: ...

class Checkpoint(_message.Message):
    __slots__ = ("cursors", "unfollowed_streams")
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    UNFOLLOWED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.StreamCursor]
    unfollowed_streams: int
    def __init__(self, cursors: _Optional[_Iterable[_Union[_subscription_pb2.StreamCursor, _Mapping]]] = ..., unfollowed_streams: _Optional[int] = ...) -> None: ...

class SubscribeDraining(_message.Message):
    __slots__ = ("cursors", "reconnect_delay")
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_DELAY_FIELD_NUMBER: _ClassVar[int]
    cursors: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.StreamCursor]
    reconnect_delay: _duration_pb2.Duration
    def __init__(self, cursors: _Optional[_Iterable[_Union[_subscription_pb2.StreamCursor, _Mapping]]] = ..., reconnect_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsumeFramesRequest(_message.Message):
    __slots__ = ("group_id", "member_id", "max_outstanding_frames", "max_outstanding_bytes", "pictures", "heartbeat_interval", "stop_after_frames")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STOP_AFTER_FRAMES_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    member_id: str
    max_outstanding_frames: int
    max_outstanding_bytes: int
    pictures: _processed_frame_pb2.PictureSelection
    heartbeat_interval: _duration_pb2.Duration
    stop_after_frames: int
    def __init__(self, group_id: _Optional[str] = ..., member_id: _Optional[str] = ..., max_outstanding_frames: _Optional[int] = ..., max_outstanding_bytes: _Optional[int] = ..., pictures: _Optional[_Union[_processed_frame_pb2.PictureSelection, _Mapping]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stop_after_frames: _Optional[int] = ...) -> None: ...

class ConsumeFramesResponse(_message.Message):
    __slots__ = ("frame", "gap", "heartbeat", "ready", "draining")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    frame: ConsumedFrame
    gap: _subscription_pb2.Gap
    heartbeat: ConsumeHeartbeat
    ready: ConsumeReady
    draining: ConsumeDraining
    def __init__(self, frame: _Optional[_Union[ConsumedFrame, _Mapping]] = ..., gap: _Optional[_Union[_subscription_pb2.Gap, _Mapping]] = ..., heartbeat: _Optional[_Union[ConsumeHeartbeat, _Mapping]] = ..., ready: _Optional[_Union[ConsumeReady, _Mapping]] = ..., draining: _Optional[_Union[ConsumeDraining, _Mapping]] = ...) -> None: ...

class ConsumeReady(_message.Message):
    __slots__ = ("ack_deadline",)
    ACK_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    ack_deadline: _duration_pb2.Duration
    def __init__(self, ack_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsumedFrame(_message.Message):
    __slots__ = ("frame", "ack_id", "delivery_attempt", "ack_expire_time")
    FRAME_FIELD_NUMBER: _ClassVar[int]
    ACK_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ACK_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    frame: _processed_frame_pb2.ProcessedFrame
    ack_id: str
    delivery_attempt: int
    ack_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, frame: _Optional[_Union[_processed_frame_pb2.ProcessedFrame, _Mapping]] = ..., ack_id: _Optional[str] = ..., delivery_attempt: _Optional[int] = ..., ack_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ConsumeHeartbeat(_message.Message):
    __slots__ = ("server_time", "outstanding_frames", "streams", "unfollowed_streams")
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    UNFOLLOWED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    server_time: _timestamp_pb2.Timestamp
    outstanding_frames: int
    streams: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.StreamLag]
    unfollowed_streams: int
    def __init__(self, server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outstanding_frames: _Optional[int] = ..., streams: _Optional[_Iterable[_Union[_subscription_pb2.StreamLag, _Mapping]]] = ..., unfollowed_streams: _Optional[int] = ...) -> None: ...

class ConsumeDraining(_message.Message):
    __slots__ = ("reconnect_delay",)
    RECONNECT_DELAY_FIELD_NUMBER: _ClassVar[int]
    reconnect_delay: _duration_pb2.Duration
    def __init__(self, reconnect_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class AckResult(_message.Message):
    __slots__ = ("done", "refused")
    DONE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    done: AckDone
    refused: _error_pb2.ItemError
    def __init__(self, done: _Optional[_Union[AckDone, _Mapping]] = ..., refused: _Optional[_Union[_error_pb2.ItemError, _Mapping]] = ...) -> None: ...

class AckDone(_message.Message):
    __slots__ = ("already_acknowledged", "ack_expire_time")
    ALREADY_ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    ACK_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    already_acknowledged: bool
    ack_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, already_acknowledged: bool = ..., ack_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
    def __init__(self, ack_id: _Optional[str] = ..., reason: _Optional[str] = ..., retry_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., dead_letter: bool = ...) -> None: ...

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

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "api_version", "features", "cluster_id", "server_id", "role", "start_time", "server_time", "health", "health_message", "limits", "defaults", "backend_kind", "backend_version", "durability", "durability_replicas", "partition_count", "auto_registration", "warnings")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HEALTH_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    DEFAULTS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_KIND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_VERSION_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    PARTITION_COUNT_FIELD_NUMBER: _ClassVar[int]
    AUTO_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    version: str
    api_version: str
    features: _containers.RepeatedScalarFieldContainer[str]
    cluster_id: str
    server_id: str
    role: _server_pb2.ServerRole
    start_time: _timestamp_pb2.Timestamp
    server_time: _timestamp_pb2.Timestamp
    health: _server_pb2.ServerHealth
    health_message: str
    limits: _server_pb2.Limits
    defaults: _server_pb2.ServerDefaults
    backend_kind: _server_pb2.BackendKind
    backend_version: str
    durability: _server_pb2.Durability
    durability_replicas: int
    partition_count: int
    auto_registration: bool
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., api_version: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ..., cluster_id: _Optional[str] = ..., server_id: _Optional[str] = ..., role: _Optional[_Union[_server_pb2.ServerRole, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., health: _Optional[_Union[_server_pb2.ServerHealth, str]] = ..., health_message: _Optional[str] = ..., limits: _Optional[_Union[_server_pb2.Limits, _Mapping]] = ..., defaults: _Optional[_Union[_server_pb2.ServerDefaults, _Mapping]] = ..., backend_kind: _Optional[_Union[_server_pb2.BackendKind, str]] = ..., backend_version: _Optional[str] = ..., durability: _Optional[_Union[_server_pb2.Durability, str]] = ..., durability_replicas: _Optional[int] = ..., partition_count: _Optional[int] = ..., auto_registration: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
