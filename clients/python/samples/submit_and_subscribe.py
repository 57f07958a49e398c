"""Submits pictures as a camera and receives them as a subscriber.

    python samples/submit_and_subscribe.py --address localhost:7400 --stream road-1 --register *.jpg

Without files, it submits generated pictures. If the stream is not registered, that is an error,
unless --register is given: then the stream is registered with the default settings, which have no
privacy masks. The sample prints sequence, size and quality of every frame that it receives.

Exit codes: 0 every frame was received, once and in order; 1 a frame was not, or a call failed; 2
wrong arguments.

It needs only `pip install grpcio grpcio-status protobuf`.
"""

from __future__ import annotations

import argparse
import pathlib
import struct
import sys
import threading
import time
import zlib

import grpc

try:
    import frameway
except ModuleNotFoundError:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src"))
    import frameway

from frameway import v1

PUBLISHER_ID = "python-sample"
BATCH_FRAMES = 10


def generated_picture(number: int, width: int = 320, height: int = 240) -> bytes:
    """Returns a grey PNG with a bright block on a gradient; a higher number moves it to the right."""
    left = (number * 16) % (width - 40)
    background = bytes(40 + x * 120 // width for x in range(width))
    with_block = background[:left] + b"\xe6" * 40 + background[left + 40 :]
    rows = b"".join(b"\0" + (with_block if height // 3 < y < height * 2 // 3 else background) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make_frames(stream_id: str, files: list[pathlib.Path], generated_count: int) -> list[v1.Frame]:
    pictures = [path.read_bytes() for path in files] or [generated_picture(number) for number in range(generated_count)]
    # The clock in microseconds: a later run has higher publisher sequences than an earlier one.
    first_sequence = time.time_ns() // 1000
    frames = []
    for offset, picture in enumerate(pictures):
        frame = v1.Frame(
            stream_id=stream_id,
            publisher_id=PUBLISHER_ID,
            publisher_sequence=first_sequence + offset,
            data=picture,
        )
        frame.capture_time.GetCurrentTime()
        frames.append(frame)
    return frames


def register(client: frameway.Client, stream_id: str) -> None:
    """Registers the stream with the default settings. A registered stream keeps its settings."""
    request = v1.RegisterStreamRequest(stream=v1.Stream(stream_id=stream_id))
    try:
        client.registry.RegisterStream(request, timeout=10, wait_for_ready=True)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise


class Submitter(threading.Thread):
    """Submits all frames. At the end, `sequences` has the assigned sequences; `error` is set if that failed."""

    def __init__(self, client: frameway.Client, frames: list[v1.Frame]) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.frames = frames
        self.sequences: list[int] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for start in range(0, len(self.frames), BATCH_FRAMES):
                for result in self.client.submit(self.frames[start : start + BATCH_FRAMES]):
                    self.sequences.append(result.accepted.sequence or result.duplicate.sequence)
        except (frameway.FrameRefused, TimeoutError, grpc.RpcError) as error:
            self.error = error


def describe(frame: v1.ProcessedFrame) -> str:
    picture = frame.pictures[0] if frame.pictures else v1.Picture()
    size = f"{picture.width}x{picture.height} {picture.size_bytes} bytes"
    if picture.WhichOneof("content") == "omitted_reason":
        size += f" (omitted: {frameway.enum_name(v1.OmittedReason, picture.omitted_reason)})"
    quality = f"{frame.quality.quality_score:.3f}" if frame.quality.HasField("quality_score") else "not measured"
    return f"sequence {frame.sequence}: {size}, quality {quality}"


def run(client: frameway.Client, stream_id: str, frames: list[v1.Frame], timeout_seconds: float) -> int:
    request = v1.SubscribeFramesRequest(
        selectors=[
            v1.StreamSelector(
                streams=[v1.StreamMatch(id=stream_id)],
                start=v1.StartPosition(live=v1.StartLive()),
            )
        ]
    )
    request.heartbeat_interval.FromSeconds(1)
    submitter = Submitter(client, frames)
    own_sequences = {frame.publisher_sequence for frame in frames}
    received: list[int] = []
    not_delivered: set[int] = set()
    deadline = time.monotonic() + timeout_seconds

    for message in client.subscribe_messages(request, max_quiet_seconds=timeout_seconds):
        event = message.WhichOneof("event")
        if event == "checkpoint" and submitter.ident is None:
            # The first message fixes the start: every frame that is submitted now is delivered.
            submitter.start()
        elif event == "frame":
            frame = message.frame.frame
            if frame.publisher_id == PUBLISHER_ID and frame.publisher_sequence in own_sequences:
                received.append(frame.sequence)
                print(describe(frame), flush=True)
        elif event == "gap":
            gap = message.gap.gap
            not_delivered.update(range(gap.from_sequence, gap.to_sequence + 1))
            causes = ", ".join(f"{cause.count} {frameway.enum_name(v1.GapReason, cause.reason)}" for cause in gap.causes)
            print(f"sequences {gap.from_sequence} to {gap.to_sequence} not delivered: {causes}", flush=True)
        done_submitting = submitter.ident is not None and not submitter.is_alive()
        if done_submitting and set(submitter.sequences) <= set(received) | not_delivered:
            break
        if time.monotonic() > deadline:
            break

    lost = sorted(set(submitter.sequences) - set(received))
    duplicates = len(received) - len(set(received))
    in_order = received == sorted(received)
    print(
        f"submitted {len(frames)}, accepted {len(submitter.sequences)}, received {len(received)}, lost {len(lost)}, "
        f"duplicates {duplicates}, {'in order' if in_order else 'OUT OF ORDER'}"
    )
    if submitter.error is not None:
        print(f"cannot submit all frames: {submitter.error}", file=sys.stderr)
    complete = len(submitter.sequences) == len(frames) and not lost and duplicates == 0 and in_order
    return 0 if complete else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Submits pictures as a camera and receives them as a subscriber.")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="picture files (JPEG, PNG, WebP); none = generated ones")
    parser.add_argument("--address", default="localhost:7400", help="host:port of the server (default: %(default)s)")
    parser.add_argument("--stream", default="python-sample", help="stream id (default: %(default)s)")
    parser.add_argument(
        "--register", action="store_true", help="register the stream, without privacy masks, if it is not registered"
    )
    parser.add_argument("--frames", type=int, default=10, help="number of generated pictures (default: %(default)s)")
    parser.add_argument(
        "--timeout-seconds", type=float, default=60.0, help="maximum duration in seconds (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.frames < 1:
        parser.error("--frames must be at least 1")
    try:
        frames = make_frames(arguments.stream, arguments.files, arguments.frames)
    except OSError as error:
        parser.error(str(error))
    try:
        with frameway.connect(arguments.address) as client:
            if arguments.register:
                register(client, arguments.stream)
            return run(client, arguments.stream, frames, arguments.timeout_seconds)
    except grpc.RpcError as error:
        print(f"{arguments.address}: {error.code().name}: {error.details()}", file=sys.stderr)
        if frameway.error_reason(error) == "ERROR_REASON_STREAM_NOT_FOUND":
            print("register the stream with its settings, or give --register", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
