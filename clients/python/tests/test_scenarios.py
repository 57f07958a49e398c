"""The scenarios of clients/scenarios.md, for threads. test_scenarios_aio.py has some of them for asyncio.

Writes a line for each scenario to the file that $FRAMEWAY_SCENARIOS names. With FRAMEWAY_SHORT=1,
runs only the short ones.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable, Iterable, Iterator

import grpc
import numpy
import PIL.Image
import support
from processes import DEADLINE_SECONDS, ROOT, Relay, Server, free_port, program, redis, wait_until
from support import Scripted, checkpoint, frame, grey_frame, heartbeat

import frameway
from frameway import v1

LONG = (
    "publisher-restart",
    "server-restart-publisher",
    "server-restart-consumer",
    "drained",
    "silent-server",
    "long-handler",
    "consumer-drain",
    "slow-consumer",
    "full-disk",
)
SAMPLES = ROOT / "clients/python/samples"


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, _pattern: str | None) -> unittest.TestSuite:
    if os.environ.get("FRAMEWAY_SHORT") != "1":
        return tests
    cases = [case for suite in tests for case in suite if scenario_of(case) not in LONG]
    return unittest.TestSuite(cases)


def scenario_of(case: unittest.TestCase) -> str:
    return case.id().rpartition(".test_")[2].replace("_", "-")


class Scenario(unittest.TestCase):
    """Reports the result of each test as that of a scenario."""

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        assert result is not None
        before = len(result.failures) + len(result.errors)
        super().run(result)
        outcome = "ok" if len(result.failures) + len(result.errors) == before else "failed"
        if report := os.environ.get("FRAMEWAY_SCENARIOS"):
            with open(report, "a", encoding="utf-8") as file:
                file.write(f"{scenario_of(self)}\t{outcome}\t\n")
        return result


# --- Helpers. ---


def grey(stream_id: str, number: int) -> v1.Frame:
    """Returns a frame without a publisher sequence, whose picture shows its number."""
    return frameway.frame(stream_id, numpy.full((16, 16), number % 256, numpy.uint8))


def register(client: frameway.Client, *streams: str | v1.Stream) -> None:
    for stream in streams:
        request = v1.RegisterStreamRequest(stream=v1.Stream(stream_id=stream) if isinstance(stream, str) else stream)
        client.registry.RegisterStream(request, timeout=DEADLINE_SECONDS, wait_for_ready=True)


def create_group(client: frameway.Client, stream: str = "*", **fields: object) -> None:
    group = v1.ConsumerGroup(group_id="g", streams=[v1.StreamMatch(glob=stream)], **fields)
    group.start.earliest.SetInParent()
    client.groups.CreateConsumerGroup(v1.CreateConsumerGroupRequest(group=group), timeout=DEADLINE_SECONDS)


def group_status(client: frameway.Client) -> v1.ConsumerGroupStatus:
    """Returns the status of the group. Waits for a server that is restarting."""
    request = v1.GetConsumerGroupRequest(group_id="g")
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            return client.groups.GetConsumerGroup(request, timeout=DEADLINE_SECONDS).group.status
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def publish_all(publisher: frameway.Publisher, frames: Iterable[v1.Frame]) -> list[frameway.Fate]:
    made = [publisher.publish(one) for one in frames]
    return [future.result(DEADLINE_SECONDS) for future in made]


def read(events: Iterator[frameway.Frame | frameway.Gap], count: int) -> list[frameway.Frame]:
    """Reads frames. A gap is an error."""
    frames = []
    for event in events:
        assert isinstance(event, frameway.Frame), event
        frames.append(event)
        if len(frames) == count:
            break
    return frames


def numbers(frames: Iterable[frameway.Frame], stream_id: str) -> list[int]:
    """Returns the publisher sequences of a stream, in the order of arrival."""
    return [one.message.publisher_sequence for one in frames if one.stream_id == stream_id]


class Background(threading.Thread):
    """Runs a function in a thread; `end` waits for it, and raises what it raised."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.result: object = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error

    def end(self) -> object:
        self.join(DEADLINE_SECONDS)
        assert not self.is_alive(), "it still runs"
        if self.error is not None:
            raise self.error
        return self.result


@contextlib.contextmanager
def certificate() -> Iterator[tuple[str, str]]:
    """Makes a certificate for 127.0.0.1; yields the files of the certificate and of its key."""
    with tempfile.TemporaryDirectory() as folder:
        files = f"{folder}/server.pem", f"{folder}/server.key"
        options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
        extensions = "-addext subjectAltName=IP:127.0.0.1,DNS:localhost -addext basicConstraints=CA:FALSE"
        command = ["openssl", "req", *options.split(), *extensions.split(), "-out", files[0], "-keyout", files[1]]
        subprocess.run(command, check=True, capture_output=True)
        yield files


class Connected:
    """A server and a client, and optionally Redis behind the server."""

    def __init__(self, *arguments: str, with_redis: bool = False) -> None:
        self._stack = contextlib.ExitStack()
        if with_redis:
            arguments += ("--redis-url", self._stack.enter_context(redis())[0])
        self._arguments = arguments

    def __enter__(self) -> tuple[Server, frameway.Client]:
        server = self._stack.enter_context(Server(*self._arguments))
        client = self._stack.enter_context(frameway.connect(server.address))
        return server, client

    def __exit__(self, *_: object) -> None:
        self._stack.close()


# --- Publishing. ---


class Publishing(Scenario):
    def test_submit_and_subscribe(self) -> None:
        with Connected() as (_, client):
            register(client, "a", "b")
            with client.subscribe(["a", "b"]) as events, client.publisher("p") as publisher:
                fates = publish_all(publisher, (grey("ab"[number % 2], number) for number in range(20)))
                frames = read(events, 20)
            self.assertEqual({fate.outcome for fate in fates}, {"accepted"})
            for stream_id, first in (("a", 0), ("b", 1)):
                own = [one for one in frames if one.stream_id == stream_id]
                self.assertEqual([one.sequence for one in own], list(range(1, 11)))
                self.assertEqual(numbers(frames, stream_id), list(range(1, 11)))
                for number, one in enumerate(own):
                    self.assertAlmostEqual(int(one.array().mean()), first + 2 * number, delta=2)

    def test_duplicate(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            with client.subscribe("cam") as events:
                with client.publisher("camera") as publisher:
                    first = publish_all(publisher, (grey_frame("cam", number) for number in range(1, 6)))
                with client.publisher("camera") as publisher:
                    again = publish_all(publisher, (grey_frame("cam", number) for number in range(1, 7)))
                frames = read(events, 6)
            self.assertEqual([fate.outcome for fate in again], ["duplicate"] * 5 + ["accepted"])
            self.assertEqual([fate.sequence for fate in again[:5]], [fate.sequence for fate in first])
            self.assertEqual(numbers(frames, "cam"), [1, 2, 3, 4, 5, 6])

    def test_bad_frame(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            bad = v1.Frame(stream_id="cam", width=16, height=16, data=b"this is no picture")
            unnamed = grey("not a stream id", 1)
            seen: dict[int, frameway.Fate] = {}
            report = lambda made, fate: seen.update({id(made): fate})
            with client.publisher("p", on_fate=report) as publisher:
                fates = publish_all(publisher, [grey("cam", 1), bad, unnamed, grey("cam", 2)])
            self.assertEqual([fate.outcome for fate in fates], ["accepted", "rejected", "rejected", "accepted"])
            self.assertIs(seen[id(bad)], fates[1])
            error = fates[1].error
            assert isinstance(error, frameway.FrameRefused)
            self.assertEqual(error.reason, "ERROR_REASON_PICTURE_FORMAT_UNKNOWN")
            self.assertIn("frame 2 of 'cam'", str(error))
            self.assertEqual(fates[2].error.reason, "ERROR_REASON_INVALID_STREAM_ID")
            with self.assertRaisesRegex(frameway.ConfigError, "is no picture"):
                frameway.frame("cam", object())

    def test_order_after_refusal(self) -> None:
        with Connected() as (_, client):
            stream = v1.Stream(stream_id="cam")
            stream.queue.max_frames = 3
            register(client, stream)
            every = v1.PauseQueueRequest(all_queues=True)
            client.queues.PauseQueue(every, timeout=DEADLINE_SECONDS)
            with client.subscribe("cam") as events, client.publisher("p", batch_frames=4) as publisher:
                made = [publisher.publish(grey("cam", number)) for number in range(40)]
                decided = lambda: sum(one.done() for one in made)
                wait_until("three frames are accepted", lambda: decided() == 3)
                client.queues.ResumeQueue(v1.ResumeQueueRequest(all_queues=True), timeout=DEADLINE_SECONDS)
                fates = [one.result(DEADLINE_SECONDS) for one in made]
                frames = read(events, 40)
            self.assertEqual([fate.sequence for fate in fates], list(range(1, 41)))
            self.assertEqual(numbers(frames, "cam"), list(range(1, 41)))

    def test_publisher_restart(self) -> None:
        with Connected() as (server, client):
            register(client, "cam")
            script = (
                "import sys, frameway, numpy\n"
                f"client = frameway.connect({server.address!r})\n"
                "publisher = client.publisher('p', on_fate=lambda made, fate: print(fate.sequence, flush=True))\n"
                "while True: publisher.publish(frameway.frame('cam', numpy.zeros((16, 16), numpy.uint8)))\n"
            )
            with client.subscribe("cam", start="earliest") as events:
                for _ in range(2):
                    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
                    assert process.stdout is not None
                    for _ in range(30):
                        process.stdout.readline()
                    process.kill()
                    process.wait(DEADLINE_SECONDS)
                    process.stdout.close()
                with client.publisher("p") as publisher:
                    last = publish_all(publisher, [grey("cam", 1)])[0]
                self.assertEqual(last.outcome, "accepted")
                self.assertGreater(last.sequence, 60)
                frames = read(events, last.sequence)
            self.assertEqual(numbers(frames, "cam"), list(range(1, last.sequence + 1)))

    def test_bounded_publisher(self) -> None:
        with Connected() as (server, client):
            register(client, "cam")
            picture = numpy.zeros((256, 1024), numpy.uint8)
            with client.publisher("p", max_bytes=1 << 20) as publisher:
                publish_all(publisher, [frameway.frame("cam", picture)])
                server.stop()
                made = []
                with self.assertRaisesRegex(frameway.BufferFull, "undecided"):
                    while True:
                        made.append(publisher.publish(frameway.frame("cam", picture), timeout_seconds=0))
                self.assertLessEqual(sum(picture.nbytes for _ in made), 1 << 20)
                waiting = Background(lambda: publisher.publish(frameway.frame("cam", picture)))
                server.signal(signal.SIGCONT)
                made.append(waiting.end())
                self.assertEqual({one.result(DEADLINE_SECONDS).stored for one in made}, {True})


# --- Breaks. ---


class Breaks(Scenario):
    def test_server_restart_publisher(self) -> None:
        with Connected(with_redis=True) as (server, client):
            register(client, "a", "b")
            with client.publisher("p", batch_frames=5) as publisher:
                made = []
                for number in range(300):
                    made.append(publisher.publish(grey("ab"[number % 2], number)))
                    if number in (100, 200):
                        wait_until("some are decided", lambda: made[number // 2].done())
                        server.kill()
                        server.start()
                fates = [one.result(DEADLINE_SECONDS) for one in made]
            self.assertTrue(all(fate.stored for fate in fates))
            with client.subscribe(["a", "b"], start="earliest") as events:
                frames = read(events, 300)
            for stream_id in "ab":
                self.assertEqual(numbers(frames, stream_id), list(range(1, 151)))
                own = [fate.sequence for fate in fates if fate.stream_id == stream_id]
                self.assertEqual(own, list(range(1, 151)))

    def test_server_restart_subscriber(self) -> None:
        with Connected(with_redis=True) as (server, client), frameway.connect(server.address) as camera:
            register(client, "cam")
            with client.subscribe("cam") as events, camera.publisher("p") as publisher:
                made = [publisher.publish(grey("cam", number)) for number in range(20)]
                frames = read(events, 10)
                server.kill()
                server.start()
                made += [publisher.publish(grey("cam", number)) for number in range(20, 40)]
                frames += read(events, 30)
                self.assertTrue(all(one.result(DEADLINE_SECONDS).stored for one in made))
            self.assertEqual(numbers(frames, "cam"), list(range(1, 41)))

    def test_server_restart_consumer(self) -> None:
        with Connected(with_redis=True) as (server, client), frameway.connect(server.address) as camera:
            register(camera, "cam")
            create_group(camera)
            handled: collections.Counter[int] = collections.Counter()

            def handle(one: frameway.Frame) -> None:
                handled[one.sequence] += 1
                if one.sequence == 10:
                    # The frame is in work while the server is away.
                    server.kill()
                    server.start()

            with camera.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(40)))
            with client.consume("g", handle, workers=2):
                wait_until("all are handled", lambda: len(handled) == 40)
                wait_until("all are acknowledged", lambda: group_status(camera).acknowledged_frames == 40)
            self.assertEqual(set(handled.values()), {1})
            self.assertEqual(group_status(camera).outstanding_frames, 0)

    def test_drained(self) -> None:
        with contextlib.ExitStack() as stack:
            url, _ = stack.enter_context(redis())
            first = stack.enter_context(Server("--redis-url", url, "--drain-timeout", "5s"))
            second = stack.enter_context(Server("--redis-url", url))
            client = stack.enter_context(frameway.connect([first.address, second.address]))
            other = stack.enter_context(frameway.connect(second.address))
            register(other, "cam")
            create_group(other)
            handled: collections.Counter[int] = collections.Counter()
            stack.enter_context(client.consume("g", lambda one: handled.update([one.sequence])))
            with client.subscribe("cam") as events, client.publisher("p") as publisher:
                made = []
                frames = []
                for number in range(100):
                    made.append(publisher.publish(grey("cam", number)))
                    if number % 10 == 9:
                        frames += read(events, 10)
                    if number == 49:
                        draining = Background(lambda: (first.signal(signal.SIGTERM), first.wait()))
                        # It refuses further calls from now on.
                fates = [one.result(DEADLINE_SECONDS) for one in made]
                draining.end()
            self.assertEqual([fate.sequence for fate in fates], list(range(1, 101)))
            self.assertEqual(numbers(frames, "cam"), list(range(1, 101)))
            wait_until("all are handled", lambda: len(handled) == 100)
            self.assertEqual(set(handled.values()), {1})

    def test_two_addresses(self) -> None:
        with Server() as server, socket.create_server(("127.0.0.1", 0)) as mute:
            for dead in (f"127.0.0.1:{free_port()}", f"127.0.0.1:{mute.getsockname()[1]}"):
                with frameway.connect([dead, server.address]) as client:
                    self.assertEqual(client.server_info(DEADLINE_SECONDS).api_version, "frameway.v1")
                with frameway.connect([dead, server.address]) as client, client.subscribe("cam-*") as events:
                    with client.publisher(f"p{server.port}") as publisher:
                        register(client, "cam-1")
                        publish_all(publisher, [grey("cam-1", 1)])
                    read(events, 1)

    def test_silent_server(self) -> None:
        with Connected() as (server, client):
            register(client, "cam")
            request = support.subscription("cam", heartbeat_seconds=1)
            with self.assertLogs("frameway") as logs, client.subscribe(request) as events, client.publisher("p") as publisher:
                publish_all(publisher, [grey("cam", 1)])
                read(events, 1)
                server.stop()
                begin = time.monotonic()
                noticed = lambda: any("SubscribeFrames continues" in line for line in logs.output)
                reading = Background(lambda: read(events, 1))
                wait_until("the silence is noticed", noticed)
                self.assertLess(time.monotonic() - begin, 12)
                server.signal(signal.SIGCONT)
                publisher.publish(grey("cam", 2))
                frames = reading.end()
            assert isinstance(frames, list)
            self.assertEqual(numbers(frames, "cam"), [2])

    def test_cursor_store(self) -> None:
        with Connected() as (server, client), tempfile.TemporaryDirectory() as folder:
            register(client, "cam")
            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(30)))
            with client.subscribe("cam", start="earliest") as events:
                begin = events.cursors["cam"]
            cursors = pathlib.Path(folder) / "cam.cursors"
            stored = lambda: json.loads(cursors.read_text())["cursors"]["cam"] if cursors.exists() else None
            command = [
                sys.executable,
                str(SAMPLES / "subscribe.py"),
                "--address",
                server.address,
                "--cursors",
                str(cursors),
                "cam",
            ]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            seen = [int(process.stdout.readline().split()[2]) for _ in range(30)]
            wait_until("cursors are stored", lambda: stored() not in (None, begin))
            process.kill()
            process.wait(DEADLINE_SECONDS)
            process.stdout.close()
            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(10)))
            with client.subscribe("cam", start="earliest", cursors=cursors) as events:
                first = next(events)
                assert isinstance(first, frameway.Frame)
                # It may have read on, but stores only what it has handled.
                self.assertGreater(first.sequence, 1)
                rest = [first.sequence] + [one.sequence for one in read(events, 40 - first.sequence)]
            self.assertEqual(seen, list(range(1, 31)))
            self.assertEqual(rest, list(range(first.sequence, 41)))
            # A clean end repeats nothing.
            with client.publisher("p") as publisher:
                publish_all(publisher, [grey("cam", 1)])
            with client.subscribe("cam", cursors=cursors) as events:
                self.assertEqual([one.sequence for one in read(events, 1)], [41])


# --- Groups. ---


class Groups(Scenario):
    def test_consume(self) -> None:
        with Connected() as (_, client):
            register(client, "a", "b")
            create_group(client)
            handled: list[list[tuple[str, int]]] = [[], []]
            members = [
                client.consume("g", lambda one, own=own: own.append((one.stream_id, one.sequence)), member_id=f"m{index}")
                for index, own in enumerate(handled)
            ]
            wait_until("both have joined", lambda: len(group_status(client).members) == 2)
            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("ab"[number % 2], number) for number in range(40)))
            wait_until("all are acknowledged", lambda: group_status(client).acknowledged_frames == 40)
            for member in members:
                member.close()
            self.assertEqual(sorted(handled[0] + handled[1]), [(one, number) for one in "ab" for number in range(1, 21)])
            self.assertEqual(group_status(client).redelivered_frames, 0)

    def test_handler_throws(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            backoff = v1.RetryBackoff()
            backoff.min_delay.FromMilliseconds(10)
            create_group(client, max_delivery_attempts=2, backoff=backoff)
            handled: list[int] = []

            def handle(one: frameway.Frame) -> None:
                if one.sequence == 3:
                    raise RuntimeError("no plate in sight")
                handled.append(one.sequence)

            with self.assertLogs("frameway", logging.WARNING), client.consume("g", handle), client.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(5)))
                wait_until("a dead letter is made", lambda: group_status(client).dead_letter_frames == 1)
                wait_until("the others are acknowledged", lambda: group_status(client).acknowledged_frames >= 4)
            self.assertEqual(sorted(handled), [1, 2, 4, 5])
            [letter] = client.dead_letters.ListDeadLetters(v1.ListDeadLettersRequest(), timeout=DEADLINE_SECONDS).dead_letters
            self.assertIn("RuntimeError: no plate in sight", str(letter))

    def test_long_handler(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            group = {"ack_deadline": support.duration(1.0)}
            create_group(client, **group)
            attempts: list[int] = []

            def handle(one: frameway.Frame) -> None:
                attempts.append(one.delivery_attempt)
                threading.Event().wait(3.0)  # three deadlines

            with client.consume("g", handle), client.publisher("p") as publisher:
                publish_all(publisher, [grey("cam", 1)])
                wait_until("it is acknowledged", lambda: group_status(client).acknowledged_frames == 1)
            self.assertEqual(attempts, [1])
            self.assertEqual(group_status(client).redelivered_frames, 0)

    def test_consumer_drain(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            create_group(client)
            go_on = threading.Event()
            first: list[int] = []
            second: list[int] = []

            def slow(one: frameway.Frame) -> None:
                first.append(one.sequence)
                go_on.wait(DEADLINE_SECONDS)

            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(20)))
            consumer = client.consume("g", slow, workers=2, member_id="m1", max_outstanding_frames=20)
            wait_until("all are delivered", lambda: len(first) == 2 and group_status(client).outstanding_frames == 20)
            begin = time.monotonic()
            closing = Background(consumer.close)
            with client.consume("g", lambda one: second.append(one.sequence), member_id="m2"):
                wait_until("the others are handled elsewhere", lambda: len(second) == 18)
                # Long before their deadline of 30 s.
                self.assertLess(time.monotonic() - begin, 15)
                self.assertTrue(closing.is_alive())
                go_on.set()
                closing.end()
                wait_until("all are acknowledged", lambda: group_status(client).acknowledged_frames == 20)
            self.assertEqual(sorted(first + second), list(range(1, 21)))


# --- Reading. ---


class Reading(Scenario):
    def test_gap(self) -> None:
        with Connected() as (_, client):
            stream = v1.Stream(stream_id="cam")
            stream.retention.max_frames = 5
            register(client, stream)
            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(20)))
            newest = lambda: client.latest("cam", pictures="none")["cam"]
            wait_until("all are processed", lambda: (found := newest().frame) is not None and found.sequence == 20)

            def first() -> frameway.Frame | frameway.Gap:
                request = support.subscription("cam")
                request.selectors[0].start.sequence = 1
                with client.subscribe(request) as events:
                    return next(events)

            wait_until("the oldest have expired", lambda: getattr(first(), "to_sequence", 0) == 15)
            gap = first()
            assert isinstance(gap, frameway.Gap)
            self.assertEqual((gap.stream_id, gap.from_sequence, gap.to_sequence), ("cam", 1, 15))
            self.assertEqual(gap.reasons, {"GAP_REASON_RETENTION": 15})

    def test_large_picture(self) -> None:
        with Connected() as (_, client):
            stream = v1.Stream(stream_id="cam")
            stream.output.reencode_mode = v1.REENCODE_MODE_RELAY
            register(client, stream)
            picture = b"\xff\xd8\xff\xe0" + os.urandom(5_000_000)
            with client.subscribe("cam") as events, client.publisher("p") as publisher:
                [fate] = publish_all(publisher, [frameway.frame("cam", picture)])
                self.assertEqual(fate.outcome, "accepted")
                [delivered] = read(events, 1)
            self.assertEqual(delivered.data, picture)
            newest = client.latest("cam")["cam"].frame
            assert newest is not None
            self.assertEqual(newest.data, picture)

    def test_latest(self) -> None:
        with Connected() as (_, client):
            register(client, "a", "b", "empty")
            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("ab"[number % 2], number) for number in range(10)))
            found = lambda: client.latest(["a", "b", "empty", "nobody"])
            done = lambda: all((one := found()[name].frame) and one.sequence == 5 for name in "ab")
            wait_until("all are processed", done)
            latest = found()
            self.assertEqual(latest["a"].frame.array().shape, (16, 16))
            self.assertGreater(latest["b"].age.total_seconds(), 0)
            self.assertEqual((latest["empty"].frame, latest["empty"].missing), (None, "MISSING_REASON_NOT_ACCEPTED"))
            self.assertEqual(latest["nobody"].missing, "MISSING_REASON_STREAM_NOT_FOUND")

    def test_picture(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            pixels = numpy.zeros((48, 64, 3), numpy.uint8)
            pixels[:, :32] = (200, 30, 30)
            with client.subscribe("cam", pictures=["processed", "thumbnail"]) as events, client.publisher("p") as publisher:
                publish_all(publisher, [frameway.frame("cam", pixels), frameway.frame("cam", PIL.Image.fromarray(pixels))])
                frames = read(events, 2)
            for one in frames:
                picture = one.picture("processed")
                self.assertEqual(picture.format, "PICTURE_FORMAT_JPEG")
                self.assertEqual((picture.width, picture.height), (64, 48))
                self.assertEqual(one.image().size, (64, 48))
                self.assertEqual(one.array().shape, (48, 64, 3))
                self.assertGreater(int(one.array()[24, 8, 0]), 150)
                self.assertLess(int(one.array()[24, 56, 0]), 50)
                self.assertGreater(one.picture("thumbnail").array().size, 0)
                with self.assertRaisesRegex(frameway.PictureMissing, "original"):
                    one.picture("original")

    def test_slow_consumer(self) -> None:
        with Connected("--memory-budget", "256MiB") as (server, client), frameway.connect(server.address) as camera:
            stream = v1.Stream(stream_id="cam")
            stream.output.reencode_mode = v1.REENCODE_MODE_RELAY
            register(client, stream)
            picture = b"\xff\xd8\xff\xe0" + os.urandom(1 << 20)
            with client.subscribe("cam") as events, camera.publisher("p", max_bytes=8 << 20) as publisher:
                publish_all(publisher, [frameway.frame("cam", picture)])
                read(events, 1)
                before = resident_bytes()
                total = 300
                last = [publisher.publish(frameway.frame("cam", picture)) for _ in range(total)][-1]
                self.assertTrue(last.result(DEADLINE_SECONDS).stored)
                during = resident_bytes()
                at = 1
                highest = during
                while at < total + 1:
                    event = next(events)
                    first = event.sequence if isinstance(event, frameway.Frame) else event.from_sequence
                    self.assertEqual(first, at + 1, event)
                    at = event.sequence if isinstance(event, frameway.Frame) else event.to_sequence
                    highest = max(highest, resident_bytes())
            # 300 MiB were published meanwhile.
            self.assertLess(highest - before, 100 << 20)


def resident_bytes() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- Errors. ---


class Errors(Scenario):
    def test_no_server(self) -> None:
        address = f"127.0.0.1:{free_port()}"
        with frameway.connect(address) as client:
            for call in (
                lambda: client.server_info(timeout_seconds=2),
                lambda: next(client.subscribe("cam", max_quiet_seconds=1)),
                lambda: client.consume("g", print, max_quiet_seconds=1).wait(),
            ):
                begin = time.monotonic()
                with self.assertRaises(frameway.CallError) as raised:
                    call()
                self.assertLess(time.monotonic() - begin, 10)
                self.assertIn(address, str(raised.exception))
                self.assertNotIn("\n", str(raised.exception))
            publisher = client.publisher("p", max_quiet_seconds=1)
            fate = publisher.publish(grey("cam", 1)).result(DEADLINE_SECONDS)
            self.assertEqual(fate.outcome, "unconfirmed")
            self.assertIn(address, str(fate.error))
            with self.assertRaises(frameway.CallError):
                publisher.close()
        for wrong in ("localhost", "http://", "ftp://a:1", "a b:1", "host:0", ""):
            with self.assertRaisesRegex(frameway.ConfigError, "is not an address"):
                frameway.connect(wrong)

    def test_wrong_key(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            access = f"{folder}/access.toml"
            create = [program(), "keys", "create", "--access-file", access, "--principal", "p", "--grant", "publish:*"]
            key = subprocess.run([*create, "--grant", "read:*"], check=True, capture_output=True, text=True).stdout.split()[-1]
            wrong = f"fwk_{'0' * 12}_{'A' * 43}"
            with Server("--access-file", access) as server:
                file = pathlib.Path(folder) / "key"
                file.write_text(f"{key}\n")
                for token in (key, file, lambda: key):
                    with frameway.connect(server.address, frameway.Credentials(token=token)) as client:
                        self.assertEqual(client.server_info().api_version, "frameway.v1")
                with frameway.connect(server.address, frameway.Credentials(token=wrong)) as client:
                    for call in (
                        client.server_info,
                        lambda: next(client.subscribe("cam")),
                        lambda: client.consume("g", print).wait(),
                    ):
                        begin = time.monotonic()
                        with self.assertRaises(frameway.CallError) as raised, self.assertNoLogs("frameway"):
                            call()
                        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
                        self.assertEqual(raised.exception.reason, "ERROR_REASON_CREDENTIALS_INVALID")
                        self.assertNotIn(wrong, str(raised.exception))
                        self.assertLess(time.monotonic() - begin, 5)
                    fate = client.publisher("p").publish(grey("cam", 1)).result(DEADLINE_SECONDS)
                    self.assertEqual(fate.error.reason, "ERROR_REASON_CREDENTIALS_INVALID")
                with frameway.connect(server.address) as client, self.assertRaises(frameway.CallError) as raised:
                    client.server_info()
                self.assertEqual(raised.exception.reason, "ERROR_REASON_CREDENTIALS_MISSING")
            with self.assertRaisesRegex(frameway.ConfigError, "without TLS"):
                frameway.connect("example.org:7400", frameway.Credentials(token=key))
            with self.assertRaisesRegex(frameway.ConfigError, "cannot be read"):
                frameway.connect(server.address, frameway.Credentials(token=pathlib.Path(folder) / "absent"))
            self.assertNotIn(key, repr(frameway.Credentials(token=key)))

    def test_plaintext_to_tls(self) -> None:
        with certificate() as (pem, key), Server("--tls-cert", pem, "--tls-key", key) as server:
            with frameway.connect(server.address) as client:
                for call in (client.server_info, lambda: next(client.subscribe("cam"))):
                    with self.assertRaisesRegex(frameway.CallError, "speaks TLS.*https://"):
                        call()
                fate = client.publisher("p").publish(grey("cam", 1)).result(DEADLINE_SECONDS)
                self.assertRegex(str(fate.error), "speaks TLS.*https://")
            with frameway.connect(server.address, frameway.Credentials(ca=pem)) as client:
                self.assertEqual(client.server_info().api_version, "frameway.v1")
            with (
                frameway.connect(f"https://{server.address}") as client,
                self.assertRaisesRegex(frameway.CallError, "not from a trusted CA"),
            ):
                client.server_info()

    def test_tls_to_plaintext(self) -> None:
        with certificate() as (pem, _), Server() as server:
            for credentials in (frameway.Credentials(tls=True), frameway.Credentials(ca=pem)):
                with frameway.connect(server.address, credentials) as client:
                    for call in (client.server_info, lambda client=client: next(client.subscribe("cam"))):
                        with self.assertRaisesRegex(frameway.CallError, "does not speak TLS"):
                            call()

    def test_deadline(self) -> None:
        with Connected() as (server, client):
            client.server_info()
            server.stop()
            begin = time.monotonic()
            with self.assertRaises(frameway.DeadlineExceeded) as raised:
                client.latest("cam", timeout_seconds=1)
            self.assertTrue(1 <= time.monotonic() - begin < 6)
            self.assertIsInstance(raised.exception, TimeoutError)
            self.assertIn(server.address, str(raised.exception))

    def test_cancel(self) -> None:
        with Server() as server:
            relay = Relay(server.port)
            with frameway.connect(server.address) as setup:
                register(setup, "cam")
                create_group(setup)
            with frameway.connect(relay.address) as client:
                events = client.subscribe("cam")
                reading = Background(lambda: list(events))
                consumer = client.consume("g", print)
                publisher = client.publisher("p")
                publish_all(publisher, [grey("cam", 1)])
                wait_until("all are connected", lambda: relay.connections == 2)
                begin = time.monotonic()
                events.close()
                reading.end()
                consumer.close()
                publisher.cancel()
                self.assertLess(time.monotonic() - begin, 10)
                with self.assertRaisesRegex(frameway.Error, "closed"):
                    publisher.publish(grey("cam", 2))
            names = lambda: [one.name for one in threading.enumerate() if one.name.startswith("frameway")]
            wait_until("no thread is left", lambda: not names())
            wait_until("no connection is left", lambda: not relay._open)
            relay.close()

    def test_newer_server(self) -> None:
        unknown_event = v1.SubscribeFramesResponse.FromString(b"\x7a\x00")  # field 15, of a newer contract
        unknown_submit = v1.SubmitFramesResponse.FromString(b"\x7a\x00")
        gap = v1.SubscribeFramesResponse()
        gap.gap.gap.MergeFrom(v1.Gap(stream_id="cam", from_sequence=1, to_sequence=1))
        gap.gap.gap.causes.add(reason=999, count=1)

        def subscribed(_request, _context):
            yield from (checkpoint("start"), unknown_event, gap, heartbeat(), frame(2))

        class Newer(Scripted):
            outcomes = 0

            def SubmitFrames(self, requests, _context):
                for request in requests:
                    yield unknown_submit
                    answer = v1.SubmitFramesResponse()
                    if request.WhichOneof("request") == "setup":
                        answer.ready.MergeFrom(v1.SubmitReady(max_batch_frames=10, max_message_bytes=1 << 25))
                        answer.ready.max_in_flight_batches = 4
                        answer.ready.max_in_flight_bytes = 1 << 25
                    else:
                        answer.batch_result.batch_id = request.batch.batch_id
                        for _ in request.batch.frames:
                            self.outcomes += 1
                            # The first outcome is a case that the client does not know.
                            unknown = v1.FrameResult.FromString(b"\x7a\x00")
                            known = v1.FrameResult(accepted=v1.FrameAccepted(sequence=1))
                            answer.batch_result.results.append(unknown if self.outcomes == 1 else known)
                    yield answer

        servicer = Newer(subscriptions=[subscribed])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            events = client.subscribe("cam")
            first, second = next(events), next(events)
            assert isinstance(first, frameway.Gap)
            self.assertEqual(first.reasons, {"999": 1})
            self.assertEqual(second.sequence, 2)
            events.close()
            with client.publisher("p") as publisher:
                [fate] = publish_all(publisher, [grey("cam", 1)])
            self.assertEqual(fate.outcome, "accepted")
            self.assertEqual(servicer.outcomes, 2)

    def test_message_too_large(self) -> None:
        with Connected() as (server, client):
            stream = v1.Stream(stream_id="cam")
            stream.output.reencode_mode = v1.REENCODE_MODE_RELAY
            register(client, stream)
            picture = b"\xff\xd8\xff\xe0" + os.urandom(5_000_000)
            with client.publisher("p") as publisher:
                publish_all(publisher, [frameway.frame("cam", picture)])
            request = support.subscription("cam")
            request.selectors[0].pictures.max_picture_bytes = 16 << 20
            with frameway.connect(server.address, max_message_bytes=2 << 20) as small, self.assertNoLogs("frameway"):
                with self.assertRaises(frameway.CallError) as raised:
                    next(small.subscribe(request))
                self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
                with self.assertRaisesRegex(frameway.ConfigError, "fits no message"):
                    small.publisher("p").publish(frameway.frame("cam", picture))

    def test_foreign_cursor(self) -> None:
        with tempfile.TemporaryDirectory() as folder, Connected() as (server, client):
            path = pathlib.Path(folder) / "cursors"
            register(client, "a", "b")

            def fill() -> None:
                with client.publisher("p") as publisher:
                    publish_all(publisher, (grey("ab"[number % 2], number) for number in range(10)))

            fill()
            with client.subscribe("a", start="earliest", cursors=path) as events:
                read(events, 5)
            with self.assertRaisesRegex(
                frameway.CursorError, f"{path} belongs to a subscription of .'a'.*use a file of its own"
            ):
                client.subscribe("b", cursors=path)
            kept = path.read_text()
            # The cursor of another stream under this stream's name.
            with client.subscribe("b", start="earliest", cursors=path.with_name("b")) as events:
                read(events, 5)
            foreign = json.loads(kept)
            foreign["cursors"]["a"] = json.loads(path.with_name("b").read_text())["cursors"]["b"]
            path.write_text(json.dumps(foreign))
            with self.assertRaises(frameway.CallError) as raised:
                next(client.subscribe("a", cursors=path))
            self.assertEqual(raised.exception.reason, "ERROR_REASON_CURSOR_INVALID")
            for damage in ("", "{", "[]", kept[: len(kept) // 2], '{"format": "frameway-cursors-1"}'):
                path.write_text(damage)
                with self.assertRaisesRegex(frameway.CursorError, f"{path} is damaged"):
                    client.subscribe("a", cursors=path)
            # An embedded server that was restarted is another store.
            path.write_text(kept)
            server.kill()
            server.start()
            register(client, "a")
            with client.subscribe("a", cursors=path) as events:
                with client.publisher("p2") as publisher:
                    publish_all(publisher, [grey("a", 1)])
                gap = next(events)
                assert isinstance(gap, frameway.Gap)
                self.assertIn("GAP_REASON_STORE_REPLACED", gap.reasons)
                self.assertEqual(read(events, 1)[0].stream_id, "a")

    def test_full_disk(self) -> None:
        with Connected() as (_, client):
            register(client, "cam")
            with client.publisher("p") as publisher:
                publish_all(publisher, (grey("cam", number) for number in range(5)))
            received: list[object] = []
            with self.assertRaisesRegex(frameway.CursorError, "/dev/full cannot be written: No space left"):
                for event in client.subscribe("cam", start="earliest", cursors="/dev/full", save_seconds=0):
                    received.append(event)
            self.assertLessEqual(len(received), 1)
            with (
                tempfile.TemporaryDirectory() as folder,
                self.assertRaisesRegex(frameway.CursorError, "cannot be written: No such file"),
            ):
                for event in client.subscribe("cam", start="earliest", cursors=f"{folder}/absent/cursors", save_seconds=0):
                    received.append(event)


if __name__ == "__main__":
    unittest.main()
