from frameway.v1 import dead_letter_pb2 as _dead_letter_pb2
from frameway.v1 import error_pb2 as _error_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListDeadLettersRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[str] = ...) -> None: ...

class ListDeadLettersResponse(_message.Message):
    __slots__ = ("dead_letters", "next_page_token", "kept_count", "kept_bytes")
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_BYTES_FIELD_NUMBER: _ClassVar[int]
    dead_letters: _containers.RepeatedCompositeFieldContainer[_dead_letter_pb2.DeadLetter]
    next_page_token: str
    kept_count: int
    kept_bytes: int
    def __init__(self, dead_letters: _Optional[_Iterable[_Union[_dead_letter_pb2.DeadLetter, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., kept_count: _Optional[int] = ..., kept_bytes: _Optional[int] = ...) -> None: ...

class GetDeadLetterRequest(_message.Message):
    __slots__ = ("dead_letter_id", "metadata_only", "max_picture_bytes")
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_ONLY_FIELD_NUMBER: _ClassVar[int]
    MAX_PICTURE_BYTES_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    metadata_only: bool
    max_picture_bytes: int
    def __init__(self, dead_letter_id: _Optional[str] = ..., metadata_only: bool = ..., max_picture_bytes: _Optional[int] = ...) -> None: ...

class GetDeadLetterResponse(_message.Message):
    __slots__ = ("dead_letter",)
    DEAD_LETTER_FIELD_NUMBER: _ClassVar[int]
    dead_letter: _dead_letter_pb2.DeadLetter
    def __init__(self, dead_letter: _Optional[_Union[_dead_letter_pb2.DeadLetter, _Mapping]] = ...) -> None: ...

class DeadLetterIdList(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeadLetterResult(_message.Message):
    __slots__ = ("dead_letter_id", "done", "refused")
    DEAD_LETTER_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    dead_letter_id: str
    done: DeadLetterDone
    refused: _error_pb2.ItemError
    def __init__(self, dead_letter_id: _Optional[str] = ..., done: _Optional[_Union[DeadLetterDone, _Mapping]] = ..., refused: _Optional[_Union[_error_pb2.ItemError, _Mapping]] = ...) -> None: ...

class DeadLetterDone(_message.Message):
    __slots__ = ("replayed_sequence",)
    REPLAYED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    replayed_sequence: int
    def __init__(self, replayed_sequence: _Optional[int] = ...) -> None: ...

class ReplayDeadLettersRequest(_message.Message):
    __slots__ = ("ids", "filter", "all", "max_count", "dry_run", "discard_replayed", "reason")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    DISCARD_REPLAYED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ids: DeadLetterIdList
    filter: str
    all: bool
    max_count: int
    dry_run: bool
    discard_replayed: bool
    reason: str
    def __init__(self, ids: _Optional[_Union[DeadLetterIdList, _Mapping]] = ..., filter: _Optional[str] = ..., all: bool = ..., max_count: _Optional[int] = ..., dry_run: bool = ..., discard_replayed: bool = ..., reason: _Optional[str] = ...) -> None: ...

class ReplayDeadLettersResponse(_message.Message):
    __slots__ = ("results", "more")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeadLetterResult]
    more: bool
    def __init__(self, results: _Optional[_Iterable[_Union[DeadLetterResult, _Mapping]]] = ..., more: bool = ...) -> None: ...

class DiscardDeadLettersRequest(_message.Message):
    __slots__ = ("ids", "filter", "all", "max_count", "dry_run", "reason")
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    MAX_COUNT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ids: DeadLetterIdList
    filter: str
    all: bool
    max_count: int
    dry_run: bool
    reason: str
    def __init__(self, ids: _Optional[_Union[DeadLetterIdList, _Mapping]] = ..., filter: _Optional[str] = ..., all: bool = ..., max_count: _Optional[int] = ..., dry_run: bool = ..., reason: _Optional[str] = ...) -> None: ...

class DiscardDeadLettersResponse(_message.Message):
    __slots__ = ("results", "more")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeadLetterResult]
    more: bool
    def __init__(self, results: _Optional[_Iterable[_Union[DeadLetterResult, _Mapping]]] = ..., more: bool = ...) -> None: ...
