import datetime

from frameway.v1 import error_pb2 as _error_pb2
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

class StreamChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_CHANGE_KIND_UNSPECIFIED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_REGISTERED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_UPDATED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_LIVE: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_STALLED: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_ERROR: _ClassVar[StreamChangeKind]
    STREAM_CHANGE_KIND_REMOVED: _ClassVar[StreamChangeKind]
STREAM_CHANGE_KIND_UNSPECIFIED: StreamChangeKind
STREAM_CHANGE_KIND_REGISTERED: StreamChangeKind
STREAM_CHANGE_KIND_UPDATED: StreamChangeKind
STREAM_CHANGE_KIND_LIVE: StreamChangeKind
STREAM_CHANGE_KIND_STALLED: StreamChangeKind
STREAM_CHANGE_KIND_ERROR: StreamChangeKind
STREAM_CHANGE_KIND_REMOVED: StreamChangeKind

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
    __slots__ = ("stream", "update_mask", "reason")
    STREAM_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    update_mask: _field_mask_pb2.FieldMask
    reason: str
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class UpdateStreamResponse(_message.Message):
    __slots__ = ("stream",)
    STREAM_FIELD_NUMBER: _ClassVar[int]
    stream: _stream_pb2.Stream
    def __init__(self, stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ...) -> None: ...

class UnregisterStreamRequest(_message.Message):
    __slots__ = ("stream_id", "etag", "reason")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    etag: str
    reason: str
    def __init__(self, stream_id: _Optional[str] = ..., etag: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class UnregisterStreamResponse(_message.Message):
    __slots__ = ("last_sequence", "removed_queued_frames", "removed_output_frames", "removed_dead_letters")
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_QUEUED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_OUTPUT_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    removed_queued_frames: int
    removed_output_frames: int
    removed_dead_letters: int
    def __init__(self, last_sequence: _Optional[int] = ..., removed_queued_frames: _Optional[int] = ..., removed_output_frames: _Optional[int] = ..., removed_dead_letters: _Optional[int] = ...) -> None: ...

class WatchStreamsRequest(_message.Message):
    __slots__ = ("streams", "resume_token", "heartbeat_interval")
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    streams: _containers.RepeatedCompositeFieldContainer[_stream_pb2.StreamMatch]
    resume_token: str
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, streams: _Optional[_Iterable[_Union[_stream_pb2.StreamMatch, _Mapping]]] = ..., resume_token: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

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
    error: _error_pb2.ItemError
    def __init__(self, kind: _Optional[_Union[StreamChangeKind, str]] = ..., stream: _Optional[_Union[_stream_pb2.Stream, _Mapping]] = ..., change_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[_Union[_error_pb2.ItemError, _Mapping]] = ...) -> None: ...
