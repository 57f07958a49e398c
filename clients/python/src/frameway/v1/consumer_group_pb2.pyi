import datetime

from frameway.v1 import stream_pb2 as _stream_pb2
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

class GroupAffinity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUP_AFFINITY_UNSPECIFIED: _ClassVar[GroupAffinity]
    GROUP_AFFINITY_ANY: _ClassVar[GroupAffinity]
    GROUP_AFFINITY_STREAM: _ClassVar[GroupAffinity]
GROUP_AFFINITY_UNSPECIFIED: GroupAffinity
GROUP_AFFINITY_ANY: GroupAffinity
GROUP_AFFINITY_STREAM: GroupAffinity

class RetryBackoff(_message.Message):
    __slots__ = ("min_delay", "max_delay")
    MIN_DELAY_FIELD_NUMBER: _ClassVar[int]
    MAX_DELAY_FIELD_NUMBER: _ClassVar[int]
    min_delay: _duration_pb2.Duration
    max_delay: _duration_pb2.Duration
    def __init__(self, min_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ConsumerGroup(_message.Message):
    __slots__ = ("group_id", "display_name", "streams", "filter", "sampling", "start", "ack_deadline", "max_delivery_attempts", "backoff", "affinity", "max_outstanding_frames", "etag", "generation", "create_time", "update_time", "status", "effective")
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
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    display_name: str
    streams: _containers.RepeatedCompositeFieldContainer[_stream_pb2.StreamMatch]
    filter: _subscription_pb2.FrameFilter
    sampling: _subscription_pb2.Sampling
    start: _subscription_pb2.StartPosition
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
    effective: ConsumerGroupPolicies
    def __init__(self, group_id: _Optional[str] = ..., display_name: _Optional[str] = ..., streams: _Optional[_Iterable[_Union[_stream_pb2.StreamMatch, _Mapping]]] = ..., filter: _Optional[_Union[_subscription_pb2.FrameFilter, _Mapping]] = ..., sampling: _Optional[_Union[_subscription_pb2.Sampling, _Mapping]] = ..., start: _Optional[_Union[_subscription_pb2.StartPosition, _Mapping]] = ..., ack_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_delivery_attempts: _Optional[int] = ..., backoff: _Optional[_Union[RetryBackoff, _Mapping]] = ..., affinity: _Optional[_Union[GroupAffinity, str]] = ..., max_outstanding_frames: _Optional[int] = ..., etag: _Optional[str] = ..., generation: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[ConsumerGroupStatus, _Mapping]] = ..., effective: _Optional[_Union[ConsumerGroupPolicies, _Mapping]] = ...) -> None: ...

class ConsumerGroupPolicies(_message.Message):
    __slots__ = ("ack_deadline", "max_delivery_attempts", "backoff", "affinity", "max_outstanding_frames")
    ACK_DEADLINE_FIELD_NUMBER: _ClassVar[int]
    MAX_DELIVERY_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    ack_deadline: _duration_pb2.Duration
    max_delivery_attempts: int
    backoff: RetryBackoff
    affinity: GroupAffinity
    max_outstanding_frames: int
    def __init__(self, ack_deadline: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_delivery_attempts: _Optional[int] = ..., backoff: _Optional[_Union[RetryBackoff, _Mapping]] = ..., affinity: _Optional[_Union[GroupAffinity, str]] = ..., max_outstanding_frames: _Optional[int] = ...) -> None: ...

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

class ConsumerGroupPosition(_message.Message):
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
