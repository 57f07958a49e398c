import datetime

from frameway.v1 import stream_pb2 as _stream_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

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

class Limits(_message.Message):
    __slots__ = ("max_message_bytes", "max_control_message_bytes", "max_metadata_bytes", "max_calls_per_connection", "max_calls", "max_batch_frames", "max_picture_bytes", "max_picture_pixels", "max_picture_side", "max_attributes", "max_attribute_key_bytes", "max_attribute_value_bytes", "max_capture_time_offset", "max_publishers_per_stream", "dedup_window", "max_in_flight_batches", "max_in_flight_bytes", "max_resume_streams", "max_streams", "max_auto_registered_streams", "max_rois", "max_privacy_masks", "max_polygon_points", "max_selectors", "max_stream_matches", "max_glob_chars", "max_streams_per_subscription", "max_cursors", "max_subscriptions", "max_subscriber_buffer_bytes", "default_response_picture_bytes", "max_response_picture_bytes", "max_lookup_items", "max_consumer_groups", "max_group_members", "max_group_outstanding_frames", "max_member_outstanding_frames", "max_member_outstanding_bytes", "max_ack_ids", "max_page_size", "max_page_bytes", "max_filter_bytes", "max_display_name_bytes", "max_reason_bytes")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTROL_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_METADATA_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_PER_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_SIDE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTRIBUTE_KEY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTRIBUTE_VALUE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CAPTURE_TIME_OFFSET_FIELD_NUMBER: _ClassVar[int]
    MAX_PUBLISHERS_PER_STREAM_FIELD_NUMBER: _ClassVar[int]
    DEDUP_WINDOW_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESUME_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_AUTO_REGISTERED_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_ROIS_FIELD_NUMBER: _ClassVar[int]
    MAX_PRIVACY_MASKS_FIELD_NUMBER: _ClassVar[int]
    MAX_POLYGON_POINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_SELECTORS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAM_MATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_GLOB_CHARS_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_PER_SUBSCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MAX_CURSORS_FIELD_NUMBER: _ClassVar[int]
    MAX_SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_SUBSCRIBER_BUFFER_BYTES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_RESPONSE_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RESPONSE_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_LOOKUP_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONSUMER_GROUPS_FIELD_NUMBER: _ClassVar[int]
    MAX_GROUP_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MAX_GROUP_OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMBER_OUTSTANDING_FRAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_MEMBER_OUTSTANDING_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ACK_IDS_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FILTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_DISPLAY_NAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_REASON_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_control_message_bytes: int
    max_metadata_bytes: int
    max_calls_per_connection: int
    max_calls: int
    max_batch_frames: int
    max_picture_bytes: int
    max_picture_pixels: int
    max_picture_side: int
    max_attributes: int
    max_attribute_key_bytes: int
    max_attribute_value_bytes: int
    max_capture_time_offset: _duration_pb2.Duration
    max_publishers_per_stream: int
    dedup_window: int
    max_in_flight_batches: int
    max_in_flight_bytes: int
    max_resume_streams: int
    max_streams: int
    max_auto_registered_streams: int
    max_rois: int
    max_privacy_masks: int
    max_polygon_points: int
    max_selectors: int
    max_stream_matches: int
    max_glob_chars: int
    max_streams_per_subscription: int
    max_cursors: int
    max_subscriptions: int
    max_subscriber_buffer_bytes: int
    default_response_picture_bytes: int
    max_response_picture_bytes: int
    max_lookup_items: int
    max_consumer_groups: int
    max_group_members: int
    max_group_outstanding_frames: int
    max_member_outstanding_frames: int
    max_member_outstanding_bytes: int
    max_ack_ids: int
    max_page_size: int
    max_page_bytes: int
    max_filter_bytes: int
    max_display_name_bytes: int
    max_reason_bytes: int
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_control_message_bytes: _Optional[int] = ..., max_metadata_bytes: _Optional[int] = ..., max_calls_per_connection: _Optional[int] = ..., max_calls: _Optional[int] = ..., max_batch_frames: _Optional[int] = ..., max_picture_bytes: _Optional[int] = ..., max_picture_pixels: _Optional[int] = ..., max_picture_side: _Optional[int] = ..., max_attributes: _Optional[int] = ..., max_attribute_key_bytes: _Optional[int] = ..., max_attribute_value_bytes: _Optional[int] = ..., max_capture_time_offset: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_publishers_per_stream: _Optional[int] = ..., dedup_window: _Optional[int] = ..., max_in_flight_batches: _Optional[int] = ..., max_in_flight_bytes: _Optional[int] = ..., max_resume_streams: _Optional[int] = ..., max_streams: _Optional[int] = ..., max_auto_registered_streams: _Optional[int] = ..., max_rois: _Optional[int] = ..., max_privacy_masks: _Optional[int] = ..., max_polygon_points: _Optional[int] = ..., max_selectors: _Optional[int] = ..., max_stream_matches: _Optional[int] = ..., max_glob_chars: _Optional[int] = ..., max_streams_per_subscription: _Optional[int] = ..., max_cursors: _Optional[int] = ..., max_subscriptions: _Optional[int] = ..., max_subscriber_buffer_bytes: _Optional[int] = ..., default_response_picture_bytes: _Optional[int] = ..., max_response_picture_bytes: _Optional[int] = ..., max_lookup_items: _Optional[int] = ..., max_consumer_groups: _Optional[int] = ..., max_group_members: _Optional[int] = ..., max_group_outstanding_frames: _Optional[int] = ..., max_member_outstanding_frames: _Optional[int] = ..., max_member_outstanding_bytes: _Optional[int] = ..., max_ack_ids: _Optional[int] = ..., max_page_size: _Optional[int] = ..., max_page_bytes: _Optional[int] = ..., max_filter_bytes: _Optional[int] = ..., max_display_name_bytes: _Optional[int] = ..., max_reason_bytes: _Optional[int] = ...) -> None: ...

class ServerDefaults(_message.Message):
    __slots__ = ("retention", "output", "queue")
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    retention: _stream_pb2.RetentionPolicy
    output: _stream_pb2.OutputPolicy
    queue: _stream_pb2.QueuePolicy
    def __init__(self, retention: _Optional[_Union[_stream_pb2.RetentionPolicy, _Mapping]] = ..., output: _Optional[_Union[_stream_pb2.OutputPolicy, _Mapping]] = ..., queue: _Optional[_Union[_stream_pb2.QueuePolicy, _Mapping]] = ...) -> None: ...
