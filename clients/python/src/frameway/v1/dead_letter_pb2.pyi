import datetime

from frameway.v1 import error_reason_pb2 as _error_reason_pb2
from frameway.v1 import processed_frame_pb2 as _processed_frame_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DeadLetterSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_SOURCE_UNSPECIFIED: _ClassVar[DeadLetterSource]
    DEAD_LETTER_SOURCE_WORKER: _ClassVar[DeadLetterSource]
    DEAD_LETTER_SOURCE_GROUP: _ClassVar[DeadLetterSource]
DEAD_LETTER_SOURCE_UNSPECIFIED: DeadLetterSource
DEAD_LETTER_SOURCE_WORKER: DeadLetterSource
DEAD_LETTER_SOURCE_GROUP: DeadLetterSource

class DeadLetter(_message.Message):
    __slots__ = ("dead_letter_id", "source", "stream_id", "sequence", "queue_id", "group_id", "reason", "message", "attempts", "dead_letter_time", "capture_time", "receive_time", "publisher_id", "publisher_sequence", "attributes", "traceparent", "tracestate", "picture", "replayed_sequence", "replay_time")
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
    DEAD_LETTER_TIME_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_ID_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    PICTURE_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REPLAY_TIME_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    source: DeadLetterSource
    stream_id: str
    sequence: int
    queue_id: str
    group_id: str
    reason: _error_reason_pb2.ErrorReason
    message: str
    attempts: int
    dead_letter_time: _timestamp_pb2.Timestamp
    capture_time: _timestamp_pb2.Timestamp
    receive_time: _timestamp_pb2.Timestamp
    publisher_id: str
    publisher_sequence: int
    attributes: _containers.ScalarMap[str, str]
    traceparent: str
    tracestate: str
    picture: _processed_frame_pb2.Picture
    replayed_sequence: int
    replay_time: _timestamp_pb2.Timestamp
    def __init__(self, dead_letter_id: _Optional[str] = ..., source: _Optional[_Union[DeadLetterSource, str]] = ..., stream_id: _Optional[str] = ..., sequence: _Optional[int] = ..., queue_id: _Optional[str] = ..., group_id: _Optional[str] = ..., reason: _Optional[_Union[_error_reason_pb2.ErrorReason, str]] = ..., message: _Optional[str] = ..., attempts: _Optional[int] = ..., dead_letter_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., capture_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., publisher_id: _Optional[str] = ..., publisher_sequence: _Optional[int] = ..., attributes: _Optional[_Mapping[str, str]] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ..., picture: _Optional[_Union[_processed_frame_pb2.Picture, _Mapping]] = ..., replayed_sequence: _Optional[int] = ..., replay_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
