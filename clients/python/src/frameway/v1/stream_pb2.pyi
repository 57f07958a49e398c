import datetime

from frameway.v1 import frame_pb2 as _frame_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoiKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROI_KIND_UNSPECIFIED: _ClassVar[RoiKind]
    ROI_KIND_ROAD: _ClassVar[RoiKind]
    ROI_KIND_LANE: _ClassVar[RoiKind]
    ROI_KIND_CROSSING: _ClassVar[RoiKind]
    ROI_KIND_PARKING: _ClassVar[RoiKind]
    ROI_KIND_OTHER: _ClassVar[RoiKind]

class ReencodeMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REENCODE_MODE_UNSPECIFIED: _ClassVar[ReencodeMode]
    REENCODE_MODE_ALWAYS: _ClassVar[ReencodeMode]
    REENCODE_MODE_NEVER: _ClassVar[ReencodeMode]
    REENCODE_MODE_AUTO: _ClassVar[ReencodeMode]
    REENCODE_MODE_RELAY: _ClassVar[ReencodeMode]

class ChromaSubsampling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHROMA_SUBSAMPLING_UNSPECIFIED: _ClassVar[ChromaSubsampling]
    CHROMA_SUBSAMPLING_420: _ClassVar[ChromaSubsampling]
    CHROMA_SUBSAMPLING_422: _ClassVar[ChromaSubsampling]
    CHROMA_SUBSAMPLING_444: _ClassVar[ChromaSubsampling]

class ClockPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_POLICY_UNSPECIFIED: _ClassVar[ClockPolicy]
    CLOCK_POLICY_FLAG: _ClassVar[ClockPolicy]
    CLOCK_POLICY_REJECT: _ClassVar[ClockPolicy]
    CLOCK_POLICY_IGNORE: _ClassVar[ClockPolicy]

class QueueOverflow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUEUE_OVERFLOW_UNSPECIFIED: _ClassVar[QueueOverflow]
    QUEUE_OVERFLOW_REJECT: _ClassVar[QueueOverflow]
    QUEUE_OVERFLOW_DROP_OLDEST: _ClassVar[QueueOverflow]

class StreamState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STREAM_STATE_UNSPECIFIED: _ClassVar[StreamState]
    STREAM_STATE_IDLE: _ClassVar[StreamState]
    STREAM_STATE_LIVE: _ClassVar[StreamState]
    STREAM_STATE_STALLED: _ClassVar[StreamState]
    STREAM_STATE_ERROR: _ClassVar[StreamState]
ROI_KIND_UNSPECIFIED: RoiKind
ROI_KIND_ROAD: RoiKind
ROI_KIND_LANE: RoiKind
ROI_KIND_CROSSING: RoiKind
ROI_KIND_PARKING: RoiKind
ROI_KIND_OTHER: RoiKind
REENCODE_MODE_UNSPECIFIED: ReencodeMode
REENCODE_MODE_ALWAYS: ReencodeMode
REENCODE_MODE_NEVER: ReencodeMode
REENCODE_MODE_AUTO: ReencodeMode
REENCODE_MODE_RELAY: ReencodeMode
CHROMA_SUBSAMPLING_UNSPECIFIED: ChromaSubsampling
CHROMA_SUBSAMPLING_420: ChromaSubsampling
CHROMA_SUBSAMPLING_422: ChromaSubsampling
CHROMA_SUBSAMPLING_444: ChromaSubsampling
CLOCK_POLICY_UNSPECIFIED: ClockPolicy
CLOCK_POLICY_FLAG: ClockPolicy
CLOCK_POLICY_REJECT: ClockPolicy
CLOCK_POLICY_IGNORE: ClockPolicy
QUEUE_OVERFLOW_UNSPECIFIED: QueueOverflow
QUEUE_OVERFLOW_REJECT: QueueOverflow
QUEUE_OVERFLOW_DROP_OLDEST: QueueOverflow
STREAM_STATE_UNSPECIFIED: StreamState
STREAM_STATE_IDLE: StreamState
STREAM_STATE_LIVE: StreamState
STREAM_STATE_STALLED: StreamState
STREAM_STATE_ERROR: StreamState

class Stream(_message.Message):
    __slots__ = ("stream_id", "display_name", "labels", "location", "rois", "privacy_masks", "retention", "output", "validation", "queue", "stall_timeout", "etag", "create_time", "update_time", "mask_version", "auto_registered", "status", "effective")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    ROIS_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_MASKS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    MASK_VERSION_FIELD_NUMBER: _ClassVar[int]
    AUTO_REGISTERED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    display_name: str
    labels: _containers.ScalarMap[str, str]
    location: GeoLocation
    rois: _containers.RepeatedCompositeFieldContainer[Roi]
    privacy_masks: _containers.RepeatedCompositeFieldContainer[PrivacyMask]
    retention: RetentionPolicy
    output: OutputPolicy
    validation: ValidationPolicy
    queue: QueuePolicy
    stall_timeout: _duration_pb2.Duration
    etag: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    mask_version: int
    auto_registered: bool
    status: StreamStatus
    effective: StreamPolicies
    def __init__(self, stream_id: _Optional[str] = ..., display_name: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., location: _Optional[_Union[GeoLocation, _Mapping]] = ..., rois: _Optional[_Iterable[_Union[Roi, _Mapping]]] = ..., privacy_masks: _Optional[_Iterable[_Union[PrivacyMask, _Mapping]]] = ..., retention: _Optional[_Union[RetentionPolicy, _Mapping]] = ..., output: _Optional[_Union[OutputPolicy, _Mapping]] = ..., validation: _Optional[_Union[ValidationPolicy, _Mapping]] = ..., queue: _Optional[_Union[QueuePolicy, _Mapping]] = ..., stall_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., etag: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., mask_version: _Optional[int] = ..., auto_registered: bool = ..., status: _Optional[_Union[StreamStatus, _Mapping]] = ..., effective: _Optional[_Union[StreamPolicies, _Mapping]] = ...) -> None: ...

class StreamPolicies(_message.Message):
    __slots__ = ("retention", "output", "validation", "queue", "stall_timeout")
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STALL_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    retention: RetentionPolicy
    output: OutputPolicy
    validation: ValidationPolicy
    queue: QueuePolicy
    stall_timeout: _duration_pb2.Duration
    def __init__(self, retention: _Optional[_Union[RetentionPolicy, _Mapping]] = ..., output: _Optional[_Union[OutputPolicy, _Mapping]] = ..., validation: _Optional[_Union[ValidationPolicy, _Mapping]] = ..., queue: _Optional[_Union[QueuePolicy, _Mapping]] = ..., stall_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class GeoLocation(_message.Message):
    __slots__ = ("latitude_degrees", "longitude_degrees", "altitude_meters", "heading_degrees")
    LATITUDE_DEGREES_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_DEGREES_FIELD_NUMBER: _ClassVar[int]
    ALTITUDE_METERS_FIELD_NUMBER: _ClassVar[int]
    HEADING_DEGREES_FIELD_NUMBER: _ClassVar[int]
    latitude_degrees: float
    longitude_degrees: float
    altitude_meters: float
    heading_degrees: float
    def __init__(self, latitude_degrees: _Optional[float] = ..., longitude_degrees: _Optional[float] = ..., altitude_meters: _Optional[float] = ..., heading_degrees: _Optional[float] = ...) -> None: ...

class NormalizedPoint(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class Roi(_message.Message):
    __slots__ = ("roi_id", "kind", "polygon")
    ROI_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POLYGON_FIELD_NUMBER: _ClassVar[int]
    roi_id: str
    kind: RoiKind
    polygon: _containers.RepeatedCompositeFieldContainer[NormalizedPoint]
    def __init__(self, roi_id: _Optional[str] = ..., kind: _Optional[_Union[RoiKind, str]] = ..., polygon: _Optional[_Iterable[_Union[NormalizedPoint, _Mapping]]] = ...) -> None: ...

class PrivacyMask(_message.Message):
    __slots__ = ("mask_id", "polygon")
    MASK_ID_FIELD_NUMBER: _ClassVar[int]
    POLYGON_FIELD_NUMBER: _ClassVar[int]
    mask_id: str
    polygon: _containers.RepeatedCompositeFieldContainer[NormalizedPoint]
    def __init__(self, mask_id: _Optional[str] = ..., polygon: _Optional[_Iterable[_Union[NormalizedPoint, _Mapping]]] = ...) -> None: ...

class RetentionPolicy(_message.Message):
    __slots__ = ("max_frames", "max_age", "max_bytes")
    MAX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_frames: int
    max_age: _duration_pb2.Duration
    max_bytes: int
    def __init__(self, max_frames: _Optional[int] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class OutputPolicy(_message.Message):
    __slots__ = ("format", "quality", "lossless", "max_width", "max_height", "thumbnail_size", "keep_original", "reencode_mode", "adaptive", "keep_metadata", "keep_unmasked_original", "chroma_subsampling")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    LOSSLESS_FIELD_NUMBER: _ClassVar[int]
    MAX_WIDTH_FIELD_NUMBER: _ClassVar[int]
    MAX_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_SIZE_FIELD_NUMBER: _ClassVar[int]
    KEEP_ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    REENCODE_MODE_FIELD_NUMBER: _ClassVar[int]
    ADAPTIVE_FIELD_NUMBER: _ClassVar[int]
    KEEP_METADATA_FIELD_NUMBER: _ClassVar[int]
    KEEP_UNMASKED_ORIGINAL_FIELD_NUMBER: _ClassVar[int]
    CHROMA_SUBSAMPLING_FIELD_NUMBER: _ClassVar[int]
    format: _frame_pb2.PictureFormat
    quality: int
    lossless: bool
    max_width: int
    max_height: int
    thumbnail_size: int
    keep_original: bool
    reencode_mode: ReencodeMode
    adaptive: AdaptiveQuality
    keep_metadata: bool
    keep_unmasked_original: bool
    chroma_subsampling: ChromaSubsampling
    def __init__(self, format: _Optional[_Union[_frame_pb2.PictureFormat, str]] = ..., quality: _Optional[int] = ..., lossless: bool = ..., max_width: _Optional[int] = ..., max_height: _Optional[int] = ..., thumbnail_size: _Optional[int] = ..., keep_original: bool = ..., reencode_mode: _Optional[_Union[ReencodeMode, str]] = ..., adaptive: _Optional[_Union[AdaptiveQuality, _Mapping]] = ..., keep_metadata: bool = ..., keep_unmasked_original: bool = ..., chroma_subsampling: _Optional[_Union[ChromaSubsampling, str]] = ...) -> None: ...

class AdaptiveQuality(_message.Message):
    __slots__ = ("max_bytes_per_frame", "max_bytes_per_second", "min_quality", "min_scale_percent")
    MAX_BYTES_PER_FRAME_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    MIN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MIN_SCALE_PERCENT_FIELD_NUMBER: _ClassVar[int]
    max_bytes_per_frame: int
    max_bytes_per_second: int
    min_quality: int
    min_scale_percent: int
    def __init__(self, max_bytes_per_frame: _Optional[int] = ..., max_bytes_per_second: _Optional[int] = ..., min_quality: _Optional[int] = ..., min_scale_percent: _Optional[int] = ...) -> None: ...

class ValidationPolicy(_message.Message):
    __slots__ = ("min_quality_score", "min_width", "min_height", "max_age", "clock_policy", "clock_tolerance")
    MIN_QUALITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    MIN_WIDTH_FIELD_NUMBER: _ClassVar[int]
    MIN_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_POLICY_FIELD_NUMBER: _ClassVar[int]
    CLOCK_TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    min_quality_score: float
    min_width: int
    min_height: int
    max_age: _duration_pb2.Duration
    clock_policy: ClockPolicy
    clock_tolerance: _duration_pb2.Duration
    def __init__(self, min_quality_score: _Optional[float] = ..., min_width: _Optional[int] = ..., min_height: _Optional[int] = ..., max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., clock_policy: _Optional[_Union[ClockPolicy, str]] = ..., clock_tolerance: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class QueuePolicy(_message.Message):
    __slots__ = ("max_frames", "max_bytes", "overflow")
    MAX_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    OVERFLOW_FIELD_NUMBER: _ClassVar[int]
    max_frames: int
    max_bytes: int
    overflow: QueueOverflow
    def __init__(self, max_frames: _Optional[int] = ..., max_bytes: _Optional[int] = ..., overflow: _Optional[_Union[QueueOverflow, str]] = ...) -> None: ...

class StreamStatus(_message.Message):
    __slots__ = ("state", "accepted_sequence", "published_sequence", "oldest_sequence", "last_receive_time", "queued_frames", "queued_bytes", "retained_frames", "retained_bytes", "partition", "over_budget_in_row", "trimmed_until_receive_time", "accepted_frames", "published_frames")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    QUEUED_BYTES_FIELD_NUMBER: _ClassVar[int]
    RETAINED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    RETAINED_BYTES_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OVER_BUDGET_IN_ROW_FIELD_NUMBER: _ClassVar[int]
    TRIMMED_UNTIL_RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FRAMES_FIELD_NUMBER: _ClassVar[int]
    state: StreamState
    accepted_sequence: int
    published_sequence: int
    oldest_sequence: int
    last_receive_time: _timestamp_pb2.Timestamp
    queued_frames: int
    queued_bytes: int
    retained_frames: int
    retained_bytes: int
    partition: int
    over_budget_in_row: int
    trimmed_until_receive_time: _timestamp_pb2.Timestamp
    accepted_frames: int
    published_frames: int
    def __init__(self, state: _Optional[_Union[StreamState, str]] = ..., accepted_sequence: _Optional[int] = ..., published_sequence: _Optional[int] = ..., oldest_sequence: _Optional[int] = ..., last_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., queued_frames: _Optional[int] = ..., queued_bytes: _Optional[int] = ..., retained_frames: _Optional[int] = ..., retained_bytes: _Optional[int] = ..., partition: _Optional[int] = ..., over_budget_in_row: _Optional[int] = ..., trimmed_until_receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., accepted_frames: _Optional[int] = ..., published_frames: _Optional[int] = ...) -> None: ...

class StreamMatch(_message.Message):
    __slots__ = ("id", "glob", "labels")
    ID_FIELD_NUMBER: _ClassVar[int]
    GLOB_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    id: str
    glob: str
    labels: LabelSelector
    def __init__(self, id: _Optional[str] = ..., glob: _Optional[str] = ..., labels: _Optional[_Union[LabelSelector, _Mapping]] = ...) -> None: ...

class LabelSelector(_message.Message):
    __slots__ = ("equal", "present", "absent")
    class EqualEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EQUAL_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    equal: _containers.ScalarMap[str, str]
    present: _containers.RepeatedScalarFieldContainer[str]
    absent: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, equal: _Optional[_Mapping[str, str]] = ..., present: _Optional[_Iterable[str]] = ..., absent: _Optional[_Iterable[str]] = ...) -> None: ...
