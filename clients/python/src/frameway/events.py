"""What subscriptions, groups and `latest` deliver: typed frames and gaps. It does no I/O and has no clock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from frameway import v1
from frameway.cursors import CursorStore, FileCursors
from frameway.errors import ConfigError, enum_name
from frameway.following import HEARTBEAT_SECONDS
from frameway.pictures import Picture, PictureMissing

if TYPE_CHECKING:
    import numpy
    import numpy.typing
    import PIL.Image

Start = str | v1.StartPosition
"""A start position, or one of the words `live` and `earliest`."""
Pictures = str | Iterable[str] | v1.PictureSelection
"""A selection of pictures, or roles: `processed`, `thumbnail`, `original`, `none`."""

_MESSAGE_MARGIN_BYTES = 1 << 20
"""The part of the maximum message size that pictures do not use."""


@dataclass(frozen=True)
class Frame:
    """A processed frame. `message` has everything; `cursor` is the stream's position after it.

    `ack_id` and `delivery_attempt` belong to a frame of a group.
    """

    message: v1.ProcessedFrame
    cursor: str = ""
    ack_id: str = ""
    delivery_attempt: int = 0

    def __repr__(self) -> str:
        return f"Frame({self.stream_id!r}, {self.sequence})"

    @property
    def stream_id(self) -> str:
        return self.message.stream_id

    @property
    def sequence(self) -> int:
        return self.message.sequence

    def picture(self, role: str = "") -> Picture:
        """Returns the picture of a role (`processed`, `thumbnail`, `original`, `rendition`), or the first one.

        Raises PictureMissing if none was requested.
        """
        wanted = _role(role) if role else None
        for picture in self.message.pictures:
            if wanted is None or picture.role == wanted:
                return Picture(picture)
        raise PictureMissing(f"frame {self.sequence} of {self.stream_id!r} has no picture {role or 'at all'}: request it")

    @property
    def data(self) -> bytes:
        """The bytes of the first picture. Raises PictureMissing if there is none."""
        return self.picture().data

    def array(self) -> numpy.typing.NDArray[numpy.uint8]:
        """Returns the first picture as a numpy array; see `Picture.array`."""
        return self.picture().array()

    def image(self) -> PIL.Image.Image:
        """Returns the first picture as an image of Pillow; see `Picture.image`."""
        return self.picture().image()


@dataclass(frozen=True)
class Gap:
    """Frames of one stream that are not delivered. `message` has everything.

    For a stretch of time instead of sequences, both sequences are 0.
    """

    message: v1.Gap
    cursor: str = ""

    def __repr__(self) -> str:
        return f"Gap({self.stream_id!r}, {self.from_sequence} to {self.to_sequence}, {self.reasons})"

    @property
    def stream_id(self) -> str:
        return self.message.stream_id

    @property
    def from_sequence(self) -> int:
        return self.message.from_sequence

    @property
    def to_sequence(self) -> int:
        return self.message.to_sequence

    @property
    def reasons(self) -> dict[str, int]:
        """The number of sequences for each reason, by its full name, such as GAP_REASON_RETENTION."""
        return {enum_name(v1.GapReason, cause.reason): cause.count for cause in self.message.causes}


@dataclass(frozen=True)
class Latest:
    """The newest frame of a stream, or the reason that there is none, such as MISSING_REASON_STREAM_NOT_FOUND."""

    stream_id: str
    frame: Frame | None
    missing: str = ""
    age: timedelta | None = None


class Reader:
    """Turns messages of a subscription into events, and says which cursors to store and when.

    Only cursors of events that the program has handled are stored: an event is handled when the
    program asks for the next one.
    """

    def __init__(self, request: v1.SubscribeFramesRequest, store: CursorStore | None, save_seconds: float) -> None:
        self.streams = sorted(_name(one) for selector in request.selectors for one in selector.streams)
        self.store = store
        self._save_seconds = save_seconds
        self._handled: dict[str, str] = {}
        self._pending: Frame | Gap | None = None
        self._unsaved = False
        self._saved_at = -save_seconds
        self.started = False
        """True after the first message: the start of each stream is fixed."""

    def load(self) -> dict[str, str]:
        """Returns the stored cursors. Raises CursorError if they cannot be used."""
        self._handled = self.store.load(self.streams) if self.store is not None else {}
        return dict(self._handled)

    def take(self, message: v1.SubscribeFramesResponse) -> Frame | Gap | None:
        """Returns the event of a message; None if it has none."""
        self.started = True
        match message.WhichOneof("event"):
            case "frame":
                self._pending = Frame(message.frame.frame, message.frame.cursor)
            case "gap":
                self._pending = Gap(message.gap.gap, message.gap.cursor)
            case "checkpoint":
                # Everything up to these cursors was delivered before, and handled.
                self._advance((one.stream_id, one.cursor) for one in message.checkpoint.cursors)
                return None
            case _:
                return None
        return self._pending

    def handled(self) -> None:
        """Records that the program has handled the last event."""
        if self._pending is not None:
            self._advance([(self._pending.stream_id, self._pending.cursor)])
            self._pending = None

    def due(self, now: float, *, last: bool = False) -> dict[str, str] | None:
        """Returns the cursors if they are to be stored now; at the end (`last`), all that are not yet stored."""
        if self.store is None or not self._unsaved or (not last and now - self._saved_at < self._save_seconds):
            return None
        self._saved_at, self._unsaved = now, False
        return dict(self._handled)

    def _advance(self, cursors: Iterable[tuple[str, str]]) -> None:
        for stream_id, cursor in cursors:
            if cursor and self._handled.get(stream_id) != cursor:
                self._handled[stream_id] = cursor
                self._unsaved = True


def store_of(cursors: CursorStore | str | os.PathLike[str] | None) -> CursorStore | None:
    """Takes a store, or the path of a file."""
    return FileCursors(cursors) if isinstance(cursors, str | os.PathLike) else cursors


def subscription(
    streams: str | Sequence[str] | v1.SubscribeFramesRequest, start: Start, pictures: Pictures, max_message_bytes: int
) -> v1.SubscribeFramesRequest:
    """Returns the request of a subscription. Completes one that is given."""
    request = v1.SubscribeFramesRequest()
    if isinstance(streams, v1.SubscribeFramesRequest):
        request.CopyFrom(streams)
    else:
        selector = request.selectors.add()
        selector.start.CopyFrom(_start(start))
        selector.pictures.CopyFrom(selection(pictures, max_message_bytes))
        for stream in [streams] if isinstance(streams, str) else streams:
            selector.streams.append(match(stream))
        if not selector.streams:
            raise ConfigError("there is no stream to subscribe to")
    for selector in request.selectors:
        if not selector.pictures.HasField("max_picture_bytes"):
            selector.pictures.max_picture_bytes = max_message_bytes - _MESSAGE_MARGIN_BYTES
    if not request.HasField("heartbeat_interval"):
        request.heartbeat_interval.FromMilliseconds(int(HEARTBEAT_SECONDS * 1000))
    return request


def membership(
    group_id: str, member_id: str, max_frames: int | None, max_bytes: int, pictures: Pictures, max_message_bytes: int
) -> v1.ConsumeFramesRequest:
    """Returns the request of a group member."""
    request = v1.ConsumeFramesRequest(
        group_id=group_id, member_id=member_id, max_outstanding_frames=max_frames, max_outstanding_bytes=max_bytes
    )
    request.pictures.CopyFrom(selection(pictures, max_message_bytes))
    request.heartbeat_interval.FromMilliseconds(int(HEARTBEAT_SECONDS * 1000))
    return request


def match(stream: str) -> v1.StreamMatch:
    """Selects one stream by its id, or all whose ids match a pattern."""
    is_pattern = any(character in stream for character in "*?[")
    return v1.StreamMatch(glob=stream) if is_pattern else v1.StreamMatch(id=stream)


def selection(pictures: Pictures, max_message_bytes: int) -> v1.PictureSelection:
    """Returns a selection of pictures. They may fill a message."""
    selected = v1.PictureSelection()
    if isinstance(pictures, v1.PictureSelection):
        selected.CopyFrom(pictures)
    elif pictures == "none":
        selected.metadata_only = True
    else:
        selected.roles.extend(_role(role) for role in ([pictures] if isinstance(pictures, str) else pictures))
    if not selected.HasField("max_picture_bytes"):
        selected.max_picture_bytes = max_message_bytes - _MESSAGE_MARGIN_BYTES
    return selected


def latest(response: v1.GetLatestFramesResponse) -> Mapping[str, Latest]:
    """Reads the answer to a request for the newest frames."""
    found = {}
    for one in response.results:
        # A case that this client does not know counts as missing.
        frame = Frame(one.frame) if one.WhichOneof("outcome") == "frame" else None
        missing = "" if frame else enum_name(v1.MissingReason, one.missing.reason)
        found[one.stream_id] = Latest(one.stream_id, frame, missing, one.age.ToTimedelta() if frame else None)
    return found


def _role(role: str) -> Any:
    try:
        return v1.PictureRole.Value(f"PICTURE_ROLE_{role.upper()}")
    except ValueError:
        raise ConfigError(f"{role!r} is no picture: write processed, thumbnail, original, rendition or none") from None


def _start(start: Start) -> v1.StartPosition:
    if isinstance(start, v1.StartPosition):
        return start
    if start == "live":
        return v1.StartPosition(live=v1.StartLive())
    if start == "earliest":
        return v1.StartPosition(earliest=v1.StartEarliest())
    raise ConfigError(f"{start!r} is no start: write 'live' or 'earliest', or pass a v1.StartPosition")


def _name(one: v1.StreamMatch) -> str:
    which = one.WhichOneof("selector")
    return (
        f"labels:{one.labels.SerializeToString(deterministic=True).hex()}"
        if which == "labels"
        else str(getattr(one, which))
        if which
        else ""
    )
