import datetime

from frameway.v1 import error_reason_pb2 as _error_reason_pb2
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

class PictureRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PICTURE_ROLE_UNSPECIFIED: _ClassVar[PictureRole]
    PICTURE_ROLE_THUMBNAIL: _ClassVar[PictureRole]
    PICTURE_ROLE_PROCESSED: _ClassVar[PictureRole]
    PICTURE_ROLE_ORIGINAL: _ClassVar[PictureRole]
    PICTURE_ROLE_RENDITION: _ClassVar[PictureRole]

class OmittedReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OMITTED_REASON_UNSPECIFIED: _ClassVar[OmittedReason]
    OMITTED_REASON_TOO_LARGE: _ClassVar[OmittedReason]
    OMITTED_REASON_MESSAGE_FULL: _ClassVar[OmittedReason]
    OMITTED_REASON_NOT_KEPT: _ClassVar[OmittedReason]
    OMITTED_REASON_RETENTION: _ClassVar[OmittedReason]
    OMITTED_REASON_PAYLOAD_LOST: _ClassVar[OmittedReason]
    OMITTED_REASON_RENDITION_BUDGET: _ClassVar[OmittedReason]
    OMITTED_REASON_RENDITION_FAILED: _ClassVar[OmittedReason]
    OMITTED_REASON_NOT_PERMITTED: _ClassVar[OmittedReason]

class ReencodeOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REENCODE_OUTCOME_UNSPECIFIED: _ClassVar[ReencodeOutcome]
    REENCODE_OUTCOME_REENCODED: _ClassVar[ReencodeOutcome]
    REENCODE_OUTCOME_PASSED_THROUGH: _ClassVar[ReencodeOutcome]
    REENCODE_OUTCOME_DISABLED: _ClassVar[ReencodeOutcome]
    REENCODE_OUTCOME_RELAYED: _ClassVar[ReencodeOutcome]

class Lighting(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIGHTING_UNSPECIFIED: _ClassVar[Lighting]
    LIGHTING_NIGHT: _ClassVar[Lighting]
    LIGHTING_DAWN_DUSK: _ClassVar[Lighting]
    LIGHTING_DAYLIGHT: _ClassVar[Lighting]
    LIGHTING_BRIGHT_SUNLIGHT: _ClassVar[Lighting]

class Weather(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEATHER_UNSPECIFIED: _ClassVar[Weather]
    WEATHER_UNKNOWN: _ClassVar[Weather]
    WEATHER_CLEAR: _ClassVar[Weather]
    WEATHER_OVERCAST: _ClassVar[Weather]
    WEATHER_FOGGY: _ClassVar[Weather]
    WEATHER_DARK: _ClassVar[Weather]

class Congestion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CONGESTION_UNSPECIFIED: _ClassVar[Congestion]
    CONGESTION_FREE_FLOW: _ClassVar[Congestion]
    CONGESTION_MODERATE: _ClassVar[Congestion]
    CONGESTION_HEAVY: _ClassVar[Congestion]
    CONGESTION_CONGESTED: _ClassVar[Congestion]

class ValidationFailure(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VALIDATION_FAILURE_UNSPECIFIED: _ClassVar[ValidationFailure]
    VALIDATION_FAILURE_LOW_QUALITY: _ClassVar[ValidationFailure]
    VALIDATION_FAILURE_TOO_SMALL: _ClassVar[ValidationFailure]
    VALIDATION_FAILURE_TOO_OLD: _ClassVar[ValidationFailure]
    VALIDATION_FAILURE_CLOCK_SKEW: _ClassVar[ValidationFailure]

class StageKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_KIND_UNSPECIFIED: _ClassVar[StageKind]
    STAGE_KIND_QUEUE_WAIT: _ClassVar[StageKind]
    STAGE_KIND_FETCH: _ClassVar[StageKind]
    STAGE_KIND_DECODE: _ClassVar[StageKind]
    STAGE_KIND_MASK: _ClassVar[StageKind]
    STAGE_KIND_ANALYSIS: _ClassVar[StageKind]
    STAGE_KIND_RESIZE: _ClassVar[StageKind]
    STAGE_KIND_ENCODE: _ClassVar[StageKind]
    STAGE_KIND_THUMBNAIL: _ClassVar[StageKind]
    STAGE_KIND_ORDER_WAIT: _ClassVar[StageKind]

class TombstoneOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TOMBSTONE_OUTCOME_UNSPECIFIED: _ClassVar[TombstoneOutcome]
    TOMBSTONE_OUTCOME_FAILED: _ClassVar[TombstoneOutcome]
    TOMBSTONE_OUTCOME_DROPPED: _ClassVar[TombstoneOutcome]
    TOMBSTONE_OUTCOME_PURGED: _ClassVar[TombstoneOutcome]
    TOMBSTONE_OUTCOME_ERASED: _ClassVar[TombstoneOutcome]
PICTURE_ROLE_UNSPECIFIED: PictureRole
PICTURE_ROLE_THUMBNAIL: PictureRole
PICTURE_ROLE_PROCESSED: PictureRole
PICTURE_ROLE_ORIGINAL: PictureRole
PICTURE_ROLE_RENDITION: PictureRole
OMITTED_REASON_UNSPECIFIED: OmittedReason
OMITTED_REASON_TOO_LARGE: OmittedReason
OMITTED_REASON_MESSAGE_FULL: OmittedReason
OMITTED_REASON_NOT_KEPT: OmittedReason
OMITTED_REASON_RETENTION: OmittedReason
OMITTED_REASON_PAYLOAD_LOST: OmittedReason
OMITTED_REASON_RENDITION_BUDGET: OmittedReason
OMITTED_REASON_RENDITION_FAILED: OmittedReason
OMITTED_REASON_NOT_PERMITTED: OmittedReason
REENCODE_OUTCOME_UNSPECIFIED: ReencodeOutcome
REENCODE_OUTCOME_REENCODED: ReencodeOutcome
REENCODE_OUTCOME_PASSED_THROUGH: ReencodeOutcome
REENCODE_OUTCOME_DISABLED: ReencodeOutcome
REENCODE_OUTCOME_RELAYED: ReencodeOutcome
LIGHTING_UNSPECIFIED: Lighting
LIGHTING_NIGHT: Lighting
LIGHTING_DAWN_DUSK: Lighting
LIGHTING_DAYLIGHT: Lighting
LIGHTING_BRIGHT_SUNLIGHT: Lighting
WEATHER_UNSPECIFIED: Weather
WEATHER_UNKNOWN: Weather
WEATHER_CLEAR: Weather
WEATHER_OVERCAST: Weather
WEATHER_FOGGY: Weather
WEATHER_DARK: Weather
CONGESTION_UNSPECIFIED: Congestion
CONGESTION_FREE_FLOW: Congestion
CONGESTION_MODERATE: Congestion
CONGESTION_HEAVY: Congestion
CONGESTION_CONGESTED: Congestion
VALIDATION_FAILURE_UNSPECIFIED: ValidationFailure
VALIDATION_FAILURE_LOW_QUALITY: ValidationFailure
VALIDATION_FAILURE_TOO_SMALL: ValidationFailure
VALIDATION_FAILURE_TOO_OLD: ValidationFailure
VALIDATION_FAILURE_CLOCK_SKEW: ValidationFailure
STAGE_KIND_UNSPECIFIED: StageKind
STAGE_KIND_QUEUE_WAIT: StageKind
STAGE_KIND_FETCH: StageKind
STAGE_KIND_DECODE: StageKind
STAGE_KIND_MASK: StageKind
STAGE_KIND_ANALYSIS: StageKind
STAGE_KIND_RESIZE: StageKind
STAGE_KIND_ENCODE: StageKind
STAGE_KIND_THUMBNAIL: StageKind
STAGE_KIND_ORDER_WAIT: StageKind
TOMBSTONE_OUTCOME_UNSPECIFIED: TombstoneOutcome
TOMBSTONE_OUTCOME_FAILED: TombstoneOutcome
TOMBSTONE_OUTCOME_DROPPED: TombstoneOutcome
TOMBSTONE_OUTCOME_PURGED: TombstoneOutcome
TOMBSTONE_OUTCOME_ERASED: TombstoneOutcome

class ProcessedFrame(_message.Message):
    __slots__ = ("stream_id", "sequence", "capture_time", "receive_time", "lease_time", "process_time", "publish_time", "publisher_id", "publisher_sequence", "attributes", "traceparent", "tracestate", "source", "pictures", "reencode_outcome", "encoded_quality", "over_budget", "mask_version", "quality", "scene", "rois", "measures_version", "validation_failures", "clock_skew", "stages", "worker_version", "processing_attempt", "replayed_from")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    LEASE_TIME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    REENCODE_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ENCODED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    OVER_BUDGET_FIELD_NUMBER: _ClassVar[int]
    MASK_VERSION_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    ROIS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FAILURES_FIELD_NUMBER: _ClassVar[int]
    CLOCK_SKEW_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    WORKER_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FROM_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    sequence: int
    capture_time: _timestamp_pb2.Timestamp
    receive_time: _timestamp_pb2.Timestamp
    lease_time: _timestamp_pb2.Timestamp
    process_time: _timestamp_pb2.Timestamp
    publish_time: _timestamp_pb2.Timestamp
    publisher_id: str
    publisher_sequence: int
    attributes: _containers.ScalarMap[str, str]
    traceparent: str
    tracestate: str
    source: PictureSource
    pictures: _containers.RepeatedCompositeFieldContainer[Picture]
    reencode_outcome: ReencodeOutcome
    encoded_quality: int
    over_budget: bool
    mask_version: int
    quality: QualityMetrics
    scene: SceneMeasures
    rois: _containers.RepeatedCompositeFieldContainer[RoiMeasures]
    measures_version: int
    validation_failures: _containers.RepeatedScalarFieldContainer[ValidationFailure]
    clock_skew: _duration_pb2.Duration
    stages: _containers.RepeatedCompositeFieldContainer[ProcessingStage]
    worker_version: str
    processing_attempt: int
    replayed_from: int
    def __init__(self, stream_id: _Optional[str] = ..., sequence: _Optional[int] = ..., capture_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lease_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., process_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publisher_id: _Optional[str] = ..., publisher_sequence: _Optional[int] = ..., attributes: _Optional[_Mapping[str, str]] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ..., source: _Optional[_Union[PictureSource, _Mapping]] = ..., pictures: _Optional[_Iterable[_Union[Picture, _Mapping]]] = ..., reencode_outcome: _Optional[_Union[ReencodeOutcome, str]] = ..., encoded_quality: _Optional[int] = ..., over_budget: bool = ..., mask_version: _Optional[int] = ..., quality: _Optional[_Union[QualityMetrics, _Mapping]] = ..., scene: _Optional[_Union[SceneMeasures, _Mapping]] = ..., rois: _Optional[_Iterable[_Union[RoiMeasures, _Mapping]]] = ..., measures_version: _Optional[int] = ..., validation_failures: _Optional[_Iterable[_Union[ValidationFailure, str]]] = ..., clock_skew: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[ProcessingStage, _Mapping]]] = ..., worker_version: _Optional[str] = ..., processing_attempt: _Optional[int] = ..., replayed_from: _Optional[int] = ...) -> None: ...

class PictureSource(_message.Message):
    __slots__ = ("format", "width", "height", "size_bytes", "blake3_digest")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    BLAKE3_DIGEST_FIELD_NUMBER: _ClassVar[int]
    format: _frame_pb2.PictureFormat
    width: int
    height: int
    size_bytes: int
    blake3_digest: bytes
    def __init__(self, format: _Optional[_Union[_frame_pb2.PictureFormat, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., size_bytes: _Optional[int] = ..., blake3_digest: _Optional[bytes] = ...) -> None: ...

class Picture(_message.Message):
    __slots__ = ("role", "format", "width", "height", "size_bytes", "data", "omitted_reason", "row_stride_bytes", "color_range", "color_matrix")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    OMITTED_REASON_FIELD_NUMBER: _ClassVar[int]
    ROW_STRIDE_BYTES_FIELD_NUMBER: _ClassVar[int]
    COLOR_RANGE_FIELD_NUMBER: _ClassVar[int]
    COLOR_MATRIX_FIELD_NUMBER: _ClassVar[int]
    role: PictureRole
    format: _frame_pb2.PictureFormat
    width: int
    height: int
    size_bytes: int
    data: bytes
    omitted_reason: OmittedReason
    row_stride_bytes: int
    color_range: _frame_pb2.ColorRange
    color_matrix: _frame_pb2.ColorMatrix
    def __init__(self, role: _Optional[_Union[PictureRole, str]] = ..., format: _Optional[_Union[_frame_pb2.PictureFormat, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., size_bytes: _Optional[int] = ..., data: _Optional[bytes] = ..., omitted_reason: _Optional[_Union[OmittedReason, str]] = ..., row_stride_bytes: _Optional[int] = ..., color_range: _Optional[_Union[_frame_pb2.ColorRange, str]] = ..., color_matrix: _Optional[_Union[_frame_pb2.ColorMatrix, str]] = ...) -> None: ...

class Rendition(_message.Message):
    __slots__ = ("format", "quality", "max_width", "max_height", "lossless")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    MAX_WIDTH_FIELD_NUMBER: _ClassVar[int]
    MAX_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LOSSLESS_FIELD_NUMBER: _ClassVar[int]
    format: _frame_pb2.PictureFormat
    quality: int
    max_width: int
    max_height: int
    lossless: bool
    def __init__(self, format: _Optional[_Union[_frame_pb2.PictureFormat, str]] = ..., quality: _Optional[int] = ..., max_width: _Optional[int] = ..., max_height: _Optional[int] = ..., lossless: bool = ...) -> None: ...

class PictureSelection(_message.Message):
    __slots__ = ("roles", "metadata_only", "rendition", "max_picture_bytes")
    ROLES_FIELD_NUMBER: _ClassVar[int]
    METADATA_ONLY_FIELD_NUMBER: _ClassVar[int]
    RENDITION_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[PictureRole]
    metadata_only: bool
    rendition: Rendition
    max_picture_bytes: int
    def __init__(self, roles: _Optional[_Iterable[_Union[PictureRole, str]]] = ..., metadata_only: bool = ..., rendition: _Optional[_Union[Rendition, _Mapping]] = ..., max_picture_bytes: _Optional[int] = ...) -> None: ...

class QualityMetrics(_message.Message):
    __slots__ = ("mean_luma", "rms_contrast", "laplacian_variance", "noise_sigma", "sharpness_score", "brightness_score", "contrast_score", "noise_cleanliness_score", "quality_score")
    MEAN_LUMA_FIELD_NUMBER: _ClassVar[int]
    RMS_CONTRAST_FIELD_NUMBER: _ClassVar[int]
    LAPLACIAN_VARIANCE_FIELD_NUMBER: _ClassVar[int]
    NOISE_SIGMA_FIELD_NUMBER: _ClassVar[int]
    SHARPNESS_SCORE_FIELD_NUMBER: _ClassVar[int]
    BRIGHTNESS_SCORE_FIELD_NUMBER: _ClassVar[int]
    CONTRAST_SCORE_FIELD_NUMBER: _ClassVar[int]
    NOISE_CLEANLINESS_SCORE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_SCORE_FIELD_NUMBER: _ClassVar[int]
    mean_luma: float
    rms_contrast: float
    laplacian_variance: float
    noise_sigma: float
    sharpness_score: float
    brightness_score: float
    contrast_score: float
    noise_cleanliness_score: float
    quality_score: float
    def __init__(self, mean_luma: _Optional[float] = ..., rms_contrast: _Optional[float] = ..., laplacian_variance: _Optional[float] = ..., noise_sigma: _Optional[float] = ..., sharpness_score: _Optional[float] = ..., brightness_score: _Optional[float] = ..., contrast_score: _Optional[float] = ..., noise_cleanliness_score: _Optional[float] = ..., quality_score: _Optional[float] = ...) -> None: ...

class SceneMeasures(_message.Message):
    __slots__ = ("motion_intensity", "foreground_ratio", "congestion", "congestion_confidence", "lighting", "lighting_confidence", "weather", "weather_confidence", "model_frames")
    MOTION_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    FOREGROUND_RATIO_FIELD_NUMBER: _ClassVar[int]
    CONGESTION_FIELD_NUMBER: _ClassVar[int]
    CONGESTION_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LIGHTING_FIELD_NUMBER: _ClassVar[int]
    LIGHTING_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WEATHER_FIELD_NUMBER: _ClassVar[int]
    WEATHER_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FRAMES_FIELD_NUMBER: _ClassVar[int]
    motion_intensity: float
    foreground_ratio: float
    congestion: Congestion
    congestion_confidence: float
    lighting: Lighting
    lighting_confidence: float
    weather: Weather
    weather_confidence: float
    model_frames: int
    def __init__(self, motion_intensity: _Optional[float] = ..., foreground_ratio: _Optional[float] = ..., congestion: _Optional[_Union[Congestion, str]] = ..., congestion_confidence: _Optional[float] = ..., lighting: _Optional[_Union[Lighting, str]] = ..., lighting_confidence: _Optional[float] = ..., weather: _Optional[_Union[Weather, str]] = ..., weather_confidence: _Optional[float] = ..., model_frames: _Optional[int] = ...) -> None: ...

class RoiMeasures(_message.Message):
    __slots__ = ("roi_id", "foreground_ratio", "mean_luma", "rms_contrast", "motion_intensity", "congestion", "congestion_confidence")
    ROI_ID_FIELD_NUMBER: _ClassVar[int]
    FOREGROUND_RATIO_FIELD_NUMBER: _ClassVar[int]
    MEAN_LUMA_FIELD_NUMBER: _ClassVar[int]
    RMS_CONTRAST_FIELD_NUMBER: _ClassVar[int]
    MOTION_INTENSITY_FIELD_NUMBER: _ClassVar[int]
    CONGESTION_FIELD_NUMBER: _ClassVar[int]
    CONGESTION_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    roi_id: str
    foreground_ratio: float
    mean_luma: float
    rms_contrast: float
    motion_intensity: float
    congestion: Congestion
    congestion_confidence: float
    def __init__(self, roi_id: _Optional[str] = ..., foreground_ratio: _Optional[float] = ..., mean_luma: _Optional[float] = ..., rms_contrast: _Optional[float] = ..., motion_intensity: _Optional[float] = ..., congestion: _Optional[_Union[Congestion, str]] = ..., congestion_confidence: _Optional[float] = ...) -> None: ...

class ProcessingStage(_message.Message):
    __slots__ = ("kind", "duration")
    KIND_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    kind: StageKind
    duration: _duration_pb2.Duration
    def __init__(self, kind: _Optional[_Union[StageKind, str]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Tombstone(_message.Message):
    __slots__ = ("stream_id", "sequence", "outcome", "reason", "message", "capture_time", "receive_time", "publish_time", "publisher_id", "publisher_sequence", "attributes", "traceparent", "tracestate", "processing_attempts", "dead_letter_id")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    sequence: int
    outcome: TombstoneOutcome
    reason: _error_reason_pb2.ErrorReason
    message: str
    capture_time: _timestamp_pb2.Timestamp
    receive_time: _timestamp_pb2.Timestamp
    publish_time: _timestamp_pb2.Timestamp
    publisher_id: str
    publisher_sequence: int
    attributes: _containers.ScalarMap[str, str]
    traceparent: str
    tracestate: str
    processing_attempts: int
    dead_letter_id: str
    def __init__(self, stream_id: _Optional[str] = ..., sequence: _Optional[int] = ..., outcome: _Optional[_Union[TombstoneOutcome, str]] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., capture_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publish_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publisher_id: _Optional[str] = ..., publisher_sequence: _Optional[int] = ..., attributes: _Optional[_Mapping[str, str]] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ..., processing_attempts: _Optional[int] = ..., dead_letter_id: _Optional[str] = ...) -> None: ...
