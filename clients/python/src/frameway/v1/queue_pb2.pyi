import datetime

from frameway.v1 import stream_pb2 as _stream_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QueueState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUEUE_STATE_UNSPECIFIED: _ClassVar[QueueState]
    QUEUE_STATE_RUNNING: _ClassVar[QueueState]
    QUEUE_STATE_PAUSED: _ClassVar[QueueState]
    QUEUE_STATE_DRAINING: _ClassVar[QueueState]
QUEUE_STATE_UNSPECIFIED: QueueState
QUEUE_STATE_RUNNING: QueueState
QUEUE_STATE_PAUSED: QueueState
QUEUE_STATE_DRAINING: QueueState

class Queue(_message.Message):
    __slots__ = ("queue_id", "partition", "state", "state_reason", "queued_frames", "queued_bytes", "max_queued_bytes", "in_flight_frames", "oldest_age", "stream_count", "worker_id", "lease_expire_time")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_BYTES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_FIELD_NUMBER: _ClassVar[int]
    STREAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    partition: int
    state: QueueState
    state_reason: str
    queued_frames: int
    queued_bytes: int
    max_queued_bytes: int
    in_flight_frames: int
    oldest_age: _duration_pb2.Duration
    stream_count: int
    worker_id: str
    lease_expire_time: _timestamp_pb2.Timestamp
    def __init__(self, queue_id: _Optional[str] = ..., partition: _Optional[int] = ..., state: _Optional[_Union[QueueState, str]] = ..., state_reason: _Optional[str] = ..., queued_frames: _Optional[int] = ..., queued_bytes: _Optional[int] = ..., max_queued_bytes: _Optional[int] = ..., in_flight_frames: _Optional[int] = ..., oldest_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stream_count: _Optional[int] = ..., worker_id: _Optional[str] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FrameAccount(_message.Message):
    __slots__ = ("accepted_frames", "processed_frames", "failed_frames", "dropped_frames", "purged_frames", "removed_frames", "queued_frames", "duplicate_frames", "rejected_frames", "accepted_bytes", "output_bytes", "over_budget_frames")
    ACCEPTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    PURGED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    OVER_BUDGET_FRAMES_FIELD_NUMBER: _ClassVar[int]
    accepted_frames: int
    processed_frames: int
    failed_frames: int
    dropped_frames: int
    purged_frames: int
    removed_frames: int
    queued_frames: int
    duplicate_frames: int
    rejected_frames: int
    accepted_bytes: int
    output_bytes: int
    over_budget_frames: int
    def __init__(self, accepted_frames: _Optional[int] = ..., processed_frames: _Optional[int] = ..., failed_frames: _Optional[int] = ..., dropped_frames: _Optional[int] = ..., purged_frames: _Optional[int] = ..., removed_frames: _Optional[int] = ..., queued_frames: _Optional[int] = ..., duplicate_frames: _Optional[int] = ..., rejected_frames: _Optional[int] = ..., accepted_bytes: _Optional[int] = ..., output_bytes: _Optional[int] = ..., over_budget_frames: _Optional[int] = ...) -> None: ...

class LatencyStats(_message.Message):
    __slots__ = ("p50", "p95", "p99", "sample_count")
    P50_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    p50: _duration_pb2.Duration
    p95: _duration_pb2.Duration
    p99: _duration_pb2.Duration
    sample_count: int
    def __init__(self, p50: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p95: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p99: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., sample_count: _Optional[int] = ...) -> None: ...

class QueueStats(_message.Message):
    __slots__ = ("account", "completed_fps", "processing", "retained_frames", "retained_bytes", "dead_letter_count", "dead_letter_bytes")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FPS_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_FIELD_NUMBER: _ClassVar[int]
    RETAINED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    RETAINED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    account: FrameAccount
    completed_fps: float
    processing: LatencyStats
    retained_frames: int
    retained_bytes: int
    dead_letter_count: int
    dead_letter_bytes: int
    def __init__(self, account: _Optional[_Union[FrameAccount, _Mapping]] = ..., completed_fps: _Optional[float] = ..., processing: _Optional[_Union[LatencyStats, _Mapping]] = ..., retained_frames: _Optional[int] = ..., retained_bytes: _Optional[int] = ..., dead_letter_count: _Optional[int] = ..., dead_letter_bytes: _Optional[int] = ...) -> None: ...

class PartitionStats(_message.Message):
    __slots__ = ("queue", "stats")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    queue: Queue
    stats: QueueStats
    def __init__(self, queue: _Optional[_Union[Queue, _Mapping]] = ..., stats: _Optional[_Union[QueueStats, _Mapping]] = ...) -> None: ...

class StreamStats(_message.Message):
    __slots__ = ("stream_id", "queue_id", "status", "account")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    queue_id: str
    status: _stream_pb2.StreamStatus
    account: FrameAccount
    def __init__(self, stream_id: _Optional[str] = ..., queue_id: _Optional[str] = ..., status: _Optional[_Union[_stream_pb2.StreamStatus, _Mapping]] = ..., account: _Optional[_Union[FrameAccount, _Mapping]] = ...) -> None: ...
