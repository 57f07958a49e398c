"""Measures the throughput of the layer beside that of the generated stubs, in one run.

    python bench.py [--frames 500] [--bytes 200000] [--rounds 5]

Starts a server of its own ($FRAMEWAY, by default target/release/frameway), whose stream relays the
pictures. Publishes and subscribes with the stubs and with the layer in turn, for threads and for
asyncio, and prints frames per second and this process's processor time for a frame: the medians of
the rounds, and the ratio of the frames per second. The memory budget is so large that the server
throttles nobody: the layer obeys a throttle, and the stubs do not. A round begins when the server
has published the frames of the one before.

Batches have one frame, and the stubs keep as many batches in flight as the server allows.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import queue
import statistics
import sys
import time

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER / "src"), str(FOLDER / "tests")]

import processes  # noqa: E402

import frameway  # noqa: E402
import frameway.aio  # noqa: E402
from frameway import v1  # noqa: E402


def made(count: int, picture: bytes) -> list[v1.Frame]:
    return [v1.Frame(stream_id="cam", data=picture) for _ in range(count)]


def numbered(frames: list[v1.Frame], publisher_id: str) -> list[v1.Frame]:
    for number, frame in enumerate(frames, start=1):
        frame.publisher_id, frame.publisher_sequence = publisher_id, number
    return frames


def setup(publisher_id: str) -> v1.SubmitFramesRequest:
    return v1.SubmitFramesRequest(setup=v1.SubmitSetup(publisher_id=publisher_id))


def selection(start: v1.StartPosition, count: int) -> v1.SubscribeFramesRequest:
    selector = v1.StreamSelector(streams=[v1.StreamMatch(id="cam")], start=start)
    selector.pictures.max_picture_bytes = 31 << 20
    return v1.SubscribeFramesRequest(selectors=[selector], stop_after_frames=count)


# --- With threads. ---


def publish_stub(client: frameway.Client, frames: list[v1.Frame], publisher_id: str) -> None:
    requests: queue.SimpleQueue[v1.SubmitFramesRequest | None] = queue.SimpleQueue()
    requests.put(setup(publisher_id))
    call = client.streaming.SubmitFrames(iter(requests.get, None))
    window = next(call).ready
    waiting = iter(numbered(frames, publisher_id))
    size = len(frames[0].data) + 1000
    in_flight = sent = answered = 0
    limit = min(window.max_in_flight_batches, window.max_in_flight_bytes // size)
    while answered < len(frames):
        while in_flight < limit and sent < len(frames):
            sent += 1
            in_flight += 1
            requests.put(v1.SubmitFramesRequest(batch=v1.SubmitBatch(batch_id=sent, frames=[next(waiting)])))
        message = next(call)
        if message.WhichOneof("event") == "batch_result":
            assert message.batch_result.results[0].WhichOneof("outcome") == "accepted", message
            in_flight -= 1
            answered += 1
    requests.put(None)


def publish_layer(client: frameway.Client, frames: list[v1.Frame], publisher_id: str) -> None:
    with client.publisher(publisher_id, batch_frames=1) as publisher:
        fates = [publisher.publish(frame) for frame in frames]
    assert all(fate.result().outcome == "accepted" for fate in fates)


def subscribe_stub(client: frameway.Client, start: v1.StartPosition, count: int) -> int:
    total = 0
    for message in client.streaming.SubscribeFrames(selection(start, count)):
        if message.WhichOneof("event") == "frame":
            total += len(message.frame.frame.pictures[0].data)
    return total


def subscribe_layer(client: frameway.Client, start: v1.StartPosition, count: int) -> int:
    return sum(len(event.data) for event in client.subscribe(selection(start, count)) if isinstance(event, frameway.Frame))


# --- With asyncio. ---


async def aio_publish_stub(client: frameway.aio.Client, frames: list[v1.Frame], publisher_id: str) -> None:
    call = client.streaming.SubmitFrames()
    await call.write(setup(publisher_id))
    window = (await call.read()).ready
    size = len(frames[0].data) + 1000
    room = asyncio.Semaphore(min(window.max_in_flight_batches, window.max_in_flight_bytes // size))

    async def write() -> None:
        for number, frame in enumerate(numbered(frames, publisher_id), start=1):
            await room.acquire()
            await call.write(v1.SubmitFramesRequest(batch=v1.SubmitBatch(batch_id=number, frames=[frame])))
        await call.done_writing()

    writing = asyncio.create_task(write())
    answered = 0
    while answered < len(frames):
        message = await call.read()
        if message.WhichOneof("event") == "batch_result":
            assert message.batch_result.results[0].WhichOneof("outcome") == "accepted", message
            room.release()
            answered += 1
    await writing


async def aio_publish_layer(client: frameway.aio.Client, frames: list[v1.Frame], publisher_id: str) -> None:
    async with client.publisher(publisher_id, batch_frames=1) as publisher:
        fates = [await publisher.publish(frame) for frame in frames]
    assert all(fate.result().outcome == "accepted" for fate in fates)


async def aio_subscribe_stub(client: frameway.aio.Client, start: v1.StartPosition, count: int) -> int:
    total = 0
    async for message in client.streaming.SubscribeFrames(selection(start, count)):
        if message.WhichOneof("event") == "frame":
            total += len(message.frame.frame.pictures[0].data)
    return total


async def aio_subscribe_layer(client: frameway.aio.Client, start: v1.StartPosition, count: int) -> int:
    total = 0
    async for event in client.subscribe(selection(start, count)):
        if isinstance(event, frameway.Frame):
            total += len(event.data)
    return total


def newest_sequence(client: frameway.Client) -> int:
    """Returns the sequence of the newest published frame; 0 = there is none."""
    newest = client.latest("cam", pictures="none")["cam"].frame
    return newest.sequence if newest is not None else 0


def wait_until_published(client: frameway.Client, sequence: int) -> None:
    """Waits until the server has published the frame with this sequence."""
    deadline = time.monotonic() + 60
    while newest_sequence(client) < sequence:
        if time.monotonic() > deadline:
            raise TimeoutError(f"frame {sequence} was not published within a minute")
        time.sleep(0.01)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the layer beside the generated stubs.")
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--bytes", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.setdefault("FRAMEWAY", str(processes.ROOT / "target/release/frameway"))
    picture = b"\xff\xd8\xff\xe0" + os.urandom(arguments.bytes)
    seconds: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    loop = asyncio.new_event_loop()

    def timed(name: str, call) -> None:
        begin, used = time.perf_counter(), time.process_time()
        result = call()
        if asyncio.iscoroutine(result):
            loop.run_until_complete(result)
        seconds.setdefault(name, []).append(time.perf_counter() - begin)
        processor.setdefault(name, []).append(time.process_time() - used)

    async def aio_client(address: str) -> frameway.aio.Client:
        return frameway.aio.connect(address)

    with processes.Server("--memory-budget", "8GiB", "--log", "warn") as server, frameway.connect(server.address) as client:
        aio = loop.run_until_complete(aio_client(server.address))
        stream = v1.Stream(stream_id="cam")
        stream.output.reencode_mode = v1.REENCODE_MODE_RELAY
        stream.queue.max_frames = 100_000
        stream.queue.max_bytes = 1 << 30
        client.registry.RegisterStream(v1.RegisterStreamRequest(stream=stream), wait_for_ready=True)
        count = arguments.frames
        cases = {"publish": (publish_stub, publish_layer), "publish, asyncio": (aio_publish_stub, aio_publish_layer)}
        submitted = 0
        for number in range(arguments.rounds):
            for what, pair in cases.items():
                for kind, call in zip(("stub", "layer"), pair, strict=True):
                    frames = made(count, picture)
                    publisher_id = f"{kind}-{what.replace(', ', '-')}-{number}"
                    chosen = aio if "asyncio" in what else client
                    timed(f"{what}: {kind}", lambda: call(chosen, frames, publisher_id))  # noqa: B023
                    submitted += count
                    wait_until_published(client, submitted)
        start = v1.StartPosition(sequence=submitted - count + 1)
        cases = {
            "subscribe": (subscribe_stub, subscribe_layer),
            "subscribe, asyncio": (aio_subscribe_stub, aio_subscribe_layer),
        }
        for _ in range(arguments.rounds):
            for what, pair in cases.items():
                for kind, call in zip(("stub", "layer"), pair, strict=True):
                    chosen = aio if "asyncio" in what else client
                    timed(f"{what}: {kind}", lambda: call(chosen, start, count))  # noqa: B023
        loop.run_until_complete(aio.close())
    print(f"{count} frames of {arguments.bytes} bytes, {arguments.rounds} rounds; frames per second")
    for what in ("publish", "publish, asyncio", "subscribe", "subscribe, asyncio"):
        stub, layer = (count / statistics.median(seconds[f"{what}: {kind}"]) for kind in ("stub", "layer"))
        used = [1000 * statistics.median(processor[f"{what}: {kind}"]) / count for kind in ("stub", "layer")]
        print(
            f"{what:20} stub {stub:6.0f} ({used[0]:.2f} ms)   layer {layer:6.0f} ({used[1]:.2f} ms)   ratio {layer / stub:.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
