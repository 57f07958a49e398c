import datetime

from frameway.v1 import processed_frame_pb2 as _processed_frame_pb2
from frameway.v1 import stream_pb2 as _stream_pb2
from google.protobuf import duration_pb2 as _duration_pb2
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
    GAP_REASON_ERASED: _ClassVar[GapReason]
    GAP_REASON_NOT_PERMITTED: _ClassVar[GapReason]
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
GAP_REASON_ERASED: GapReason
GAP_REASON_NOT_PERMITTED: GapReason

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
    streams: _containers.RepeatedCompositeFieldContainer[_stream_pb2.StreamMatch]
    start: StartPosition
    stop: StopPosition
    sampling: Sampling
    max_age: _duration_pb2.Duration
    pictures: _processed_frame_pb2.PictureSelection
    filter: FrameFilter
    overflow_policy: OverflowPolicy
    fail_if_trimmed: bool
    def __init__(self, streams: _Optional[_Iterable[_Union[_stream_pb2.StreamMatch, _Mapping]]] = ..., start: _Optional[_Union[StartPosition, _Mapping]] = ..., stop: _Optional[_Union[StopPosition, _Mapping]] = ..., sampling: _Optional[_Union[Sampling, _Mapping]] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., pictures: _Optional[_Union[_processed_frame_pb2.PictureSelection, _Mapping]] = ..., filter: _Optional[_Union[FrameFilter, _Mapping]] = ..., overflow_policy: _Optional[_Union[OverflowPolicy, str]] = ..., fail_if_trimmed: bool = ...) -> None: ...

class StartPosition(_message.Message):
    __slots__ = ("live", "earliest", "sequence", "receive_time", "age", "cursors")
    LIVE_FIELD_NUMBER: _ClassVar[int]
    EARLIEST_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    AGE_FIELD_NUMBER: _ClassVar[int]
    CURSORS_FIELD_NUMBER: _ClassVar[int]
    live: StartLive
    earliest: StartEarliest
    sequence: int
    receive_time: _timestamp_pb2.Timestamp
    age: _duration_pb2.Duration
    cursors: CursorList
    def __init__(self, live: _Optional[_Union[StartLive, _Mapping]] = ..., earliest: _Optional[_Union[StartEarliest, _Mapping]] = ..., sequence: _Optional[int] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., cursors: _Optional[_Union[CursorList, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("sequence", "receive_time", "frame_count")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    FRAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    receive_time: _timestamp_pb2.Timestamp
    frame_count: int
    def __init__(self, sequence: _Optional[int] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., frame_count: _Optional[int] = ...) -> None: ...

class Sampling(_message.Message):
    __slots__ = ("max_fps", "every_nth", "latest_only")
    MAX_FPS_FIELD_NUMBER: _ClassVar[int]
    EVERY_NTH_FIELD_NUMBER: _ClassVar[int]
    LATEST_ONLY_FIELD_NUMBER: _ClassVar[int]
    max_fps: float
    every_nth: int
    latest_only: bool
    def __init__(self, max_fps: _Optional[float] = ..., every_nth: _Optional[int] = ..., latest_only: bool = ...) -> None: ...

class FrameFilter(_message.Message):
    __slots__ = ("min_quality_score", "min_motion_intensity", "min_foreground_ratio", "attributes", "stream_labels", "valid_only")
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
    MIN_FOREGROUND_RATIO_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    STREAM_LABELS_FIELD_NUMBER: _ClassVar[int]
    VALID_ONLY_FIELD_NUMBER: _ClassVar[int]
    min_quality_score: float
    min_motion_intensity: float
    min_foreground_ratio: float
    attributes: _containers.ScalarMap[str, str]
    stream_labels: _containers.ScalarMap[str, str]
    valid_only: bool
    def __init__(self, min_quality_score: _Optional[float] = ..., min_motion_intensity: _Optional[float] = ..., min_foreground_ratio: _Optional[float] = ..., attributes: _Optional[_Mapping[str, str]] = ..., stream_labels: _Optional[_Mapping[str, str]] = ..., valid_only: bool = ...) -> None: ...

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
    __slots__ = ("stream_id", "from_sequence", "to_sequence", "causes", "start_receive_time", "end_receive_time", "oldest_receive_time")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TO_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAUSES_FIELD_NUMBER: _ClassVar[int]
    START_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    OLDEST_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    from_sequence: int
    to_sequence: int
    causes: _containers.RepeatedCompositeFieldContainer[GapCause]
    start_receive_time: _timestamp_pb2.Timestamp
    end_receive_time: _timestamp_pb2.Timestamp
    oldest_receive_time: _timestamp_pb2.Timestamp
    def __init__(self, stream_id: _Optional[str] = ..., from_sequence: _Optional[int] = ..., to_sequence: _Optional[int] = ..., causes: _Optional[_Iterable[_Union[GapCause, _Mapping]]] = ..., start_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., oldest_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamLag(_message.Message):
    __slots__ = ("stream_id", "head_sequence", "lag_frames")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    head_sequence: int
    lag_frames: int
    def __init__(self, stream_id: _Optional[str] = ..., head_sequence: _Optional[int] = ..., lag_frames: _Optional[int] = ...) -> None: ...
