"""Submits the predecessor's JSON messages: one object in a line, with the picture as base64.

    python -m frameway.convert --address localhost:7400 --register < camera_frames.jsonl

A message has `camera_id`, `frame_id`, `timestamp` (seconds since 1970) and a picture: `image_base64`
(the bytes of a JPEG, PNG or WebP file, also as a data URL) or `image_array` (rows of pixels: grey, or
red, green and blue). What else a message has of the camera's own facts becomes an attribute;
measures are left out, because the server makes its own. A second run over a file stores its frames
again.

A line that cannot be converted, and a frame that the server refuses, are named on the standard error
and counted; the others continue. Exit codes: 0 every line was stored; 1 some were not; 2 wrong
arguments, or no line can be submitted.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import math
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import grpc

from frameway import v1
from frameway.client import Client, connect
from frameway.credentials import Credentials
from frameway.errors import Error
from frameway.stream_queue import Fate

# The fields that are read, and the measures, which the server makes itself.
_READ = ("camera_id", "frame_id", "timestamp", "image_base64", "image_array")
_MEASURES = (
    "quality_score",
    "blur_score",
    "brightness_score",
    "contrast_score",
    "noise_level",
    "vehicle_density",
    "congestion_level",
    "weather_conditions",
    "lighting_conditions",
    "motion_intensity",
    "roi_features",
    "processing_time_ms",
    "processing_stage",
    "validation_passed",
    "received_timestamp",
    "processed_timestamp",
)
_MAX_ATTRIBUTES = 32
_MAX_VALUE_BYTES = 256
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_PICTURE_BYTES = 16 << 20


class BadMessage(Error, ValueError):
    """A message cannot be converted. The text says why."""


@dataclass
class Summary:
    """What became of the lines. `refused` has a text for each line that is not stored."""

    lines: int = 0
    stored: int = 0
    refused: list[str] = field(default_factory=list)


def frame_of(message: Any) -> v1.Frame:
    """Converts a message. Raises BadMessage if that is not possible."""
    if not isinstance(message, dict):
        raise BadMessage("it is no JSON object")
    camera_id = message.get("camera_id")
    if not isinstance(camera_id, str) or not camera_id:
        raise BadMessage("camera_id is missing, or no text")
    frame = v1.Frame(stream_id=stream_id_of(camera_id))
    if frame.stream_id != camera_id:
        frame.attributes["camera_id"] = _cut(camera_id)
    frame_id = message.get("frame_id")
    if frame_id is not None:
        frame.attributes["frame_id"] = _cut(str(frame_id))
    _set_time(frame, message.get("timestamp"))
    if message.get("image_base64") is not None:
        frame.data = _decoded(message["image_base64"])
    elif message.get("image_array") is not None:
        _set_pixels(frame, message["image_array"])
    else:
        raise BadMessage("it has neither image_base64 nor image_array")
    if len(frame.data) > _MAX_PICTURE_BYTES:
        raise BadMessage(f"the picture has {len(frame.data)} bytes, more than 16 MiB")
    for key, value in message.items():
        plain = isinstance(value, str | int | float | bool)
        if (
            plain
            and key not in _READ
            and key not in _MEASURES
            and _KEY.fullmatch(key)
            and len(frame.attributes) < _MAX_ATTRIBUTES
        ):
            frame.attributes[key] = _cut(str(value))
    return frame


def stream_id_of(camera_id: str) -> str:
    """Returns the stream id of a camera: characters that a stream id cannot have become `-`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", camera_id)[:64].replace(".", "-", 1 if camera_id.startswith(".") else 0)


def submit_lines(client: Client, lines: Iterable[str], publisher_id: str = "convert", report: TextIO | None = None) -> Summary:
    """Submits each line, in order. Names lines that are not stored on `report`.

    Raises CallError if the server refuses the calls, or does not answer for a minute.
    """
    summary = Summary()
    numbers: dict[int, int] = {}

    def refuse(number: int, why: object) -> None:
        summary.refused.append(f"line {number}: {why}")
        print(summary.refused[-1], file=report or sys.stderr)

    def decided(frame: v1.Frame, fate: Fate) -> None:
        number = numbers.pop(id(frame))
        if fate.stored:
            summary.stored += 1
        else:
            refuse(number, fate.error)

    with client.publisher(publisher_id, on_fate=decided) as publisher:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            summary.lines += 1
            try:
                frame = frame_of(_parsed(line))
                numbers[id(frame)] = number
                publisher.publish(frame)
            except ValueError as error:
                refuse(number, error)
    return summary


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"it is no JSON: {error}") from None


def _set_time(frame: v1.Frame, timestamp: Any) -> None:
    if timestamp is None:
        return
    valid = isinstance(timestamp, int | float) and not isinstance(timestamp, bool) and math.isfinite(timestamp)
    # The years 1970 to 9999.
    if not valid or not 0 <= timestamp < 253_402_300_800:
        raise BadMessage(f"timestamp is not a time in seconds since 1970: {str(timestamp)[:40]!r}")
    frame.capture_time.FromNanoseconds(round(timestamp * 1e6) * 1000)


def _decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise BadMessage("image_base64 is no text")
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadMessage("image_base64 is not base64") from None
    if not data:
        raise BadMessage("image_base64 is empty")
    return data


def _set_pixels(frame: v1.Frame, rows: Any) -> None:
    """Takes rows of pixels: numbers from 0 to 255 (grey), or lists of three (red, green, blue)."""
    try:
        frame.height, frame.width = len(rows), len(rows[0])
        channels = 1 if isinstance(rows[0][0], int) else len(rows[0][0])
        pixels = [value for row in rows for value in row]
        frame.data = bytes(pixels) if channels == 1 else bytes(value for pixel in pixels for value in pixel)
    except (TypeError, ValueError, LookupError):
        raise BadMessage("image_array is no list of rows of pixels from 0 to 255") from None
    if channels not in (1, 3) or len(frame.data) != frame.width * frame.height * channels:
        raise BadMessage("image_array has rows or pixels of different lengths")
    frame.format = v1.PICTURE_FORMAT_GRAY8 if channels == 1 else v1.PICTURE_FORMAT_RGB8


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:_MAX_VALUE_BYTES].decode("utf-8", "ignore")


def _registering(client: Client, lines: Iterable[str]) -> Iterator[str]:
    """Yields the lines. Registers the stream of each camera before its first line, with the default settings."""
    known = set()
    for line in lines:
        try:
            stream_id = frame_of(_parsed(line)).stream_id if line.strip() else ""
        except BadMessage:
            stream_id = ""
        if stream_id and stream_id not in known:
            known.add(stream_id)
            try:
                request = v1.RegisterStreamRequest(stream=v1.Stream(stream_id=stream_id))
                client.registry.RegisterStream(request, timeout=10, wait_for_ready=True)
            except grpc.RpcError as error:
                # A registered stream keeps its settings.
                if error.code() != grpc.StatusCode.ALREADY_EXISTS:
                    raise client.explain(error, client.route.address) from None
        yield line


def main(arguments: list[str] | None = None) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m frameway.convert", description="Submits the predecessor's JSON messages, one in a line."
    )
    parser.add_argument("file", nargs="?", type=pathlib.Path, help="file with one message in a line (default: standard input)")
    parser.add_argument("--address", default="localhost:7400", help="host:port of the server (default: %(default)s)")
    parser.add_argument("--publisher", default="convert", help="publisher id (default: %(default)s)")
    parser.add_argument(
        "--register", action="store_true", help="register streams that are not registered, without privacy masks"
    )
    parser.add_argument("--token-file", type=pathlib.Path, help="file of an API key or token")
    parser.add_argument("--ca", type=pathlib.Path, help="file of the CA of the server's certificate; use TLS")
    options = parser.parse_args(arguments)
    try:
        source = options.file.open(encoding="utf-8", errors="replace") if options.file else sys.stdin
        with source, connect(options.address, Credentials(token=options.token_file, ca=options.ca)) as client:
            client.server_info()
            lines: Iterable[str] = _registering(client, source) if options.register else source
            summary = submit_lines(client, lines, options.publisher)
    except (Error, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{summary.lines} lines: {summary.stored} stored, {len(summary.refused)} not stored")
    return 1 if summary.refused else 0


if __name__ == "__main__":
    sys.exit(main())
