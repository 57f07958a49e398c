import datetime

from frameway.v1 import error_reason_pb2 as _error_reason_pb2
from frameway.v1 import queue_pb2 as _queue_pb2
from frameway.v1 import server_pb2 as _server_pb2
from frameway.v1 import subscription_pb2 as _subscription_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSystemMetricsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSystemMetricsResponse(_message.Message):
    __slots__ = ("collect_time", "account", "completed_fps", "server", "workers", "backend")
    COLLECT_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FPS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    collect_time: _timestamp_pb2.Timestamp
    account: _queue_pb2.FrameAccount
    completed_fps: float
    server: ServerMetrics
    workers: _containers.RepeatedCompositeFieldContainer[WorkerMetrics]
    backend: BackendMetrics
    def __init__(self, collect_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., account: _Optional[_Union[_queue_pb2.FrameAccount, _Mapping]] = ..., completed_fps: _Optional[float] = ..., server: _Optional[_Union[ServerMetrics, _Mapping]] = ..., workers: _Optional[_Iterable[_Union[WorkerMetrics, _Mapping]]] = ..., backend: _Optional[_Union[BackendMetrics, _Mapping]] = ...) -> None: ...

class ServerMetrics(_message.Message):
    __slots__ = ("uptime", "resident_bytes", "subscriptions", "delivered_frames", "delivered_bytes", "omitted_frames", "rejected_frames")
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    RESIDENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_BYTES_FIELD_NUMBER: _ClassVar[int]
    OMITTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    uptime: _duration_pb2.Duration
    resident_bytes: int
    subscriptions: int
    delivered_frames: int
    delivered_bytes: int
    omitted_frames: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.GapCause]
    rejected_frames: _containers.RepeatedCompositeFieldContainer[ReasonCount]
    def __init__(self, uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., resident_bytes: _Optional[int] = ..., subscriptions: _Optional[int] = ..., delivered_frames: _Optional[int] = ..., delivered_bytes: _Optional[int] = ..., omitted_frames: _Optional[_Iterable[_Union[_subscription_pb2.GapCause, _Mapping]]] = ..., rejected_frames: _Optional[_Iterable[_Union[ReasonCount, _Mapping]]] = ...) -> None: ...

class ReasonCount(_message.Message):
    __slots__ = ("reason", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: _error_reason_pb2.ErrorReason
    count: int
    def __init__(self, reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., count: _Optional[int] = ...) -> None: ...

class WorkerMetrics(_message.Message):
    __slots__ = ("worker_id", "version", "start_time", "last_renew_time", "partitions", "processed_frames", "failed_frames")
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_RENEW_TIME_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    worker_id: str
    version: str
    start_time: _timestamp_pb2.Timestamp
    last_renew_time: _timestamp_pb2.Timestamp
    partitions: _containers.RepeatedScalarFieldContainer[int]
    processed_frames: int
    failed_frames: int
    def __init__(self, worker_id: _Optional[str] = ..., version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_renew_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., partitions: _Optional[_Iterable[int]] = ..., processed_frames: _Optional[int] = ..., failed_frames: _Optional[int] = ...) -> None: ...

class BackendMetrics(_message.Message):
    __slots__ = ("kind", "reachable", "used_bytes", "max_bytes")
    KIND_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    USED_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    kind: _server_pb2.BackendKind
    reachable: bool
    used_bytes: int
    max_bytes: int
    def __init__(self, kind: _Optional[_Union[_server_pb2.BackendKind, str]] = ..., reachable: bool = ..., used_bytes: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...
