from frameway.v1 import consumer_group_pb2 as _consumer_group_pb2
from frameway.v1 import stream_pb2 as _stream_pb2
from frameway.v1 import subscription_pb2 as _subscription_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateConsumerGroupRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: _consumer_group_pb2.ConsumerGroup
    def __init__(self, group: _Optional[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]] = ...) -> None: ...

class CreateConsumerGroupResponse(_message.Message):
    __slots__ = ("group", "time_gaps")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TIME_GAPS_FIELD_NUMBER: _ClassVar[int]
    group: _consumer_group_pb2.ConsumerGroup
    time_gaps: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.Gap]
    def __init__(self, group: _Optional[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]] = ..., time_gaps: _Optional[_Iterable[_Union[_subscription_pb2.Gap, _Mapping]]] = ...) -> None: ...

class GetConsumerGroupRequest(_message.Message):
    __slots__ = ("group_id",)
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    def __init__(self, group_id: _Optional[str] = ...) -> None: ...

class GetConsumerGroupResponse(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: _consumer_group_pb2.ConsumerGroup
    def __init__(self, group: _Optional[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]] = ...) -> None: ...

class ListConsumerGroupsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListConsumerGroupsResponse(_message.Message):
    __slots__ = ("groups", "next_page_token")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[_consumer_group_pb2.ConsumerGroup]
    next_page_token: str
    def __init__(self, groups: _Optional[_Iterable[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListConsumerGroupPositionsRequest(_message.Message):
    __slots__ = ("group_id", "page_size", "page_token", "filter")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    page_size: int
    page_token: str
    filter: str
    def __init__(self, group_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListConsumerGroupPositionsResponse(_message.Message):
    __slots__ = ("positions", "next_page_token")
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    positions: _containers.RepeatedCompositeFieldContainer[_consumer_group_pb2.ConsumerGroupPosition]
    next_page_token: str
    def __init__(self, positions: _Optional[_Iterable[_Union[_consumer_group_pb2.ConsumerGroupPosition, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateConsumerGroupRequest(_message.Message):
    __slots__ = ("group", "update_mask", "reason")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    group: _consumer_group_pb2.ConsumerGroup
    update_mask: _field_mask_pb2.FieldMask
    reason: str
    def __init__(self, group: _Optional[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class UpdateConsumerGroupResponse(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: _consumer_group_pb2.ConsumerGroup
    def __init__(self, group: _Optional[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]] = ...) -> None: ...

class SeekConsumerGroupRequest(_message.Message):
    __slots__ = ("group_id", "position", "streams", "all_streams", "etag", "reason")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    ALL_STREAMS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    position: _subscription_pb2.StartPosition
    streams: _containers.RepeatedCompositeFieldContainer[_stream_pb2.StreamMatch]
    all_streams: bool
    etag: str
    reason: str
    def __init__(self, group_id: _Optional[str] = ..., position: _Optional[_Union[_subscription_pb2.StartPosition, _Mapping]] = ..., streams: _Optional[_Iterable[_Union[_stream_pb2.StreamMatch, _Mapping]]] = ..., all_streams: bool = ..., etag: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SeekConsumerGroupResponse(_message.Message):
    __slots__ = ("group", "moved_streams", "time_gaps")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MOVED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    TIME_GAPS_FIELD_NUMBER: _ClassVar[int]
    group: _consumer_group_pb2.ConsumerGroup
    moved_streams: int
    time_gaps: _containers.RepeatedCompositeFieldContainer[_subscription_pb2.Gap]
    def __init__(self, group: _Optional[_Union[_consumer_group_pb2.ConsumerGroup, _Mapping]] = ..., moved_streams: _Optional[int] = ..., time_gaps: _Optional[_Iterable[_Union[_subscription_pb2.Gap, _Mapping]]] = ...) -> None: ...

class DeleteConsumerGroupRequest(_message.Message):
    __slots__ = ("group_id", "etag", "reason")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    etag: str
    reason: str
    def __init__(self, group_id: _Optional[str] = ..., etag: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class DeleteConsumerGroupResponse(_message.Message):
    __slots__ = ("outstanding_frames", "lag_frames")
    OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    LAG_FRAMES_FIELD_NUMBER: _ClassVar[int]
    outstanding_frames: int
    lag_frames: int
    def __init__(self, outstanding_frames: _Optional[int] = ..., lag_frames: _Optional[int] = ...) -> None: ...
