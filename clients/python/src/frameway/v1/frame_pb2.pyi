import datetime

from frameway.v1 import error_pb2 as _error_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PictureFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PICTURE_FORMAT_UNSPECIFIED: _ClassVar[PictureFormat]
    PICTURE_FORMAT_JPEG: _ClassVar[PictureFormat]
    PICTURE_FORMAT_PNG: _ClassVar[PictureFormat]
    PICTURE_FORMAT_WEBP: _ClassVar[PictureFormat]
    PICTURE_FORMAT_RGB8: _ClassVar[PictureFormat]
    PICTURE_FORMAT_BGR8: _ClassVar[PictureFormat]
    PICTURE_FORMAT_GRAY8: _ClassVar[PictureFormat]
    PICTURE_FORMAT_NV12: _ClassVar[PictureFormat]
    PICTURE_FORMAT_I420: _ClassVar[PictureFormat]

class ColorRange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_RANGE_UNSPECIFIED: _ClassVar[ColorRange]
    COLOR_RANGE_FULL: _ClassVar[ColorRange]
    COLOR_RANGE_LIMITED: _ClassVar[ColorRange]

class ColorMatrix(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_MATRIX_UNSPECIFIED: _ClassVar[ColorMatrix]
    COLOR_MATRIX_BT601: _ClassVar[ColorMatrix]
    COLOR_MATRIX_BT709: _ClassVar[ColorMatrix]
    COLOR_MATRIX_BT2020: _ClassVar[ColorMatrix]
PICTURE_FORMAT_UNSPECIFIED: PictureFormat
PICTURE_FORMAT_JPEG: PictureFormat
PICTURE_FORMAT_PNG: PictureFormat
PICTURE_FORMAT_WEBP: PictureFormat
PICTURE_FORMAT_RGB8: PictureFormat
PICTURE_FORMAT_BGR8: PictureFormat
PICTURE_FORMAT_GRAY8: PictureFormat
PICTURE_FORMAT_NV12: PictureFormat
PICTURE_FORMAT_I420: PictureFormat
COLOR_RANGE_UNSPECIFIED: ColorRange
COLOR_RANGE_FULL: ColorRange
COLOR_RANGE_LIMITED: ColorRange
COLOR_MATRIX_UNSPECIFIED: ColorMatrix
COLOR_MATRIX_BT601: ColorMatrix
COLOR_MATRIX_BT709: ColorMatrix
COLOR_MATRIX_BT2020: ColorMatrix

class Frame(_message.Message):
    __slots__ = ("stream_id", "publisher_id", "publisher_sequence", "capture_time", "format", "width", "height", "row_stride_bytes", "data", "attributes", "traceparent", "tracestate", "color_range", "color_matrix")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ROW_STRIDE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    COLOR_RANGE_FIELD_NUMBER: _ClassVar[int]
    COLOR_MATRIX_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    publisher_id: str
    publisher_sequence: int
    capture_time: _timestamp_pb2.Timestamp
    format: PictureFormat
    width: int
    height: int
    row_stride_bytes: int
    data: bytes
    attributes: _containers.ScalarMap[str, str]
    traceparent: str
    tracestate: str
    color_range: ColorRange
    color_matrix: ColorMatrix
    def __init__(self, stream_id: _Optional[str] = ..., publisher_id: _Optional[str] = ..., publisher_sequence: _Optional[int] = ..., capture_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., format: _Optional[_Union[PictureFormat, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., row_stride_bytes: _Optional[int] = ..., data: _Optional[bytes] = ..., attributes: _Optional[_Mapping[str, str]] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ..., color_range: _Optional[_Union[ColorRange, str]] = ..., color_matrix: _Optional[_Union[ColorMatrix, str]] = ...) -> None: ...

class FrameResult(_message.Message):
    __slots__ = ("accepted", "duplicate", "rejected", "unconfirmed")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    accepted: FrameAccepted
    duplicate: FrameDuplicate
    rejected: _error_pb2.ItemError
    unconfirmed: _error_pb2.ItemError
    def __init__(self, accepted: _Optional[_Union[FrameAccepted, _Mapping]] = ..., duplicate: _Optional[_Union[FrameDuplicate, _Mapping]] = ..., rejected: _Optional[_Union[_error_pb2.ItemError, _Mapping]] = ..., unconfirmed: _Optional[_Union[_error_pb2.ItemError, _Mapping]] = ...) -> None: ...

class FrameAccepted(_message.Message):
    __slots__ = ("sequence", "receive_time")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    receive_time: _timestamp_pb2.Timestamp
    def __init__(self, sequence: _Optional[int] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FrameDuplicate(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...
