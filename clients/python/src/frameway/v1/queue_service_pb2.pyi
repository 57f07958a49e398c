import datetime

from frameway.v1 import error_reason_pb2 as _error_reason_pb2
from frameway.v1 import frame_pb2 as _frame_pb2
from frameway.v1 import processed_frame_pb2 as _processed_frame_pb2
from frameway.v1 import stream_pb2 as _stream_pb2
from frameway.v1 import streaming_service_pb2 as _streaming_service_pb2
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

class QueueState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUEUE_STATE_UNSPECIFIED: _ClassVar[QueueState]
    QUEUE_STATE_RUNNING: _ClassVar[QueueState]
    QUEUE_STATE_PAUSED: _ClassVar[QueueState]
    QUEUE_STATE_DRAINING: _ClassVar[QueueState]

class GroupAffinity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUP_AFFINITY_UNSPECIFIED: _ClassVar[GroupAffinity]
    GROUP_AFFINITY_NONE: _ClassVar[GroupAffinity]
    GROUP_AFFINITY_STREAM: _ClassVar[GroupAffinity]

class DeadLetterSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_SOURCE_UNSPECIFIED: _ClassVar[DeadLetterSource]
    DEAD_LETTER_SOURCE_WORKER: _ClassVar[DeadLetterSource]
    DEAD_LETTER_SOURCE_GROUP: _ClassVar[DeadLetterSource]

class BackendKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BACKEND_KIND_UNSPECIFIED: _ClassVar[BackendKind]
    BACKEND_KIND_MEMORY: _ClassVar[BackendKind]
    BACKEND_KIND_REDIS: _ClassVar[BackendKind]
    BACKEND_KIND_REDIS_SENTINEL: _ClassVar[BackendKind]
    BACKEND_KIND_REDIS_CLUSTER: _ClassVar[BackendKind]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_MEMORY: _ClassVar[Durability]
    DURABILITY_AOF_EVERYSEC: _ClassVar[Durability]
    DURABILITY_AOF_ALWAYS: _ClassVar[Durability]
    DURABILITY_REPLICATED: _ClassVar[Durability]

class ServerHealth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVER_HEALTH_UNSPECIFIED: _ClassVar[ServerHealth]
    SERVER_HEALTH_SERVING: _ClassVar[ServerHealth]
    SERVER_HEALTH_DEGRADED: _ClassVar[ServerHealth]
    SERVER_HEALTH_BACKEND_UNAVAILABLE: _ClassVar[ServerHealth]
    SERVER_HEALTH_DRAINING: _ClassVar[ServerHealth]

class ServerRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVER_ROLE_UNSPECIFIED: _ClassVar[ServerRole]
    SERVER_ROLE_ALL: _ClassVar[ServerRole]
    SERVER_ROLE_API: _ClassVar[ServerRole]
QUEUE_STATE_UNSPECIFIED: QueueState
QUEUE_STATE_RUNNING: QueueState
QUEUE_STATE_PAUSED: QueueState
QUEUE_STATE_DRAINING: QueueState
GROUP_AFFINITY_UNSPECIFIED: GroupAffinity
GROUP_AFFINITY_NONE: GroupAffinity
GROUP_AFFINITY_STREAM: GroupAffinity
DEAD_LETTER_SOURCE_UNSPECIFIED: DeadLetterSource
DEAD_LETTER_SOURCE_WORKER: DeadLetterSource
DEAD_LETTER_SOURCE_GROUP: DeadLetterSource
BACKEND_KIND_UNSPECIFIED: BackendKind
BACKEND_KIND_MEMORY: BackendKind
BACKEND_KIND_REDIS: BackendKind
BACKEND_KIND_REDIS_SENTINEL: BackendKind
BACKEND_KIND_REDIS_CLUSTER: BackendKind
DURABILITY_UNSPECIFIED: Durability
DURABILITY_MEMORY: Durability
DURABILITY_AOF_EVERYSEC: Durability
DURABILITY_AOF_ALWAYS: Durability
DURABILITY_REPLICATED: Durability
SERVER_HEALTH_UNSPECIFIED: ServerHealth
SERVER_HEALTH_SERVING: ServerHealth
SERVER_HEALTH_DEGRADED: ServerHealth
SERVER_HEALTH_BACKEND_UNAVAILABLE: ServerHealth
SERVER_HEALTH_DRAINING: ServerHealth
SERVER_ROLE_UNSPECIFIED: ServerRole
SERVER_ROLE_ALL: ServerRole
SERVER_ROLE_API: ServerRole

class Queue(_message.Message):
    __slots__ = ("queue_id", "partition", "state", "depth_frames", "depth_bytes", "max_bytes", "in_flight_frames", "oldest_age", "stream_count", "worker_id", "lease_expire_time", "state_reason")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DEPTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_FIELD_NUMBER: _ClassVar[int]
    STREAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    partition: int
    state: QueueState
    depth_frames: int
    depth_bytes: int
    max_bytes: int
    in_flight_frames: int
    oldest_age: _duration_pb2.Duration
    stream_count: int
    worker_id: str
    lease_expire_time: _timestamp_pb2.Timestamp
    state_reason: str
    def __init__(self, queue_id: _Optional[str] = ..., partition: _Optional[int] = ..., state: _Optional[_Union[QueueState, str]] = ..., depth_frames: _Optional[int] = ..., depth_bytes: _Optional[int] = ..., max_bytes: _Optional[int] = ..., in_flight_frames: _Optional[int] = ..., oldest_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stream_count: _Optional[int] = ..., worker_id: _Optional[str] = ..., lease_expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state_reason: _Optional[str] = ...) -> None: ...

class ListQueuesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListQueuesResponse(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ...) -> None: ...

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

class RateStats(_message.Message):
    __slots__ = ("accepted_fps", "completed_fps", "failed_fps", "accepted_bytes_per_second")
    ACCEPTED_FPS_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FPS_FIELD_NUMBER: _ClassVar[int]
    FAILED_FPS_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    accepted_fps: float
    completed_fps: float
    failed_fps: float
    accepted_bytes_per_second: float
    def __init__(self, accepted_fps: _Optional[float] = ..., completed_fps: _Optional[float] = ..., failed_fps: _Optional[float] = ..., accepted_bytes_per_second: _Optional[float] = ...) -> None: ...

class LatencyStats(_message.Message):
    __slots__ = ("p50", "p95", "p99", "max", "sample_count")
    P50_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    P99_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    p50: _duration_pb2.Duration
    p95: _duration_pb2.Duration
    p99: _duration_pb2.Duration
    max: _duration_pb2.Duration
    sample_count: int
    def __init__(self, p50: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p95: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., p99: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., sample_count: _Optional[int] = ...) -> None: ...

class QueueStats(_message.Message):
    __slots__ = ("depth_frames", "depth_bytes", "in_flight_frames", "oldest_age", "account", "rates", "processing", "waiting", "retained_frames", "retained_bytes", "dead_letter_count", "dead_letter_bytes")
    DEPTH_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DEPTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    RETAINED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    RETAINED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    depth_frames: int
    depth_bytes: int
    in_flight_frames: int
    oldest_age: _duration_pb2.Duration
    account: FrameAccount
    rates: RateStats
    processing: LatencyStats
    waiting: LatencyStats
    retained_frames: int
    retained_bytes: int
    dead_letter_count: int
    dead_letter_bytes: int
    def __init__(self, depth_frames: _Optional[int] = ..., depth_bytes: _Optional[int] = ..., in_flight_frames: _Optional[int] = ..., oldest_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., account: _Optional[_Union[FrameAccount, _Mapping]] = ..., rates: _Optional[_Union[RateStats, _Mapping]] = ..., processing: _Optional[_Union[LatencyStats, _Mapping]] = ..., waiting: _Optional[_Union[LatencyStats, _Mapping]] = ..., retained_frames: _Optional[int] = ..., retained_bytes: _Optional[int] = ..., dead_letter_count: _Optional[int] = ..., dead_letter_bytes: _Optional[int] = ...) -> None: ...

class PartitionStats(_message.Message):
    __slots__ = ("queue", "stats")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    queue: Queue
    stats: QueueStats
    def __init__(self, queue: _Optional[_Union[Queue, _Mapping]] = ..., stats: _Optional[_Union[QueueStats, _Mapping]] = ...) -> None: ...

class StreamQueueStats(_message.Message):
    __slots__ = ("stream_id", "queue_id", "status", "account", "oldest_age")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_AGE_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    queue_id: str
    status: _stream_pb2.StreamStatus
    account: FrameAccount
    oldest_age: _duration_pb2.Duration
    def __init__(self, stream_id: _Optional[str] = ..., queue_id: _Optional[str] = ..., status: _Optional[_Union[_stream_pb2.StreamStatus, _Mapping]] = ..., account: _Optional[_Union[FrameAccount, _Mapping]] = ..., oldest_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GetQueueStatsRequest(_message.Message):
    __slots__ = ("queue_id", "include_streams", "page_size", "page_token")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_STREAMS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    include_streams: bool
    page_size: int
    page_token: str
    def __init__(self, queue_id: _Optional[str] = ..., include_streams: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetQueueStatsResponse(_message.Message):
    __slots__ = ("total", "partitions", "streams", "next_page_token")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    total: QueueStats
    partitions: _containers.RepeatedCompositeFieldContainer[PartitionStats]
    streams: _containers.RepeatedCompositeFieldContainer[StreamQueueStats]
    next_page_token: str
    def __init__(self, total: _Optional[_Union[QueueStats, _Mapping]] = ..., partitions: _Optional[_Iterable[_Union[PartitionStats, _Mapping]]] = ..., streams: _Optional[_Iterable[_Union[StreamQueueStats, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PauseQueueRequest(_message.Message):
    __slots__ = ("queue_id", "reason")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    reason: str
    def __init__(self, queue_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class PauseQueueResponse(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ...) -> None: ...

class ResumeQueueRequest(_message.Message):
    __slots__ = ("queue_id", "reason")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    reason: str
    def __init__(self, queue_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumeQueueResponse(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ...) -> None: ...

class DrainQueueRequest(_message.Message):
    __slots__ = ("queue_id", "reason")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    reason: str
    def __init__(self, queue_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DrainQueueResponse(_message.Message):
    __slots__ = ("queues",)
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    queues: _containers.RepeatedCompositeFieldContainer[Queue]
    def __init__(self, queues: _Optional[_Iterable[_Union[Queue, _Mapping]]] = ...) -> None: ...

class PurgeQueueRequest(_message.Message):
    __slots__ = ("queue_id", "stream_id", "received_before", "all_queues", "reason")
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ALL_QUEUES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    queue_id: str
    stream_id: str
    received_before: _timestamp_pb2.Timestamp
    all_queues: bool
    reason: str
    def __init__(self, queue_id: _Optional[str] = ..., stream_id: _Optional[str] = ..., received_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., all_queues: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class PurgeQueueResponse(_message.Message):
    __slots__ = ("marked_frames", "marked_bytes", "pending_frames")
    MARKED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MARKED_BYTES_FIELD_NUMBER: _ClassVar[int]
    PENDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    marked_frames: int
    marked_bytes: int
    pending_frames: int
    def __init__(self, marked_frames: _Optional[int] = ..., marked_bytes: _Optional[int] = ..., pending_frames: _Optional[int] = ...) -> None: ...

class RetryBackoff(_message.Message):
    __slots__ = ("min_delay", "max_delay")
    MIN_DELAY_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_FIELD_NUMBER: _ClassVar[int]
    min_delay: _duration_pb2.Duration
    max_delay: _duration_pb2.Duration
    def __init__(self, min_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsumerGroup(_message.Message):
    __slots__ = ("group_id", "display_name", "streams", "filter", "sampling", "start", "ack_deadline", "max_delivery_attempts", "backoff", "affinity", "max_outstanding_frames", "etag", "generation", "create_time", "update_time", "status")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    ACK_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    MAX_DELIVERY_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    display_name: str
    streams: _containers.RepeatedCompositeFieldContainer[_stream_pb2.StreamMatch]
    filter: _streaming_service_pb2.FrameFilter
    sampling: _streaming_service_pb2.Sampling
    start: _streaming_service_pb2.StartPosition
    ack_deadline: _duration_pb2.Duration
    max_delivery_attempts: int
    backoff: RetryBackoff
    affinity: GroupAffinity
    max_outstanding_frames: int
    etag: str
    generation: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    status: ConsumerGroupStatus
    def __init__(self, group_id: _Optional[str] = ..., display_name: _Optional[str] = ..., streams: _Optional[_Iterable[_Union[_stream_pb2.StreamMatch, _Mapping]]] = ..., filter: _Optional[_Union[_streaming_service_pb2.FrameFilter, _Mapping]] = ..., sampling: _Optional[_Union[_streaming_service_pb2.Sampling, _Mapping]] = ..., start: _Optional[_Union[_streaming_service_pb2.StartPosition, _Mapping]] = ..., ack_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_delivery_attempts: _Optional[int] = ..., backoff: _Optional[_Union[RetryBackoff, _Mapping]] = ..., affinity: _Optional[_Union[GroupAffinity, str]] = ..., max_outstanding_frames: _Optional[int] = ..., etag: _Optional[str] = ..., generation: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[ConsumerGroupStatus, _Mapping]] = ...) -> None: ...

class ConsumerGroupStatus(_message.Message):
    __slots__ = ("members", "stream_count", "lag_frames", "outstanding_frames", "acknowledged_frames", "redelivered_frames", "dead_letter_frames", "lost_to_retention_frames", "oldest_outstanding_age")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    STREAM_COUNT_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REDELIVERED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_FRAMES_FIELD_NUMBER: _ClassVar[int]
    LOST_TO_RETENTION_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_OUTSTANDING_AGE_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[ConsumerGroupMember]
    stream_count: int
    lag_frames: int
    outstanding_frames: int
    acknowledged_frames: int
    redelivered_frames: int
    dead_letter_frames: int
    lost_to_retention_frames: int
    oldest_outstanding_age: _duration_pb2.Duration
    def __init__(self, members: _Optional[_Iterable[_Union[ConsumerGroupMember, _Mapping]]] = ..., stream_count: _Optional[int] = ..., lag_frames: _Optional[int] = ..., outstanding_frames: _Optional[int] = ..., acknowledged_frames: _Optional[int] = ..., redelivered_frames: _Optional[int] = ..., dead_letter_frames: _Optional[int] = ..., lost_to_retention_frames: _Optional[int] = ..., oldest_outstanding_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsumerGroupMember(_message.Message):
    __slots__ = ("member_id", "connect_time", "outstanding_frames", "outstanding_bytes", "oldest_outstanding_age", "window_frames")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    CONNECT_TIME_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_OUTSTANDING_AGE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FRAMES_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    connect_time: _timestamp_pb2.Timestamp
    outstanding_frames: int
    outstanding_bytes: int
    oldest_outstanding_age: _duration_pb2.Duration
    window_frames: int
    def __init__(self, member_id: _Optional[str] = ..., connect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., outstanding_frames: _Optional[int] = ..., outstanding_bytes: _Optional[int] = ..., oldest_outstanding_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., window_frames: _Optional[int] = ...) -> None: ...

class GroupStreamPosition(_message.Message):
    __slots__ = ("stream_id", "acknowledged_sequence", "delivered_sequence", "head_sequence", "lag_frames", "outstanding_frames", "member_id")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    acknowledged_sequence: int
    delivered_sequence: int
    head_sequence: int
    lag_frames: int
    outstanding_frames: int
    member_id: str
    def __init__(self, stream_id: _Optional[str] = ..., acknowledged_sequence: _Optional[int] = ..., delivered_sequence: _Optional[int] = ..., head_sequence: _Optional[int] = ..., lag_frames: _Optional[int] = ..., outstanding_frames: _Optional[int] = ..., member_id: _Optional[str] = ...) -> None: ...

class CreateConsumerGroupRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: ConsumerGroup
    def __init__(self, group: _Optional[_Union[ConsumerGroup, _Mapping]] = ...) -> None: ...

class CreateConsumerGroupResponse(_message.Message):
    __slots__ = ("group", "time_gaps")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TIME_GAPS_FIELD_NUMBER: _ClassVar[int]
    group: ConsumerGroup
    time_gaps: _containers.RepeatedCompositeFieldContainer[_streaming_service_pb2.Gap]
    def __init__(self, group: _Optional[_Union[ConsumerGroup, _Mapping]] = ..., time_gaps: _Optional[_Iterable[_Union[_streaming_service_pb2.Gap, _Mapping]]] = ...) -> None: ...

class GetConsumerGroupRequest(_message.Message):
    __slots__ = ("group_id", "page_size", "page_token")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    page_size: int
    page_token: str
    def __init__(self, group_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetConsumerGroupResponse(_message.Message):
    __slots__ = ("group", "streams", "next_page_token")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    group: ConsumerGroup
    streams: _containers.RepeatedCompositeFieldContainer[GroupStreamPosition]
    next_page_token: str
    def __init__(self, group: _Optional[_Union[ConsumerGroup, _Mapping]] = ..., streams: _Optional[_Iterable[_Union[GroupStreamPosition, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListConsumerGroupsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConsumerGroupsResponse(_message.Message):
    __slots__ = ("groups", "next_page_token")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[ConsumerGroup]
    next_page_token: str
    def __init__(self, groups: _Optional[_Iterable[_Union[ConsumerGroup, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateConsumerGroupRequest(_message.Message):
    __slots__ = ("group", "update_mask")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    group: ConsumerGroup
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, group: _Optional[_Union[ConsumerGroup, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateConsumerGroupResponse(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: ConsumerGroup
    def __init__(self, group: _Optional[_Union[ConsumerGroup, _Mapping]] = ...) -> None: ...

class SeekConsumerGroupRequest(_message.Message):
    __slots__ = ("group_id", "position", "streams", "etag", "reason")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    position: _streaming_service_pb2.StartPosition
    streams: _stream_pb2.StreamMatch
    etag: str
    reason: str
    def __init__(self, group_id: _Optional[str] = ..., position: _Optional[_Union[_streaming_service_pb2.StartPosition, _Mapping]] = ..., streams: _Optional[_Union[_stream_pb2.StreamMatch, _Mapping]] = ..., etag: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SeekConsumerGroupResponse(_message.Message):
    __slots__ = ("group", "moved_streams", "time_gaps")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MOVED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    TIME_GAPS_FIELD_NUMBER: _ClassVar[int]
    group: ConsumerGroup
    moved_streams: int
    time_gaps: _containers.RepeatedCompositeFieldContainer[_streaming_service_pb2.Gap]
    def __init__(self, group: _Optional[_Union[ConsumerGroup, _Mapping]] = ..., moved_streams: _Optional[int] = ..., time_gaps: _Optional[_Iterable[_Union[_streaming_service_pb2.Gap, _Mapping]]] = ...) -> None: ...

class DeleteConsumerGroupRequest(_message.Message):
    __slots__ = ("group_id", "etag")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    etag: str
    def __init__(self, group_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteConsumerGroupResponse(_message.Message):
    __slots__ = ("outstanding_frames", "lag_frames")
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    outstanding_frames: int
    lag_frames: int
    def __init__(self, outstanding_frames: _Optional[int] = ..., lag_frames: _Optional[int] = ...) -> None: ...

class DeadLetter(_message.Message):
    __slots__ = ("dead_letter_id", "source", "stream_id", "sequence", "queue_id", "group_id", "reason", "message", "attempts", "dead_time", "capture_time", "received_time", "publisher_id", "publisher_sequence", "attributes", "picture", "replayed_sequence", "replay_time", "traceparent")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DEAD_TIME_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPLAY_TIME_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    source: DeadLetterSource
    stream_id: str
    sequence: int
    queue_id: str
    group_id: str
    reason: _error_reason_pb2.ErrorReason
    message: str
    attempts: int
    dead_time: _timestamp_pb2.Timestamp
    capture_time: _timestamp_pb2.Timestamp
    received_time: _timestamp_pb2.Timestamp
    publisher_id: str
    publisher_sequence: int
    attributes: _containers.ScalarMap[str, str]
    picture: _processed_frame_pb2.Picture
    replayed_sequence: int
    replay_time: _timestamp_pb2.Timestamp
    traceparent: str
    def __init__(self, dead_letter_id: _Optional[str] = ..., source: _Optional[_Union[DeadLetterSource, str]] = ..., stream_id: _Optional[str] = ..., sequence: _Optional[int] = ..., queue_id: _Optional[str] = ..., group_id: _Optional[str] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., attempts: _Optional[int] = ..., dead_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., capture_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., received_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publisher_id: _Optional[str] = ..., publisher_sequence: _Optional[int] = ..., attributes: _Optional[_Mapping[str, str]] = ..., picture: _Optional[_Union[_processed_frame_pb2.Picture, _Mapping]] = ..., replayed_sequence: _Optional[int] = ..., replay_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., traceparent: _Optional[str] = ...) -> None: ...

class DeadLetterFilter(_message.Message):
    __slots__ = ("stream_id", "queue_id", "source", "group_id", "reasons", "dead_after", "dead_before", "not_replayed")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    QUEUE_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    DEAD_AFTER_FIELD_NUMBER: _ClassVar[int]
    DEAD_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_REPLAYED_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    queue_id: str
    source: DeadLetterSource
    group_id: str
    reasons: _containers.RepeatedScalarFieldContainer[_error_reason_pb2.ErrorReason]
    dead_after: _timestamp_pb2.Timestamp
    dead_before: _timestamp_pb2.Timestamp
    not_replayed: bool
    def __init__(self, stream_id: _Optional[str] = ..., queue_id: _Optional[str] = ..., source: _Optional[_Union[DeadLetterSource, str]] = ..., group_id: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_error_reason_pb2.ErrorReason, str]]] = ..., dead_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dead_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., not_replayed: _Optional[bool] = ...) -> None: ...

class ListDeadLettersRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: DeadLetterFilter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[DeadLetterFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ("dead_letters", "next_page_token", "total_count", "total_bytes")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetter]
    next_page_token: str
    total_count: int
    total_bytes: int
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[DeadLetter, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_count: _Optional[int] = ..., total_bytes: _Optional[int] = ...) -> None: ...

class GetDeadLetterRequest(_message.Message):
    __slots__ = ("dead_letter_id", "max_picture_bytes", "without_picture")
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_PICTURE_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    max_picture_bytes: int
    without_picture: bool
    def __init__(self, dead_letter_id: _Optional[str] = ..., max_picture_bytes: _Optional[int] = ..., without_picture: _Optional[bool] = ...) -> None: ...

class GetDeadLetterResponse(_message.Message):
    __slots__ = ("dead_letter",)
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    dead_letter: DeadLetter
    def __init__(self, dead_letter: _Optional[_Union[DeadLetter, _Mapping]] = ...) -> None: ...

class DeadLetterIdList(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeadLetterResult(_message.Message):
    __slots__ = ("dead_letter_id", "done", "refused")
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    done: DeadLetterDone
    refused: _frame_pb2.FrameError
    def __init__(self, dead_letter_id: _Optional[str] = ..., done: _Optional[_Union[DeadLetterDone, _Mapping]] = ..., refused: _Optional[_Union[_frame_pb2.FrameError, _Mapping]] = ...) -> None: ...

class DeadLetterDone(_message.Message):
    __slots__ = ("replayed_sequence",)
    REPLAYED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    replayed_sequence: int
    def __init__(self, replayed_sequence: _Optional[int] = ...) -> None: ...

class ReplayDeadLettersRequest(_message.Message):
    __slots__ = ("ids", "filter", "max_count", "discard_after", "reason")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    DISCARD_AFTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ids: DeadLetterIdList
    filter: DeadLetterFilter
    max_count: int
    discard_after: bool
    reason: str
    def __init__(self, ids: _Optional[_Union[DeadLetterIdList, _Mapping]] = ..., filter: _Optional[_Union[DeadLetterFilter, _Mapping]] = ..., max_count: _Optional[int] = ..., discard_after: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class ReplayDeadLettersResponse(_message.Message):
    __slots__ = ("results", "more")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeadLetterResult]
    more: bool
    def __init__(self, results: _Optional[_Iterable[_Union[DeadLetterResult, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class DiscardDeadLettersRequest(_message.Message):
    __slots__ = ("ids", "filter", "max_count", "reason")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ids: DeadLetterIdList
    filter: DeadLetterFilter
    max_count: int
    reason: str
    def __init__(self, ids: _Optional[_Union[DeadLetterIdList, _Mapping]] = ..., filter: _Optional[_Union[DeadLetterFilter, _Mapping]] = ..., max_count: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class DiscardDeadLettersResponse(_message.Message):
    __slots__ = ("results", "more")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeadLetterResult]
    more: bool
    def __init__(self, results: _Optional[_Iterable[_Union[DeadLetterResult, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class GetSystemMetricsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSystemMetricsResponse(_message.Message):
    __slots__ = ("collect_time", "account", "rates", "end_to_end", "server", "workers", "backend")
    COLLECT_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    END_TO_END_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    collect_time: _timestamp_pb2.Timestamp
    account: FrameAccount
    rates: RateStats
    end_to_end: LatencyStats
    server: ServerMetrics
    workers: _containers.RepeatedCompositeFieldContainer[WorkerMetrics]
    backend: BackendMetrics
    def __init__(self, collect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account: _Optional[_Union[FrameAccount, _Mapping]] = ..., rates: _Optional[_Union[RateStats, _Mapping]] = ..., end_to_end: _Optional[_Union[LatencyStats, _Mapping]] = ..., server: _Optional[_Union[ServerMetrics, _Mapping]] = ..., workers: _Optional[_Iterable[_Union[WorkerMetrics, _Mapping]]] = ..., backend: _Optional[_Union[BackendMetrics, _Mapping]] = ...) -> None: ...

class ServerMetrics(_message.Message):
    __slots__ = ("uptime", "cpu_time", "resident_bytes", "connections", "subscriptions", "submit_calls", "delivered_frames", "delivered_bytes", "omitted_frames", "rejected_frames")
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    CPU_TIME_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_CALLS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_BYTES_FIELD_NUMBER: _ClassVar[int]
    OMITTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    uptime: _duration_pb2.Duration
    cpu_time: _duration_pb2.Duration
    resident_bytes: int
    connections: int
    subscriptions: int
    submit_calls: int
    delivered_frames: int
    delivered_bytes: int
    omitted_frames: _containers.RepeatedCompositeFieldContainer[_streaming_service_pb2.GapCause]
    rejected_frames: _containers.RepeatedCompositeFieldContainer[ReasonCount]
    def __init__(self, uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cpu_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., connections: _Optional[int] = ..., subscriptions: _Optional[int] = ..., submit_calls: _Optional[int] = ..., delivered_frames: _Optional[int] = ..., delivered_bytes: _Optional[int] = ..., omitted_frames: _Optional[_Iterable[_Union[_streaming_service_pb2.GapCause, _Mapping]]] = ..., rejected_frames: _Optional[_Iterable[_Union[ReasonCount, _Mapping]]] = ...) -> None: ...

class ReasonCount(_message.Message):
    __slots__ = ("reason", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: _error_reason_pb2.ErrorReason
    count: int
    def __init__(self, reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., count: _Optional[int] = ...) -> None: ...

class WorkerMetrics(_message.Message):
    __slots__ = ("worker_id", "version", "start_time", "last_seen_time", "partitions", "processed_frames", "failed_frames", "cpu_time", "resident_bytes", "stages")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    CPU_TIME_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    version: str
    start_time: _timestamp_pb2.Timestamp
    last_seen_time: _timestamp_pb2.Timestamp
    partitions: _containers.RepeatedScalarFieldContainer[int]
    processed_frames: int
    failed_frames: int
    cpu_time: _duration_pb2.Duration
    resident_bytes: int
    stages: _containers.RepeatedCompositeFieldContainer[_processed_frame_pb2.ProcessingStage]
    def __init__(self, worker_id: _Optional[str] = ..., version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., partitions: _Optional[_Iterable[int]] = ..., processed_frames: _Optional[int] = ..., failed_frames: _Optional[int] = ..., cpu_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., stages: _Optional[_Iterable[_Union[_processed_frame_pb2.ProcessingStage, _Mapping]]] = ...) -> None: ...

class BackendMetrics(_message.Message):
    __slots__ = ("kind", "reachable", "used_bytes", "max_bytes", "round_trip", "failovers", "clients")
    KIND_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    ROUND_TRIP_FIELD_NUMBER: _ClassVar[int]
    FAILOVERS_FIELD_NUMBER: _ClassVar[int]
    CLIENTS_FIELD_NUMBER: _ClassVar[int]
    kind: BackendKind
    reachable: bool
    used_bytes: int
    max_bytes: int
    round_trip: LatencyStats
    failovers: int
    clients: int
    def __init__(self, kind: _Optional[_Union[BackendKind, str]] = ..., reachable: _Optional[bool] = ..., used_bytes: _Optional[int] = ..., max_bytes: _Optional[int] = ..., round_trip: _Optional[_Union[LatencyStats, _Mapping]] = ..., failovers: _Optional[int] = ..., clients: _Optional[int] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "api_version", "server_id", "role", "start_time", "server_time", "health", "health_message", "limits", "backend_kind", "backend_version", "durability", "durability_replicas", "partitions", "auto_registration", "default_retention", "default_output", "default_queue", "warnings")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    API_VERSION_FIELD_NUMBER: _ClassVar[int]
    SERVER_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    HEALTH_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_KIND_FIELD_NUMBER: _ClassVar[int]
    BACKEND_VERSION_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    AUTO_REGISTRATION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_RETENTION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_QUEUE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    version: str
    api_version: str
    server_id: str
    role: ServerRole
    start_time: _timestamp_pb2.Timestamp
    server_time: _timestamp_pb2.Timestamp
    health: ServerHealth
    health_message: str
    limits: Limits
    backend_kind: BackendKind
    backend_version: str
    durability: Durability
    durability_replicas: int
    partitions: int
    auto_registration: bool
    default_retention: _stream_pb2.RetentionPolicy
    default_output: _stream_pb2.OutputPolicy
    default_queue: _stream_pb2.QueuePolicy
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version: _Optional[str] = ..., api_version: _Optional[str] = ..., server_id: _Optional[str] = ..., role: _Optional[_Union[ServerRole, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., server_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., health: _Optional[_Union[ServerHealth, str]] = ..., health_message: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., backend_kind: _Optional[_Union[BackendKind, str]] = ..., backend_version: _Optional[str] = ..., durability: _Optional[_Union[Durability, str]] = ..., durability_replicas: _Optional[int] = ..., partitions: _Optional[int] = ..., auto_registration: _Optional[bool] = ..., default_retention: _Optional[_Union[_stream_pb2.RetentionPolicy, _Mapping]] = ..., default_output: _Optional[_Union[_stream_pb2.OutputPolicy, _Mapping]] = ..., default_queue: _Optional[_Union[_stream_pb2.QueuePolicy, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_batch_frames", "max_picture_bytes", "max_picture_pixels", "max_picture_side", "max_attributes", "max_attribute_key_bytes", "max_attribute_value_bytes", "max_streams", "max_auto_registered_streams", "max_publishers_per_stream", "dedup_window", "max_in_flight_batches", "max_in_flight_bytes", "max_selectors", "max_subscriptions", "max_subscriber_buffer_bytes", "default_response_picture_bytes", "max_response_picture_bytes", "max_lookup_items", "max_ack_ids", "max_page_size", "max_consumer_groups", "max_rois", "max_privacy_masks", "max_capture_time_ahead", "max_calls_per_connection", "max_metadata_bytes", "max_control_message_bytes")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_SIDE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTRIBUTE_KEY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTRIBUTE_VALUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_AUTO_REGISTERED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_PUBLISHERS_PER_STREAM_FIELD_NUMBER: _ClassVar[int]
    DEDUP_WINDOW_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SELECTORS_FIELD_NUMBER: _ClassVar[int]
    MAX_SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_SUBSCRIBER_BUFFER_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_RESPONSE_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_LOOKUP_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONSUMER_GROUPS_FIELD_NUMBER: _ClassVar[int]
    MAX_ROIS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRIVACY_MASKS_FIELD_NUMBER: _ClassVar[int]
    MAX_CAPTURE_TIME_AHEAD_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_PER_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_METADATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTROL_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_batch_frames: int
    max_picture_bytes: int
    max_picture_pixels: int
    max_picture_side: int
    max_attributes: int
    max_attribute_key_bytes: int
    max_attribute_value_bytes: int
    max_streams: int
    max_auto_registered_streams: int
    max_publishers_per_stream: int
    dedup_window: int
    max_in_flight_batches: int
    max_in_flight_bytes: int
    max_selectors: int
    max_subscriptions: int
    max_subscriber_buffer_bytes: int
    default_response_picture_bytes: int
    max_response_picture_bytes: int
    max_lookup_items: int
    max_ack_ids: int
    max_page_size: int
    max_consumer_groups: int
    max_rois: int
    max_privacy_masks: int
    max_capture_time_ahead: _duration_pb2.Duration
    max_calls_per_connection: int
    max_metadata_bytes: int
    max_control_message_bytes: int
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_batch_frames: _Optional[int] = ..., max_picture_bytes: _Optional[int] = ..., max_picture_pixels: _Optional[int] = ..., max_picture_side: _Optional[int] = ..., max_attributes: _Optional[int] = ..., max_attribute_key_bytes: _Optional[int] = ..., max_attribute_value_bytes: _Optional[int] = ..., max_streams: _Optional[int] = ..., max_auto_registered_streams: _Optional[int] = ..., max_publishers_per_stream: _Optional[int] = ..., dedup_window: _Optional[int] = ..., max_in_flight_batches: _Optional[int] = ..., max_in_flight_bytes: _Optional[int] = ..., max_selectors: _Optional[int] = ..., max_subscriptions: _Optional[int] = ..., max_subscriber_buffer_bytes: _Optional[int] = ..., default_response_picture_bytes: _Optional[int] = ..., max_response_picture_bytes: _Optional[int] = ..., max_lookup_items: _Optional[int] = ..., max_ack_ids: _Optional[int] = ..., max_page_size: _Optional[int] = ..., max_consumer_groups: _Optional[int] = ..., max_rois: _Optional[int] = ..., max_privacy_masks: _Optional[int] = ..., max_capture_time_ahead: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_calls_per_connection: _Optional[int] = ..., max_metadata_bytes: _Optional[int] = ..., max_control_message_bytes: _Optional[int] = ...) -> None: ...
